#include "mh/inventory.h"

#include <algorithm>
#include <map>

#include "mh/journal.h"
#include "mh/json.h"
#include "spec/ixgbevf.h"
#include "spec/ntb.h"
#include "spec/pci.h"
#include "spec/pf.h"

namespace ladon::mh {

namespace ntb = spec::ntb;
namespace pci = spec::pci;
namespace vf = spec::ixgbevf;

namespace {

constexpr unsigned kStrideShift = 36;  // 64 GiB

bool is_ntb(const host::PciFunction& function) {
  return function.vendor == pci::kLadonVendor && function.device == pci::kNtbDevice;
}

// A register of BAR 0, which is at most 64 KiB and placed.
BusAddr register_at(const host::PciFunction& function, std::uint32_t offset) {
  return BusAddr(function.bars[ntb::kControlBar].base.bits() + offset);
}

// Only the NTBs' DMA BARs have places of their own: those of the hosts behind them. One that is 32-bit lies
// where there is room among the others.
std::expected<std::vector<host::WantedBase>, host::Error> wanted_bases(
    host::BlockingHost& host, const std::vector<host::PciFunction>& functions) {
  std::uint64_t largest = 0;
  for (const auto& function : functions)
    if (is_ntb(function)) largest = std::max(largest, function.bars[ntb::kDmaBar].size);
  std::map<std::pair<pcie::HostSegment, std::uint32_t>, std::size_t> bridges;  // by segment and host
  for (std::size_t i = 0; i < functions.size(); ++i) {
    if (!is_ntb(functions[i]) || !functions[i].bars[ntb::kDmaBar].wide) continue;
    const auto peer = host.load32(register_at(functions[i], ntb::kPeer));
    if (!peer) return std::unexpected(peer.error());
    bridges.emplace(std::pair(functions[i].bdf.segment, *peer), i);
  }
  std::vector<host::WantedBase> wanted;
  for (const auto& [where, function] : bridges)
    wanted.push_back({.function = function,
                      .bar = ntb::kDmaBar,
                      .base = dma_base(wanted.size() + 1, where.first, largest)});
  return wanted;
}

std::expected<Ntb, InventoryError> ntb_of(host::BlockingHost& host, const host::PciFunction& function) {
  const auto bad = [&](const char* what) {
    return std::unexpected(InventoryError{pcie::to_string(function.bdf) + ": " + what});
  };
  const auto id = host.load32(register_at(function, ntb::kId));
  const auto side = host.load32(register_at(function, ntb::kSide));
  const auto shape = host.load32(register_at(function, ntb::kShape));
  const auto peer = host.load32(register_at(function, ntb::kPeer));
  const auto limits = host.load32(register_at(function, ntb::kLimits));
  if (!id || !side || !shape || !peer || !limits) return bad("the NTB's registers do not answer");
  if (*id != ntb::kMagic || *side != 0) return bad("not the management side of an NTB");
  return Ntb{.bdf = function.bdf,
             .peer = pcie::Domain{static_cast<std::uint16_t>(*peer)},
             .control = function.bars[ntb::kControlBar].base,
             .msi = function.bars[ntb::kMsiBar].base,
             .dma = function.bars[ntb::kDmaBar].base,
             .dma_size = function.bars[ntb::kDmaBar].size,
             .register_size = std::uint64_t{1} << (*shape >> 24 & 63),
             .windows = static_cast<std::uint16_t>(*shape & 0xFF),
             .lut_entries = static_cast<std::uint16_t>(*shape >> 8 & 0xFFFF),
             .granule = std::uint64_t{1} << (*limits & 63),
             .requester_table = (*limits & ntb::kLimitNoTable) == 0,
             .by_device = (*limits & ntb::kLimitByDevice) != 0,
             .whole_bar = (*limits & ntb::kLimitWholeBar) != 0};
}

std::expected<Nic, InventoryError> nic_of(host::BlockingHost& host, const host::PciFunction& function) {
  if (!function.sriov || function.sriov->bars[vf::kRegisterBar].size == 0 ||
      function.sriov->bars[vf::kMsixBar].size == 0)
    return std::unexpected(
        InventoryError{pcie::to_string(function.bdf) + ": the NIC has no virtual functions with both BARs"});
  const auto& sriov = *function.sriov;
  const auto memory = host.load32(BusAddr(function.bars[0].base.bits() + spec::pf::kMemoryPool));
  if (!memory)
    return std::unexpected(
        InventoryError{pcie::to_string(function.bdf) + ": the NIC's registers do not answer"});
  return Nic{.pf = function.bdf,
             .registers = function.bars[0].base,
             .vfs = sriov.vfs,
             .first_offset = sriov.first_offset,
             .stride = sriov.stride,
             .vf_device = sriov.vf_device,
             .vf_registers = sriov.bars[vf::kRegisterBar].base,
             .vf_msix = sriov.bars[vf::kMsixBar].base,
             .vf_registers_size = sriov.bars[vf::kRegisterBar].size,
             .vf_msix_size = sriov.bars[vf::kMsixBar].size,
             .packet_memory = *memory};
}

std::expected<void, InventoryError> find_parts(host::BlockingHost& host, Inventory& inventory) {
  for (const auto& function : inventory.functions) {
    if (function.vendor != pci::kLadonVendor) continue;
    if (function.device == pci::kNtbDevice) {
      const auto found = ntb_of(host, function);
      if (!found) return std::unexpected(found.error());
      inventory.ntbs.push_back(*found);
    } else if (function.device == pci::kNicPfDevice) {
      const auto found = nic_of(host, function);
      if (!found) return std::unexpected(found.error());
      inventory.nics.push_back(*found);
    }
  }
  return {};
}

}  // namespace

BusAddr dma_base(std::size_t place, pcie::HostSegment segment, std::uint64_t largest) {
  const std::uint64_t stride = std::max(std::uint64_t{1} << kStrideShift, largest);
  return BusAddr((std::uint64_t{place} + 1 + number(segment)) * stride);
}

std::expected<Inventory, InventoryError> take_inventory(host::BlockingHost& host) {
  const auto description = host.describe();
  if (!description)
    return std::unexpected(
        InventoryError{"the host does not describe itself: " + std::string(name(description.error()))});
  Inventory inventory{.host = *description, .functions = {}, .ntbs = {}, .nics = {}};
  auto functions = host::enumerate(host, *description, {.wanted_bases = wanted_bases});
  if (!functions) return std::unexpected(InventoryError{functions.error().message});
  inventory.functions = std::move(*functions);
  if (const auto found = find_parts(host, inventory); !found) return std::unexpected(found.error());
  return inventory;
}

std::expected<bool, InventoryError> still_as(host::BlockingHost& host, const Inventory& inventory) {
  const auto same = host::still_as(host, inventory.functions);
  if (!same)
    return std::unexpected(
        InventoryError{"configuration space does not answer: " + std::string(name(same.error()))});
  return *same;
}

}  // namespace ladon::mh
