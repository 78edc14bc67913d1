// A read's completion on its way back: from port to port by the requester's bus number (PCIe 6.0, 2.2.9 and
// 7.5.1.3.4), and through each NTB the other way than the request came: the requester's ID comes back from
// the entry that gave it its proxy, and the completer's ID needs an entry in the direction in which the
// completion travels. Without that entry, writes arrive and reads never return: one-way traffic.
#include <algorithm>

#include "fabric/walk.h"

namespace ladon::fabric {

void Walk::complete() {
  Completion completion = completion_start();
  std::size_t left = crossed_;
  for (;;) {
    std::uint16_t at = 0;
    const Arrival arrival = route_completion(completion, at);
    if (arrival == Arrival::nowhere) return;
    if (left == 0) {
      if (!is_home(arrival, at))
        completion_fault({ComponentKind::root_complex, completion.where.domain, 0}, Table::bus_numbers,
                         Reason::completion_misrouted, completion.requester);
      return;
    }
    const Crossing& crossing = crossings_[--left];
    const Arrival expected = crossing.outbound ? Arrival::ntb_link : Arrival::ntb_management;
    if (arrival != expected || at != crossing.ntb) {
      completion_fault({ComponentKind::root_complex, completion.where.domain, 0}, Table::bus_numbers,
                       Reason::completion_misrouted, completion.requester);
      return;
    }
    if (!cross_back(crossing, completion)) return;
  }
}

bool Walk::is_home(Arrival arrival, std::uint16_t index) const {
  if (const auto* device = std::get_if<pcie::EndpointOrigin>(&transaction_.origin))
    return arrival == Arrival::endpoint && index == device->endpoint;
  if (const auto* side = std::get_if<pcie::NtbOrigin>(&transaction_.origin))
    return arrival == (side->link ? Arrival::ntb_link : Arrival::ntb_management) && index == side->ntb;
  return arrival == Arrival::processor;
}

Walk::Completion Walk::completion_start() const {
  Completion completion{.where = {.domain = domain_, .segment = segment_, .at_root = true, .port = 0},
                        .requester = rid_,
                        .completer = {number_, pcie::Bdf(0, 0, 0)}};
  const auto* registers = std::get_if<RegisterTarget>(&result_.outcome);
  if (registers == nullptr) return completion;
  completion.where.at_root = false;
  if (registers->function.is_ntb) {
    completion.where.port = tables_.ntbs[registers->function.index]->port;
    completion.completer = proxy(domain_, registers->function.index, 0);
    return completion;
  }
  completion.where.port = tables_.endpoints[registers->function.index]->port;
  if (const auto rid = tables_.rid(registers->function.index, registers->function.function))
    completion.completer = *rid;
  return completion;
}

// Moves the completion to the device whose bus it names, within one domain.
Walk::Arrival Walk::route_completion(Completion& completion, std::uint16_t& at) {
  const auto [domain, segment, at_root, from] = completion.where;
  const std::uint8_t bus = completion.requester.bdf.bus();
  if (!at_root && domain == pcie::kManagementDomain) {
    const auto& ports = tables_.hosts.front()->in(segment).packet_switch->downstream;
    const PortTable& port = ports[from];
    const ComponentId here{ComponentKind::downstream, domain, from, segment};
    const auto peer =
        std::find_if(ports.begin(), ports.end(), [&](const PortTable& p) { return p.bridge.leads_to(bus); });
    const bool direct = peer != ports.end() && !port.acs.completion_redirect;
    note_back(here, direct ? Table::bus_numbers : Table::acs, completion, completion.requester);
    if (direct) {
      note_back(
          {ComponentKind::downstream, domain, static_cast<std::uint16_t>(peer - ports.begin()), segment},
          Table::bus_numbers, completion, completion.requester);
      at = peer->below.index;
      return peer->below.is_ntb ? Arrival::ntb_management : Arrival::endpoint;
    }
    note_back({ComponentKind::upstream, domain, 0, segment}, Table::bus_numbers, completion,
              completion.requester);
  }
  if (!at_root)
    note_back({ComponentKind::root_port, domain, 0, segment}, Table::bus_numbers, completion,
              completion.requester);
  completion.where.at_root = true;
  if (bus == 0) {
    note_back({ComponentKind::root_complex, domain, 0}, Table::bus_numbers, completion, completion.requester);
    return Arrival::processor;
  }
  return route_down(completion, at);
}

// From the root complex to the device.
Walk::Arrival Walk::route_down(const Completion& completion, std::uint16_t& at) {
  const pcie::Domain domain = completion.where.domain;
  const pcie::HostSegment segment = completion.where.segment;
  const std::uint8_t bus = completion.requester.bdf.bus();
  const Hierarchy& here = tables_.hosts[index(domain)]->in(segment);
  const auto lost = [&](ComponentKind kind) {
    completion_fault({kind, domain, 0, segment}, Table::bus_numbers, Reason::completion_no_route,
                     completion.requester);
    return Arrival::nowhere;
  };
  if (!here.root_port.leads_to(bus)) return lost(ComponentKind::root_port);
  note_back({ComponentKind::root_port, domain, 0, segment}, Table::bus_numbers, completion,
            completion.requester);
  if (domain != pcie::kManagementDomain) {
    if (bus != here.root_port.secondary) return lost(ComponentKind::root_port);
    at = static_cast<std::uint16_t>(index(domain) - 1);
    return Arrival::ntb_link;
  }
  const SwitchTable& table = *here.packet_switch;
  if (!table.upstream.leads_to(bus)) return lost(ComponentKind::upstream);
  note_back({ComponentKind::upstream, domain, 0, segment}, Table::bus_numbers, completion,
            completion.requester);
  for (std::uint16_t p = 0; p < table.downstream.size(); ++p) {
    if (!table.downstream[p].bridge.leads_to(bus)) continue;
    note_back({ComponentKind::downstream, domain, p, segment}, Table::bus_numbers, completion,
              completion.requester);
    at = table.downstream[p].below.index;
    return table.downstream[p].below.is_ntb ? Arrival::ntb_management : Arrival::endpoint;
  }
  return lost(ComponentKind::upstream);
}

bool Walk::cross_back(const Crossing& crossing, Completion& completion) {
  const NtbTable& table = *tables_.ntbs[crossing.ntb];
  // The request entered on `entered`; its completion enters on `back`.
  const NtbSideTable& entered = crossing.outbound ? table.management : table.link;
  const NtbSideTable& back = crossing.outbound ? table.link : table.management;
  const pcie::Domain near = completion.where.domain;
  const pcie::Domain far = crossing.outbound ? pcie::kManagementDomain
                                             : pcie::Domain{static_cast<std::uint16_t>(crossing.ntb + 1)};
  const ComponentId here{ComponentKind::ntb, near, static_cast<std::uint16_t>(crossing.ntb + 1)};
  const std::uint8_t devfn = completion.requester.bdf.devfn();
  const bool restored = std::any_of(entered.lut.begin(), entered.lut.end(), [&](const LutEntry& entry) {
    return entry.proxy == devfn && entry.rid == crossing.before.bdf;
  });
  if (!restored && tables_.looks_up(table)) {
    completion_fault(here, Table::ntb_lut, Reason::completion_lut_miss, completion.requester);
    return false;
  }
  const auto entry = std::find_if(back.lut.begin(), back.lut.end(), [&](const LutEntry& candidate) {
    return candidate.rid == completion.completer.bdf;
  });
  if (entry == back.lut.end() && tables_.looks_up(table)) {
    completion_fault(here, Table::ntb_lut, Reason::completion_lut_miss, completion.completer);
    return false;
  }
  note_back(here, Table::ntb_lut, completion, crossing.before);
  completion.requester = crossing.before;
  completion.completer = proxy(far, crossing.ntb, entry != back.lut.end() ? entry->proxy : std::uint8_t{0});
  completion.where = {.domain = far,
                      .segment = crossing.outbound ? table.segment : pcie::HostSegment{},
                      .at_root = false,
                      .port = table.port};
  return true;
}

void Walk::completion_fault(const ComponentId& component, Table table, Reason reason, const pcie::Rid& rid) {
  result_.outcome = Fault{.component = component,
                          .table = table,
                          .reason = reason,
                          .address = at_,
                          .rid = rid,
                          .on_completion = true};
}

// A completion passes fewer components than its request, so the list has room; were it full, only what is
// shown would be short.
void Walk::note_back(const ComponentId& component, Table table, const Completion& completion,
                     const pcie::Rid& requester_out) {
  (void)result_.return_hops.push(
      {.component = component,
       .table = table,
       .domain = completion.where.domain,
       .segment = tables_.segment(completion.where.domain, completion.where.segment),
       .in = 0,
       .out = 0,
       .rid_in = completion.requester,
       .rid_out = requester_out});
}

}  // namespace ladon::fabric
