// The registers of an NTB that both its sides share; what it would translate is there to be looked at.
#pragma once

#include <array>
#include <bit>
#include <map>

#include "fakes/fake_host.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::fakes {

struct NtbShape {
  std::uint32_t windows = 16, lut = 32;
  std::uint64_t dma_size = 1ull << 36, register_size = 64 << 20;  // bytes, powers of two
  std::uint32_t limits = 12;                                      // spec::ntb::kLimits
};

class FakeNtb {
 public:
  explicit FakeNtb(std::uint16_t peer, const NtbShape& shape = {}) : peer_(peer), shape_(shape) {}

  // Called when a side is rung.
  std::function<void()> ring_management, ring_link;

  [[nodiscard]] pcie::ConfigSpace management_space() const {
    auto space = pcie::ConfigSpace::endpoint(
        {.vendor = spec::pci::kLadonVendor, .device = spec::pci::kNtbDevice, .class_code = 0x068000});
    space.add_bar(0, pcie::BarKind::memory32, spec::ntb::kControlBarSize);
    space.add_bar(1, pcie::BarKind::memory32, spec::ntb::kMsiBarSize);
    space.add_bar(2, pcie::BarKind::memory64_prefetchable, shape_.dma_size);
    add_capabilities(space);
    return space;
  }
  [[nodiscard]] pcie::ConfigSpace link_space() const {
    auto space = pcie::ConfigSpace::endpoint(
        {.vendor = spec::pci::kLadonVendor, .device = spec::pci::kNtbLinkDevice, .class_code = 0x068000});
    space.add_bar(0, pcie::BarKind::memory32, spec::ntb::kControlBarSize);
    space.add_bar(2, pcie::BarKind::memory64_prefetchable, shape_.register_size);
    add_capabilities(space);
    return space;
  }
  void connect_management(FakeFunction& f) {
    f.read = [this](int, unsigned, std::uint64_t offset) { return read(0, offset); };
    f.write = [this](int, unsigned, std::uint64_t offset, std::uint64_t value) {
      write(0, offset, static_cast<std::uint32_t>(value));
    };
  }
  // `registers`: what stores and loads in the link side's register BAR do.
  void connect_link(FakeFunction& f) {
    f.read = [this](int, unsigned bar, std::uint64_t offset) {
      return bar == 0 ? read(1, offset) : window_read ? window_read(offset) : ~std::uint64_t{0};
    };
    f.write = [this](int, unsigned bar, std::uint64_t offset, std::uint64_t value) {
      if (bar == 0) return write(1, offset, static_cast<std::uint32_t>(value));
      if (window_write) window_write(offset, value);
    };
  }
  std::function<std::uint64_t(std::uint64_t offset)> window_read;
  std::function<void(std::uint64_t offset, std::uint64_t value)> window_write;

  // What this side (0 management, 1 link) sends when it is rung; nullopt if software has not let it.
  [[nodiscard]] std::optional<std::uint32_t> message(std::size_t side, const FakeFunction& f) const {
    const auto at =
        static_cast<std::uint16_t>(*f.space.capability(spec::pci::kCapMsix) + spec::pci::kMsixControl);
    const auto& [low, high, data, control] = msix_[side];
    const bool on = f.space.read(at, 2) == spec::pci::kMsixControlEnable && f.space.bus_master();
    return on && control == 0 ? std::optional(data) : std::nullopt;
  }
  [[nodiscard]] std::uint32_t reg(std::uint64_t offset) const {
    const auto found = registers_.find(offset);
    return found == registers_.end() ? 0 : found->second;
  }
  void set(std::uint64_t offset, std::uint32_t value) { registers_[offset] = value; }
  // All windows and look-up entries that are on, with what they hold.
  [[nodiscard]] std::map<std::uint64_t, std::uint32_t> tables() const {
    std::map<std::uint64_t, std::uint32_t> on;
    const auto take = [&](std::uint64_t bank, std::uint64_t stride, std::uint64_t count, std::uint32_t bit) {
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t at = bank + i * stride;
        if ((reg(at) & bit) == 0) continue;
        for (std::uint64_t o = 0; o < stride; o += 4) on[at + o] = reg(at + o);
      }
    };
    namespace ntb = spec::ntb;
    for (const auto bank : {ntb::kOutbound, ntb::kInbound})
      take(bank, ntb::kWindowStride, ntb::kMaxWindows, ntb::kWindowEnable);
    for (const auto bank : {ntb::kLutOutbound, ntb::kLutInbound})
      take(bank, ntb::kLutStride, ntb::kMaxLut, ntb::kLutValid);
    return on;
  }
  int writes = 0;  // to windows and look-up tables

 private:
  static void add_capabilities(pcie::ConfigSpace& space) {
    space.add_express(pcie::PortType::endpoint, false);
    space.add_msix({.vectors = spec::ntb::kVectors,
                    .table_bar = 0,
                    .table_offset = spec::ntb::kMsixTable,
                    .pba_bar = 0,
                    .pba_offset = spec::ntb::kMsixPending});
  }
  [[nodiscard]] std::uint32_t shape_word() const {
    return shape_.windows | shape_.lut << 8 |
           static_cast<std::uint32_t>(std::countr_zero(shape_.register_size)) << 24;
  }
  static bool is_msix(std::uint64_t offset) {
    return offset >= spec::ntb::kMsixTable && offset < spec::ntb::kMsixTable + 16;
  }

  std::uint64_t read(int side, std::uint64_t offset) const {
    namespace ntb = spec::ntb;
    if (is_msix(offset)) return msix_[static_cast<std::size_t>(side)][(offset - ntb::kMsixTable) / 4];
    if (offset == ntb::kId) return ntb::kMagic;
    if (offset == ntb::kSide) return static_cast<std::uint64_t>(side);
    if (offset == ntb::kShape) return side == 0 ? shape_word() : 0;
    if (offset == ntb::kLimits) return side == 0 ? shape_.limits : 0;
    if (offset == ntb::kPeer) return side == 0 ? peer_ : 0;
    if (side == 1 && offset < ntb::kScratchpads) return 0;
    return reg(offset);
  }
  void write(int side, std::uint64_t offset, std::uint32_t value) {
    namespace ntb = spec::ntb;
    if (is_msix(offset)) {
      msix_[static_cast<std::size_t>(side)][(offset - ntb::kMsixTable) / 4] = value;
      return;
    }
    if (offset == ntb::kDoorbellPeer) {
      const auto& ring = side == 0 ? ring_link : ring_management;
      if (ring) ring();
      return;
    }
    if (side == 1 && offset < ntb::kScratchpads) return;
    if (offset >= ntb::kOutbound && offset < ntb::kScratchpads) ++writes;
    registers_[offset] = value;
  }

  std::uint16_t peer_;
  NtbShape shape_;
  std::map<std::uint64_t, std::uint32_t> registers_;
  std::array<std::array<std::uint32_t, 4>, 2> msix_{{{0, 0, 0, 1}, {0, 0, 0, 1}}};
};

}  // namespace ladon::fakes
