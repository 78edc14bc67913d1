// What only the files of AttackRack include: its wire, and a guest's registers.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "machine/attack_rack.h"
#include "spec/ixgbevf.h"

namespace ladon::machine {

// The wire's other end is the caller.
struct AttackRack::QueueWire final : Wire {
  static constexpr std::size_t kMost = 65'536;
  std::deque<std::vector<std::byte>> in, out;

  bool send(ConstBytes frame) override {
    if (out.size() == kMost) return false;
    out.emplace_back(frame.begin(), frame.end());
    return true;
  }
  std::size_t receive(Bytes into) override {
    if (in.empty()) return 0;
    const std::size_t length = std::min(in.front().size(), into.size());
    std::copy_n(in.front().begin(), length, into.begin());
    in.pop_front();
    return length;
  }
  [[nodiscard]] bool carrier() const override { return true; }
};

// The registers of a guest's VF, as its QEMU would reach them.
class AttackRack::SeatMmio final : public client::Mmio {
 public:
  SeatMmio(AttackRack& rack, GuestSlot& slot) : rack_(rack), slot_(slot) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) override {
    std::uint32_t value = 0;
    (void)slot_.region_read(spec::ixgbevf::kRegisterBar, offset,
                            std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    (void)slot_.region_write(spec::ixgbevf::kRegisterBar, offset, std::as_bytes(std::span(&value, 1)));
  }
  void pause() override { rack_.step(); }

 private:
  AttackRack& rack_;
  GuestSlot& slot_;
};

}  // namespace ladon::machine
