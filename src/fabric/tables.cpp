#include "fabric/tables.h"

#include <fmt/format.h>

namespace ladon::fabric {

std::optional<pcie::Rid> Tables::rid(std::uint16_t endpoint, std::uint16_t function) const {
  const std::uint8_t bus = packet_switch->downstream[endpoints[endpoint]->port].bridge.secondary;
  if (bus == 0) return std::nullopt;
  const unsigned bits = (static_cast<unsigned>(bus) << 8) + function;
  if (bits > 0xFFFF) return std::nullopt;
  return pcie::Rid{pcie::Segment{0}, pcie::Bdf(static_cast<std::uint16_t>(bits))};
}

std::optional<pcie::Rid> Tables::rid(const FunctionId& function) const {
  if (!function.is_ntb) return rid(function.index, function.function);
  const bool link = function.function != 0;
  const pcie::Segment segment{static_cast<std::uint16_t>(link ? function.index + 1 : 0)};
  const std::uint8_t bus = link ? hosts[function.index + 1u]->root_port.secondary
                                : packet_switch->downstream[ntbs[function.index]->port].bridge.secondary;
  if (bus == 0) return std::nullopt;
  return pcie::Rid{segment, pcie::Bdf(bus, 0, 0)};
}

pcie::Transaction Tables::emitted_by(const FunctionId& function, Iova at, std::uint32_t length,
                                     pcie::Access access) const {
  const bool link = function.is_ntb && function.function != 0;
  const pcie::Domain domain{static_cast<std::uint16_t>(link ? function.index + 1 : 0)};
  const pcie::Rid none{pcie::Segment{static_cast<std::uint16_t>(domain)}, pcie::Bdf(0)};
  const pcie::Rid own = rid(function).value_or(none);
  pcie::Transaction request{.segment = own.segment,
                            .domain = domain,
                            .origin = pcie::EndpointOrigin{function.index},
                            .rid = own,
                            .address = at,
                            .length = length,
                            .access = access};
  if (function.is_ntb) request.origin = pcie::NtbOrigin{function.index, link};
  return request;
}

std::string Tables::name(const ComponentId& component) const {
  const auto host = [&] {
    const auto index = static_cast<std::size_t>(component.domain);
    return index < names->hosts.size() ? names->hosts[index] : fmt::format("host{}", index);
  };
  switch (component.kind) {
    case ComponentKind::processor:
      return fmt::format("{}/cpu", host());
    case ComponentKind::root_complex:
      return fmt::format("{}/root-complex", host());
    case ComponentKind::root_port:
      return fmt::format("{}/root-port", host());
    case ComponentKind::iommu:
      return fmt::format("{}/iommu", host());
    case ComponentKind::upstream:
      return "switch0/up";
    case ComponentKind::downstream:
      return fmt::format("switch0/down{}", component.index);
    case ComponentKind::ntb:
      return fmt::format("ntb{}/{}", component.index,
                         component.domain == pcie::kManagementDomain ? "management" : "link");
    case ComponentKind::endpoint:
      return component.index < names->endpoints.size() ? names->endpoints[component.index]
                                                       : fmt::format("endpoint{}", component.index);
  }
  return "unknown";
}

}  // namespace ladon::fabric
