// A request in the switch and at what hangs below it. PCIe 6.0: 6.12 (access control services), 7.5.1.3
// (type 1 header).
#include <algorithm>

#include "fabric/walk.h"

namespace ladon::fabric {

namespace {

// The downstream port whose window holds the address, the lowest if software made several claim it.
std::optional<std::uint16_t> find_port(const SwitchTable& table, Gap& gap,
                                       std::optional<Range<BusAddr>>& window) {
  for (std::uint16_t p = 0; p < table.downstream.size(); ++p)
    for (const auto* candidate :
         {&table.downstream[p].bridge.memory, &table.downstream[p].bridge.prefetchable})
      if (*candidate && gap.meets(**candidate)) {
        window = *candidate;
        return p;
      }
  return std::nullopt;
}

}  // namespace

Walk::Place Walk::switch_from_below() {
  const SwitchTable& table = packet_switch();
  const PortTable& port = table.downstream[port_];
  const ComponentId here = this->here(ComponentKind::downstream, port_);
  if (!port.bridge.bus_master) return refuse(here, Table::entry, Reason::bus_master_off);
  if (port.acs.source_validation && !port.bridge.leads_to(rid_.bdf.bus()))
    return refuse(here, Table::acs, Reason::source_validation);
  if (port.acs.translation_blocking && translated_)
    return refuse(here, Table::acs, Reason::translation_blocked);
  if (port.acs.request_redirect) {
    // Everything goes up, except that a request for the port's own side needs upstream forwarding as well.
    Gap gap(at_);
    for (const auto& own : {port.bridge.memory, port.bridge.prefetchable}) {
      if (!own || !gap.meets(*own) || port.acs.upstream_forwarding) continue;
      clip(*own);
      return refuse(here, Table::acs, Reason::no_redirect);
    }
    if (!port.acs.upstream_forwarding) clip(gap);
    note(here, Table::acs);
    return Place::switch_up;
  }
  Gap gap(at_);
  std::optional<Range<BusAddr>> window;
  if (const auto peer = find_port(table, gap, window)) {
    clip(gap);
    clip(*window);
    note(here, Table::acs);
    port_ = *peer;
    return Place::device_below;
  }
  // What the upstream port would route down again, and no port below claims, goes nowhere.
  for (const auto& whole : {table.upstream.memory, table.upstream.prefetchable}) {
    if (!whole || !gap.meets(*whole)) continue;
    clip(gap);
    clip(*whole);
    return refuse(here, Table::windows, Reason::no_route);
  }
  clip(gap);
  note(here, Table::acs);
  return Place::switch_up;
}

Walk::Place Walk::switch_up() {
  const ComponentId here = this->here(ComponentKind::upstream);
  if (!packet_switch().upstream.bus_master) return refuse(here, Table::entry, Reason::bus_master_off);
  note(here, Table::entry);
  return Place::root_from_device;
}

Walk::Place Walk::switch_from_above() {
  const SwitchTable& table = packet_switch();
  const ComponentId here = this->here(ComponentKind::upstream);
  Gap gap(at_);
  bool claimed = false;
  for (const auto& whole : {table.upstream.memory, table.upstream.prefetchable}) {
    if (claimed || !whole || !gap.meets(*whole)) continue;
    clip(*whole);
    claimed = true;
  }
  clip(gap);
  if (!claimed) return refuse(here, Table::windows, Reason::no_route);
  note(here, Table::windows);
  Gap below(at_);
  std::optional<Range<BusAddr>> window;
  const auto port = find_port(table, below, window);
  clip(below);
  if (!port) return refuse(here, Table::windows, Reason::no_route);
  clip(*window);
  port_ = *port;
  return Place::device_below;
}

Walk::Place Walk::device_below() {
  const PortTable& port = packet_switch().downstream[port_];
  note(here(ComponentKind::downstream, port_), Table::windows);
  if (port.below.is_ntb) {
    ntb_ = port.below.index;
    return Place::ntb_management;
  }
  endpoint_ = port.below.index;
  return Place::endpoint;
}

Walk::Place Walk::endpoint() {
  const ComponentId here{ComponentKind::endpoint, domain_, endpoint_};
  const auto& claims = tables_.endpoints[endpoint_]->claims;
  const BusAddr at(at_);
  const auto next = std::upper_bound(claims.begin(), claims.end(), at,
                                     [](BusAddr a, const Claim& claim) { return a < claim.range.first(); });
  Gap gap(at_);
  if (next != claims.end()) gap.meets(next->range);
  if (next == claims.begin() || !gap.meets(std::prev(next)->range)) {
    clip(gap);
    return refuse(here, Table::bars, Reason::no_route);
  }
  const Claim& claim = *std::prev(next);
  clip(claim.range);
  note(here, Table::bars);
  result_.outcome =
      RegisterTarget{.function = {.is_ntb = false, .index = endpoint_, .function = claim.function},
                     .bar = claim.bar,
                     .offset = *at.minus(claim.base)};
  return Place::end;
}

}  // namespace ladon::fabric
