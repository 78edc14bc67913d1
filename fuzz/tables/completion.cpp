// A read's completion: by the requester's bus number from port to port, and through each NTB back.
#include "tables/way.h"

namespace ladon::fuzz::tables {

Way::Arrival Way::device_below(std::size_t port) const {
  if (port == model_.nic_port()) return {Device::nic, 0};
  return {Device::ntb_management, port};
}

Way::Arrival Way::route(std::size_t domain, std::optional<std::size_t> from_port,
                        std::uint16_t requester) const {
  const auto bus = static_cast<std::uint8_t>(requester >> 8);
  const auto port_of = [&]() -> std::optional<std::size_t> {
    for (std::size_t p = 0; p < model_.ports.size(); ++p)
      if (model_.ports[p].bridge.leads_to(bus)) return p;
    return std::nullopt;
  };
  if (domain == 0 && from_port && !(model_.on.acs && model_.ports[*from_port].completion_redirect))
    if (const auto peer = port_of()) return device_below(*peer);
  if (bus == 0) return {Device::processor, domain};
  const Bridge& root = model_.hosts[domain].root;
  if (!root.leads_to(bus)) return {};
  if (domain != 0) return bus == root.secondary ? Arrival{Device::ntb_link, domain - 1} : Arrival{};
  const auto port = model_.upstream.leads_to(bus) ? port_of() : std::nullopt;
  return port ? device_below(*port) : Arrival{};
}

std::uint16_t Way::completer(const End& end) const {
  if (end.kind != End::Kind::registers) return 0;  // memory completes as the host bridge
  if (end.function.is_ntb) {
    const std::uint8_t bus =
        here_ == 0 ? model_.ports[end.function.index].bridge.secondary : model_.hosts[here_].root.secondary;
    return static_cast<std::uint16_t>(bus << 8);
  }
  const std::uint8_t bus = model_.ports[model_.nic_port()].bridge.secondary;
  return bus == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>((bus << 8) + end.function.function);
}

Way::Arrival Way::home() const {
  if (std::holds_alternative<pcie::EndpointOrigin>(wanted_.origin)) return {Device::nic, 0};
  if (const auto* side = std::get_if<pcie::NtbOrigin>(&wanted_.origin))
    return {side->link ? Device::ntb_link : Device::ntb_management, side->ntb};
  return {Device::processor, static_cast<std::size_t>(wanted_.domain)};
}

bool Way::completes(const End& end) const {
  std::size_t domain = here_;
  std::uint16_t requester = rid_, from = completer(end);
  auto from_port = end.kind == End::Kind::registers ? completer_port_ : std::nullopt;
  for (auto crossing = crossings_.rbegin(); crossing != crossings_.rend(); ++crossing) {
    const Ntb& ntb = model_.ntbs[crossing->ntb];
    const NtbSide& entered = crossing->outbound ? ntb.management : ntb.link;
    const NtbSide& back = crossing->outbound ? ntb.link : ntb.management;
    const Arrival expected{crossing->outbound ? Device::ntb_link : Device::ntb_management, crossing->ntb};
    if (!(route(domain, from_port, requester) == expected)) return false;
    const auto restored = entered.lut.find(crossing->before);
    const bool knows = restored != entered.lut.end() && restored->second == (requester & 0xFF);
    const auto answer = back.lut.find(from);
    if (model_.on.lut && ntb.table && (!knows || answer == back.lut.end())) return false;
    domain = crossing->outbound ? 0 : crossing->ntb + 1;
    const std::uint8_t bus = crossing->outbound ? model_.ports[crossing->ntb].bridge.secondary
                                                : model_.hosts[domain].root.secondary;
    from = static_cast<std::uint16_t>(bus << 8 | (answer == back.lut.end() ? 0 : answer->second));
    from_port = crossing->ntb;  // counts in the management domain alone
    requester = crossing->before;
  }
  return route(domain, from_port, requester) == home();
}

}  // namespace ladon::fuzz::tables
