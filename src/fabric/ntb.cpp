#include "fabric/ntb.h"

#include <algorithm>
#include <bit>

#include "spec/pci.h"

namespace ladon::fabric {

namespace ntb = spec::ntb;
using ntb::Error;

namespace {

constexpr std::uint64_t kPage = 4096;
enum { kOffset, kLength, kTranslation };

}  // namespace

Ntb::Ntb(const NtbOptions& options, std::uint16_t index, NtbOwner& owner)
    : options_(options),
      index_(index),
      owner_(owner),
      management_(*this, NtbSideName::management, options),
      link_(*this, NtbSideName::link, options) {
  for (auto& windows : windows_) windows.resize(options.windows);
  for (auto& lut : luts_) lut.resize(options.lut_entries);
}

std::uint64_t Ntb::bar_size(int direction, std::uint8_t bar) const {
  if (direction == 1) return bar == ntb::kRegisterBar ? options_.register_window : 0;
  if (bar == ntb::kMsiBar) return ntb::kMsiBarSize;
  return bar == ntb::kDmaBar ? options_.dma_window : 0;
}

Error Ntb::check(int direction, std::size_t index, std::uint32_t control) const {
  const auto& windows = windows_[static_cast<std::size_t>(direction)];
  const auto [offset, length, translation] = windows[index].fields;
  const auto bar = static_cast<std::uint8_t>((control >> ntb::kWindowBarShift) & 7);
  const std::uint64_t size = bar_size(direction, bar);
  if (size == 0) return Error::no_such_bar;
  const std::uint64_t granule = bar == ntb::kRegisterBar && direction == 1 ? options_.granule : kPage;
  if ((offset | length | translation) % granule != 0) return Error::unaligned;
  if (length == 0) return Error::empty;
  if (offset >= size || length > size - offset) return Error::outside_bar;
  if (options_.size_aligned && translation % std::bit_ceil(length) != 0) return Error::unaligned;
  if (options_.whole_bar && direction == 0 && bar == ntb::kDmaBar && length != size) return Error::unaligned;
  if (length - 1 > ~translation) return Error::wrap;
  if (options_.mutations.unchecked) return Error::none;
  for (const Window& other : windows) {
    if (&other == &windows[index] || !other.enabled() || other.bar() != bar) continue;
    const bool apart =
        offset >= other.fields[kOffset] + other.fields[kLength] || other.fields[kOffset] >= offset + length;
    if (!apart) return Error::overlap;
  }
  return Error::none;
}

NtbSideTable Ntb::side_table(const NtbFunction& function, int direction) const {
  NtbSideTable table{
      .bars = function.decoded(), .bus_master = function.bus_master(), .windows = {}, .lut = {}};
  for (const Window& window : windows_[static_cast<std::size_t>(direction)]) {
    if (!window.enabled()) continue;
    pcie::AccessSet access;
    if ((window.control & ntb::kWindowRead) != 0) access.bits |= pcie::kReadOnly.bits;
    if ((window.control & ntb::kWindowWrite) != 0) access.bits |= pcie::kWriteOnly.bits;
    table.windows.push_back(
        {.bar = window.bar(),
         .within = *Range<BusAddr>::of(BusAddr(window.fields[kOffset]), window.fields[kLength]),
         .translation = BusAddr(window.fields[kTranslation]),
         .access = access});
  }
  std::sort(table.windows.begin(), table.windows.end(), [](const NtbWindow& a, const NtbWindow& b) {
    return std::pair(a.bar, a.within.first()) < std::pair(b.bar, b.within.first());
  });
  for (const Lut& lut : luts_[static_cast<std::size_t>(direction)])
    if (lut.valid()) table.lut.push_back({.rid = lut.rid(), .proxy = lut.proxy});
  std::sort(table.lut.begin(), table.lut.end(),
            [](const LutEntry& a, const LutEntry& b) { return a.rid < b.rid; });
  return table;
}

NtbTable Ntb::table(pcie::HostSegment segment, std::uint16_t port) const {
  return {.segment = segment,
          .port = port,
          .link_up = link_up_,
          .requester_table = options_.requester_table,
          .management = side_table(management_, 0),
          .link = side_table(link_, 1)};
}

NtbFunction::NtbFunction(Ntb& ntb, NtbSideName side, const NtbOptions& options)
    : ntb_(ntb), side_(side), space_([&] {
        const bool management = side == NtbSideName::management;
        const pcie::Identity identity{
            .vendor = spec::pci::kLadonVendor,
            .device = management ? spec::pci::kNtbDevice : spec::pci::kNtbLinkDevice,
            .subsystem_vendor = spec::pci::kLadonVendor,
            .subsystem = 0,
            .class_code = 0x068000,  // bridge, other
            .revision = 1};
        auto space = pcie::ConfigSpace::endpoint(identity);
        using pcie::BarKind;
        space.add_bar(ntb::kControlBar, BarKind::memory32, ntb::kControlBarSize);
        if (management) {
          space.add_bar(ntb::kMsiBar, BarKind::memory32, ntb::kMsiBarSize);
          space.add_bar(ntb::kDmaBar, options.narrow ? BarKind::memory32 : BarKind::memory64_prefetchable,
                        options.dma_window);
        } else {
          space.add_bar(ntb::kRegisterBar,
                        options.narrow ? BarKind::memory32 : BarKind::memory64_prefetchable,
                        options.register_window);
        }
        space.add_express(pcie::PortType::endpoint, false);
        space.add_msix({.vectors = ntb::kVectors,
                        .table_bar = ntb::kControlBar,
                        .table_offset = ntb::kMsixTable,
                        .pba_bar = ntb::kControlBar,
                        .pba_offset = ntb::kMsixPending});
        space.add_aer();
        return space;
      }()) {}

std::uint32_t NtbFunction::config_read(std::uint16_t offset, unsigned width) {
  return space_.read(offset, width);
}

void NtbFunction::config_write(std::uint16_t offset, unsigned width, std::uint32_t value) {
  if (!space_.write(offset, width, value)) return;
  ntb_.changed();
  update_interrupt();
}

}  // namespace ladon::fabric
