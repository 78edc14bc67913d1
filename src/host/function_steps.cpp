// Comparing with what is known, and the steps that a function's driver asks for.
#include <utility>

#include "host/enumeration.h"
#include "spec/pci.h"

namespace ladon::host {

namespace pci = spec::pci;

namespace {

constexpr std::uint16_t at(unsigned base, unsigned offset) {
  return static_cast<std::uint16_t>(base + offset);
}

std::expected<bool, Error> bars_match(BlockingHost& host, pcie::Sbdf bdf, std::uint16_t first,
                                      const std::array<Bar, 6>& bars) {
  for (unsigned i = 0; i < 6; ++i) {
    if (bars[i].size == 0) continue;
    const auto low = host.config_read32(bdf, at(first, 4 * i));
    const auto high = bars[i].wide ? host.config_read32(bdf, at(first, 4 * i + 4)) : std::uint32_t{0};
    if (!low) return std::unexpected(low.error());
    if (!high) return std::unexpected(high.error());
    const std::uint64_t base = (*low & ~std::uint32_t{0xF}) | static_cast<std::uint64_t>(*high) << 32;
    if (BusAddr(base) != bars[i].base) return false;
  }
  return true;
}

std::expected<bool, Error> vfs_match(BlockingHost& host, const PciFunction& function) {
  const auto& sriov = *function.sriov;
  const auto control = host.config_read(function.bdf, at(sriov.capability, pci::kSriovControl), 2);
  const auto vfs = host.config_read(function.bdf, at(sriov.capability, pci::kSriovNumVfs), 2);
  if (!control) return std::unexpected(control.error());
  if (!vfs) return std::unexpected(vfs.error());
  if ((*control & pci::kSriovControlVfEnable) == 0 || *vfs != sriov.vfs) return false;
  return bars_match(host, function.bdf, at(sriov.capability, pci::kSriovVfBar0), sriov.bars);
}

std::expected<bool, Error> matches(BlockingHost& host, const PciFunction& function) {
  const auto ids = host.config_read32(function.bdf, pci::kVendorId);
  if (!ids) return std::unexpected(ids.error());
  if (*ids != (function.vendor | std::uint32_t{function.device} << 16)) return false;
  if (function.bridge) {
    const auto buses = host.config_read32(function.bdf, pci::kPrimaryBus);
    if (!buses) return std::unexpected(buses.error());
    if ((*buses >> 8 & 0xFF) != function.secondary || (*buses >> 16 & 0xFF) != function.subordinate)
      return false;
  }
  const auto bars = bars_match(host, function.bdf, pci::kBar0, function.bars);
  if (!bars || !*bars || !function.sriov) return bars;
  return vfs_match(host, function);
}

}  // namespace

std::expected<bool, Error> still_as(BlockingHost& host, const std::vector<PciFunction>& functions) {
  for (const auto& function : functions) {
    const auto same = matches(host, function);
    if (!same || !*same) return same;
  }
  return true;
}

namespace {

std::expected<void, Error> enable_bus_master(BlockingHost& host, pcie::Sbdf bdf) {
  const auto command = host.config_read(bdf, pci::kCommand, 2);
  if (!command) return std::unexpected(command.error());
  if ((*command & pci::kCommandBusMaster) != 0) return {};
  return host.config_write(bdf, pci::kCommand, 2, *command | pci::kCommandBusMaster);
}

}  // namespace

std::expected<bool, Error> route_msix(BlockingHost& host, pcie::Sbdf bdf, const std::array<Bar, 6>& bars,
                                      std::uint16_t entry, std::uint32_t vector) {
  const auto cap = find_capability(host, bdf, pci::kCapMsix);
  if (!cap) return std::unexpected(cap.error());
  if (!*cap) return false;
  const auto control = host.config_read(bdf, at(**cap, pci::kMsixControl), 2);
  const auto table = host.config_read32(bdf, at(**cap, pci::kMsixTable));
  if (!control) return std::unexpected(control.error());
  if (!table) return std::unexpected(table.error());
  const unsigned bar = *table & 7;
  if (bar >= bars.size() || bars[bar].size == 0 || entry > (*control & 0x7FF)) return false;
  const auto route = host.route(bdf, vector);
  if (!route) return std::unexpected(route.error());
  const auto base = bars[bar].base.plus((*table & ~std::uint32_t{7}) + entry * std::uint64_t{16});
  if (!base) return false;
  // Masked while it changes, because a predecessor may have left it in use (PCIe 6.0, 6.1.4.2).
  constexpr std::uint32_t kMasked = 1, kUnmasked = 0;
  const std::pair<unsigned, std::uint32_t> words[] = {{12, kMasked},
                                                      {0, static_cast<std::uint32_t>(route->address)},
                                                      {4, static_cast<std::uint32_t>(route->address >> 32)},
                                                      {8, route->data},
                                                      {12, kUnmasked}};
  for (const auto& [offset, word] : words)
    if (const auto stored = host.store32(BusAddr(base->bits() + offset), word); !stored)
      return std::unexpected(stored.error());
  // A message is a memory write of the function's own.
  if (auto mastering = enable_bus_master(host, bdf); !mastering) return std::unexpected(mastering.error());
  const auto on = (*control | pci::kMsixControlEnable) & ~std::uint32_t{pci::kMsixControlFunctionMask};
  if (const auto written = host.config_write(bdf, at(**cap, pci::kMsixControl), 2, on); !written)
    return std::unexpected(written.error());
  return true;
}

std::expected<bool, Error> function_level_reset(BlockingHost& host, pcie::Sbdf bdf) {
  const auto cap = find_capability(host, bdf, pci::kCapExpress);
  if (!cap) return std::unexpected(cap.error());
  if (!*cap) return false;
  const auto can = host.config_read32(bdf, at(**cap, pci::kExpressDeviceCapabilities));
  if (!can) return std::unexpected(can.error());
  if ((*can & pci::kDeviceCapabilitiesFlr) == 0) return false;
  const auto control = host.config_read(bdf, at(**cap, pci::kExpressDeviceControl), 2);
  if (!control) return std::unexpected(control.error());
  const auto asked =
      host.config_write(bdf, at(**cap, pci::kExpressDeviceControl), 2, *control | pci::kDeviceControlFlr);
  if (!asked) return std::unexpected(asked.error());
  return true;
}

}  // namespace ladon::host
