#include "fabric/tables.h"

#include <fmt/format.h>

namespace ladon::fabric {

std::optional<pcie::Rid> Tables::rid(std::uint16_t endpoint, std::uint16_t function) const {
  const EndpointTable& table = *endpoints[endpoint];
  const std::uint8_t bus = port(table.segment, table.port).bridge.secondary;
  if (bus == 0) return std::nullopt;
  const unsigned bits = (static_cast<unsigned>(bus) << 8) + function;
  if (bits > 0xFFFF) return std::nullopt;
  return pcie::Rid{segment(pcie::kManagementDomain, table.segment),
                   pcie::Bdf(static_cast<std::uint16_t>(bits))};
}

std::optional<pcie::Rid> Tables::rid(const FunctionId& function) const {
  if (!function.is_ntb) return rid(function.index, function.function);
  const bool link = function.function != 0;
  const NtbTable& table = *ntbs[function.index];
  const std::uint8_t bus = link ? hosts[function.index + 1u]->hierarchies.front().root_port.secondary
                                : port(table.segment, table.port).bridge.secondary;
  if (bus == 0) return std::nullopt;
  return pcie::Rid{segment_of(function), pcie::Bdf(bus, 0, 0)};
}

pcie::Segment Tables::segment_of(const FunctionId& function) const {
  if (!function.is_ntb) return segment(pcie::kManagementDomain, endpoints[function.index]->segment);
  if (function.function == 0) return segment(pcie::kManagementDomain, ntbs[function.index]->segment);
  return segment(pcie::Domain{static_cast<std::uint16_t>(function.index + 1)});
}

pcie::Transaction Tables::emitted_by(const FunctionId& function, Iova at, std::uint32_t length,
                                     pcie::Access access) const {
  const bool link = function.is_ntb && function.function != 0;
  const pcie::Domain domain{static_cast<std::uint16_t>(link ? function.index + 1 : 0)};
  const pcie::Rid own = rid(function).value_or(pcie::Rid{segment_of(function), pcie::Bdf(0)});
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
  // Only a host that has several segments numbers what each has of its own.
  const auto number = [&] {
    const auto index = static_cast<std::size_t>(component.domain);
    return index < hosts.size() && hosts[index]->hierarchies.size() > 1
               ? std::to_string(static_cast<unsigned>(component.segment))
               : std::string();
  };
  switch (component.kind) {
    case ComponentKind::processor:
      return fmt::format("{}/cpu", host());
    case ComponentKind::root_complex:
      return fmt::format("{}/root-complex", host());
    case ComponentKind::root_port:
      return fmt::format("{}/root-port{}", host(), number());
    case ComponentKind::iommu:
      return fmt::format("{}/iommu{}", host(), number());
    case ComponentKind::upstream:
      return fmt::format("switch{}/up", static_cast<unsigned>(component.segment));
    case ComponentKind::downstream:
      return fmt::format("switch{}/down{}", static_cast<unsigned>(component.segment), component.index);
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
