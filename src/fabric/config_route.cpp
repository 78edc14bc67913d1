// Configuration requests: type 1 forwarding and type 0 delivery by the bus numbers that software programmed.
// PCIe 6.0, 7.3.3 (routing) and 6.13 (ARI).
#include "fabric/impl.h"
#include "spec/pci.h"

namespace ladon::fabric {

namespace {

struct BusNumbers {
  std::uint8_t secondary, subordinate;
  explicit BusNumbers(const pcie::ConfigSpace& space)
      : secondary(static_cast<std::uint8_t>(space.read(spec::pci::kSecondaryBus, 1))),
        subordinate(static_cast<std::uint8_t>(space.read(spec::pci::kSubordinateBus, 1))) {}
  [[nodiscard]] bool lead_to(std::uint8_t bus) const {
    return secondary != 0 && secondary <= bus && bus <= subordinate;
  }
};

bool forwards_ari(const pcie::ConfigSpace& space) {
  const auto express = *space.capability(spec::pci::kCapExpress);
  const auto at = static_cast<std::uint16_t>(express + spec::pci::kExpressDeviceControl2);
  return (space.read(at, 2) & spec::pci::kDeviceControl2AriForwarding) != 0;
}

}  // namespace

Fabric::Impl::Found Fabric::Impl::find(pcie::Domain domain, pcie::Sbdf address) {
  Host* owner = host(domain);
  const auto number = static_cast<std::size_t>(address.segment);
  if (owner == nullptr || number >= owner->segments.size()) return {};
  Segment& at = owner->segments[number];
  const pcie::Bdf bdf = address.bdf;
  if (bdf.bus() == 0) {
    if (bdf == pcie::Bdf(0, 0, 0)) return {.bridge = &at.host_bridge};
    if (bdf == pcie::Bdf(0, 1, 0)) return {.bridge = &at.root_port};
    return {};
  }
  const BusNumbers root(at.root_port);
  if (!root.lead_to(bdf.bus())) return {};
  if (at.packet_switch) {
    if (bdf.bus() != root.secondary) return find_below_switch(*at.packet_switch, bdf);
    return bdf.devfn() == 0 ? Found{.bridge = &at.packet_switch->upstream} : Found{};
  }
  if (bdf.bus() != root.secondary || bdf.devfn() != 0) return {};
  return {.function = &ntbs[static_cast<std::size_t>(domain) - 1]->function(NtbSideName::link)};
}

Fabric::Impl::Found Fabric::Impl::find_below_switch(Switch& packet_switch, pcie::Bdf bdf) {
  const BusNumbers whole(packet_switch.upstream);
  auto& ports = packet_switch.ports;
  if (!whole.lead_to(bdf.bus())) return {};
  if (bdf.bus() == whole.secondary) {
    const std::size_t functions = packet_switch.functions_a_device();
    const std::size_t port = bdf.device() * functions + bdf.function();
    return bdf.function() < functions && port < ports.size() ? Found{.bridge = &ports[port].space} : Found{};
  }
  for (Port& port : ports) {
    const BusNumbers numbers(port.space);
    if (!numbers.lead_to(bdf.bus())) continue;
    const bool first_bus = bdf.bus() == numbers.secondary;
    // Without ARI forwarding a link has device 0 alone.
    if (first_bus && bdf.device() != 0 && !forwards_ari(port.space)) return {};
    const auto function = static_cast<std::uint16_t>(bdf.bits - (numbers.secondary << 8));
    if (!port.below.is_ntb)
      return {.function = options.endpoints[port.below.index].device->function(function)};
    return function == 0 ? Found{.function = &ntbs[port.below.index]->function(NtbSideName::management)}
                         : Found{};
  }
  return {};
}

std::uint32_t Fabric::config_read(pcie::Domain domain, pcie::Sbdf bdf, std::uint16_t offset, unsigned width) {
  const auto found = impl_->find(domain, bdf);
  if (found.bridge != nullptr) return found.bridge->read(offset, width);
  if (found.function != nullptr) return found.function->config_read(offset, width);
  return width >= 4 ? ~std::uint32_t{0} : (std::uint32_t{1} << (8 * width)) - 1;
}

void Fabric::config_write(pcie::Domain domain, pcie::Sbdf bdf, std::uint16_t offset, unsigned width,
                          std::uint32_t value) {
  const auto found = impl_->find(domain, bdf);
  if (found.bridge != nullptr) {
    if (found.bridge->write(offset, width, value)) impl_->bridge_changed(domain, bdf.segment, *found.bridge);
  } else if (found.function != nullptr) {
    found.function->config_write(offset, width, value);
    impl_->endpoints_changed();
  }
}

}  // namespace ladon::fabric
