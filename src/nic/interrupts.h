// A virtual function's interrupts: causes, masks, automatic clearing and masking, moderation. Intel 82599
// Datasheet 7.3.1 and 9.3 (VTEICR and following), in MSI-X mode: bit n of every register is vector n.
// Whoever has news calls cause() or a register handler; one update() then decides what is signalled.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "pcie/dma.h"
#include "pcie/msix.h"
#include "spec/ixgbevf.h"

namespace ladon::nic {

enum class QueueDirection : std::uint8_t { receive = 0, transmit = 1 };

class Interrupts {
 public:
  static constexpr std::uint32_t kVectors = spec::ixgbevf::kVectors, kAll = (1u << kVectors) - 1;

  Interrupts(pcie::MsixTable& table, pcie::DmaPort& port) : table_(table), port_(port) {}

  // Something happened at a queue, or at the mailbox: to the vector that IVAR gives it, if any.
  void cause(unsigned queue, QueueDirection direction) {
    route(ivar_[0] >> (16 * queue + 8 * static_cast<unsigned>(direction)));
  }
  void cause_misc() { route(ivar_misc_); }

  // Signals what is due at `now`. False if the tables refused a message.
  bool update(Instant now);
  // There is something that update() would signal now or later.
  [[nodiscard]] bool due() const { return (asserted_ & mask_) != 0; }
  // When the first moderated vector may be signalled; nullopt if none waits.
  [[nodiscard]] std::optional<Instant> deadline() const;
  // All masked, nothing pending, no routes. The MSI-X table belongs to configuration space and stays.
  void reset();

  // Registers.
  std::uint32_t read_cause();  // clears
  void clear_causes(std::uint32_t bits) { cause_ &= ~bits; }
  void set_causes(std::uint32_t bits) { assert_bits(bits); }
  [[nodiscard]] std::uint32_t mask() const { return mask_; }
  void enable(std::uint32_t bits);
  void disable(std::uint32_t bits) { mask_ &= ~bits; }
  std::uint32_t auto_clear = 0, auto_mask = 0;
  [[nodiscard]] std::uint32_t ivar(std::uint32_t index) const { return ivar_[index]; }
  void set_ivar(std::uint32_t index, std::uint32_t value) { ivar_[index] = value; }
  [[nodiscard]] std::uint32_t ivar_misc() const { return ivar_misc_; }
  void set_ivar_misc(std::uint32_t value) { ivar_misc_ = value; }
  [[nodiscard]] std::uint32_t throttle(std::uint32_t vector) const { return throttle_[vector]; }
  void set_throttle(std::uint32_t vector, std::uint32_t value);

 private:
  void route(std::uint32_t entry) {
    if ((entry & spec::ixgbevf::kIvarValid) != 0) assert_bits(1u << (entry & 3));
  }
  void assert_bits(std::uint32_t bits) {
    cause_ |= bits & kAll;
    asserted_ |= bits & kAll;
  }

  pcie::MsixTable& table_;
  pcie::DmaPort& port_;
  std::uint32_t cause_ = 0, mask_ = 0;
  std::uint32_t asserted_ = 0;  // caused and not signalled since
  std::array<std::uint32_t, 4> ivar_{};
  std::uint32_t ivar_misc_ = 0;
  std::array<std::uint32_t, kVectors> throttle_{};  // EITR as written
  std::array<Instant, kVectors> not_before_{};
};

}  // namespace ladon::nic
