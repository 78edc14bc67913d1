// A synthetic guest of a rack: memory, a processor, and a virtual function with a mock of its driver
// (ixgbevf's steps). Of a bare host it is the host's operating system. A handle: copies are the same guest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "testkit/path.h"

namespace ladon::testkit {

using Frame = std::vector<std::byte>;  // Ethernet, without preamble and FCS
using Mac = std::array<std::uint8_t, 6>;

class Guest {
 public:
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const std::string& host() const;
  [[nodiscard]] Mac mac() const;

  // ---- its memory, from guest-physical address 0, which its VF reaches under the same addresses
  [[nodiscard]] std::span<std::byte> memory();
  // A load or store of four bytes by its processor: memory, or its VF's BAR 0 at kRegisters. Refused:
  // nothing.
  static constexpr std::uint64_t kRegisters = 0xE000'0000;
  [[nodiscard]] std::optional<std::uint32_t> load(std::uint64_t address);
  bool store(std::uint64_t address, std::uint32_t value);

  // ---- its VF. A driver of one's own: BAR 0, by offset (a multiple of 4), and memory().
  [[nodiscard]] std::uint32_t read_register(std::uint32_t offset);
  void write_register(std::uint32_t offset, std::uint32_t value);

  // ---- or the mock driver: probes, negotiates over the mailbox, sets its rings up in the upper half of
  // memory(). The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> open();
  // False if the transmit ring is full: let the rack run. Needs open().
  bool send(std::span<const std::byte> frame);
  // The next frame that was received; nothing if there is none yet. Needs open().
  [[nodiscard]] std::optional<Frame> receive();
  [[nodiscard]] bool link_up();

  // ---- interrupts that its VF has raised by this vector and that have arrived, or were lost by a fault
  [[nodiscard]] std::uint64_t interrupts(std::uint16_t vector) const;
  [[nodiscard]] std::uint64_t lost_interrupts(std::uint16_t vector) const;

  // ---- it goes, as when its QEMU ends, and comes again. False if the rack did not do so.
  bool detach();
  bool attach();

  // ---- accesses that are followed and not made: of its VF to its memory, of its processor to a register of
  // its VF, of a vector of its VF
  [[nodiscard]] Path dma(std::uint64_t address, Access access, std::uint32_t length = 4) const;
  [[nodiscard]] Path register_access(std::uint32_t offset, Access access) const;
  [[nodiscard]] Path interrupt(std::uint16_t vector) const;

 private:
  friend class Rack;
  Guest(std::shared_ptr<class RackParts> rack, std::size_t index) : rack_(std::move(rack)), index_(index) {}

  std::shared_ptr<class RackParts> rack_;
  std::size_t index_;
};

}  // namespace ladon::testkit
