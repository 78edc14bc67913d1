#include "fabric/resolve.h"

#include <algorithm>

#include "fabric/walk.h"

namespace ladon::fabric {

Resolution resolve(const Tables& tables, const pcie::Transaction& transaction) {
  Resolution result;
  Walk(tables, transaction, result).run();
  return result;
}

Walk::Walk(const Tables& tables, const pcie::Transaction& transaction, Resolution& result)
    : tables_(tables),
      transaction_(transaction),
      result_(result),
      domain_(transaction.domain),
      rid_(transaction.rid),
      at_(pcie::address_bits(transaction.address)),
      translated_(std::holds_alternative<BusAddr>(transaction.address) &&
                  pcie::is_device(transaction.origin)),
      below_(at_),
      above_(~at_) {}

void Walk::run() {
  Place place = begin();
  while (place != Place::end) {
    place = step(place);
    if (too_long_) place = refuse(last_component_, last_table_, Reason::too_long);
  }
  finish();
}

void Walk::enter(pcie::Domain domain, pcie::HostSegment segment) {
  domain_ = domain;
  segment_ = segment;
  number_ = tables_.segment(domain, segment);
  hierarchy_ = &host().in(segment);
}

ComponentId Walk::entry() const {
  if (const auto* device = std::get_if<pcie::EndpointOrigin>(&transaction_.origin))
    return {ComponentKind::endpoint, pcie::kManagementDomain, device->endpoint};
  if (const auto* side = std::get_if<pcie::NtbOrigin>(&transaction_.origin)) {
    const auto number = static_cast<std::uint16_t>(side->ntb + 1);
    return {ComponentKind::ntb, side->link ? pcie::Domain{number} : pcie::kManagementDomain, number};
  }
  return {ComponentKind::processor, transaction_.domain, 0};
}

Walk::Place Walk::begin() {
  const ComponentId entry = this->entry();
  domain_ = entry.domain;
  const std::uint32_t length = transaction_.length;
  if (length == 0 || length - 1 > ~at_) {
    clip(at_, at_);
    return refuse(entry, Table::entry, Reason::bad_length);
  }
  if ((at_ & 0xFFF) + length > 0x1000) {
    clip(at_, at_);
    return refuse(entry, Table::entry, Reason::crosses_4k);
  }
  if (const auto* device = std::get_if<pcie::EndpointOrigin>(&transaction_.origin)) {
    if (device->endpoint >= tables_.endpoints.size()) return refuse(entry, Table::entry, Reason::no_route);
    return enter_endpoint_port(device->endpoint);
  }
  if (const auto* side = std::get_if<pcie::NtbOrigin>(&transaction_.origin)) {
    if (side->ntb >= tables_.ntbs.size()) return refuse(entry, Table::entry, Reason::no_route);
    return enter_ntb_side(*side);
  }
  if (index(domain_) >= tables_.hosts.size()) return refuse(entry, Table::entry, Reason::no_route);
  enter(domain_, {});
  rid_ = {number_, pcie::Bdf(0, 0, 0)};
  return std::holds_alternative<pcie::VmOrigin>(transaction_.origin) ? Place::vm : Place::root_from_cpu;
}

Walk::Place Walk::step(Place place) {
  switch (place) {
    case Place::vm:
      return vm();
    case Place::root_from_cpu:
      return root_translated(true);
    case Place::root_translated:
      return root_translated(false);
    case Place::root_from_device:
      return root_from_device();
    case Place::below_root_port:
      return below_root_port();
    case Place::switch_from_below:
      return switch_from_below();
    case Place::switch_up:
      return switch_up();
    case Place::switch_from_above:
      return switch_from_above();
    case Place::device_below:
      return device_below();
    case Place::ntb_management:
      return ntb(true);
    case Place::ntb_link:
      return ntb(false);
    case Place::endpoint:
      return endpoint();
    case Place::end:
      break;
  }
  return Place::end;
}

// A request whose ID is not one of the endpoint's own functions is a lying device's: the port above has to
// stop it.
Walk::Place Walk::enter_endpoint_port(std::uint16_t endpoint) {
  const EndpointTable& table = *tables_.endpoints[endpoint];
  const ComponentId here{ComponentKind::endpoint, domain_, endpoint};
  enter(domain_, table.segment);
  rid_.segment = number_;
  const auto first = tables_.rid(endpoint, 0);
  if (first && rid_.bdf >= first->bdf) {
    const auto function = static_cast<std::uint16_t>(rid_.bdf.bits - first->bdf.bits);
    const auto it = std::lower_bound(table.functions.begin(), table.functions.end(), function);
    if (it != table.functions.end() && *it == function &&
        table.bus_masters[static_cast<std::size_t>(it - table.functions.begin())] == 0)
      return refuse(here, Table::entry, Reason::bus_master_off);
  }
  note(here, Table::entry);
  port_ = table.port;
  return Place::switch_from_below;
}

Walk::Place Walk::enter_ntb_side(const pcie::NtbOrigin& origin) {
  const NtbTable& table = *tables_.ntbs[origin.ntb];
  const ComponentId here = entry();
  enter(domain_, origin.link ? pcie::HostSegment{} : table.segment);
  rid_.segment = number_;
  if (!(origin.link ? table.link : table.management).bus_master)
    return refuse(here, Table::entry, Reason::bus_master_off);
  note(here, Table::entry);
  port_ = table.port;
  return origin.link ? Place::root_from_device : Place::switch_from_below;
}

Walk::Place Walk::vm() {
  const auto vm = std::get<pcie::VmOrigin>(transaction_.origin).vm;
  const ComponentId here{ComponentKind::processor, domain_, static_cast<std::uint16_t>(vm)};
  const auto& vms = host().vms;
  const auto it = std::lower_bound(vms.begin(), vms.end(), vm,
                                   [](const VmTable& table, pcie::Vm wanted) { return table.vm < wanted; });
  const bool off = !tables_.defences.ept;
  std::uint64_t to = at_;
  if (it != vms.end() && it->vm == vm) {
    const auto answer =
        it->second_level->lookup(Gpa(at_), off ? std::nullopt : std::optional(transaction_.access));
    clip(answer.extent);
    if (!answer.to && !off)
      return refuse(here, Table::second_level,
                    answer.mapped ? Reason::ept_no_permission : Reason::ept_not_mapped);
    if (answer.to) to = answer.to->bits();
  } else if (!off) {
    return refuse(here, Table::second_level, Reason::ept_not_mapped);
  }
  note(here, Table::second_level, to, rid_);
  return Place::root_from_cpu;
}

void Walk::finish() {
  const std::uint64_t first = pcie::address_bits(transaction_.address);
  result_.extent = {first - below_, first + above_};
  if (result_.refused()) return;
  if (transaction_.length - 1 > above_) {
    refuse(last_component_, last_table_, Reason::crosses_end);
    return;
  }
  if (transaction_.access == pcie::Access::read) complete();
}

pcie::Rid Walk::proxy(pcie::Domain domain, std::uint16_t ntb, std::uint8_t devfn) const {
  const NtbTable& table = *tables_.ntbs[ntb];
  const bool management = domain == pcie::kManagementDomain;
  const std::uint8_t bus = management ? tables_.port(table.segment, table.port).bridge.secondary
                                      : tables_.hosts[index(domain)]->hierarchies.front().root_port.secondary;
  return {tables_.segment(domain, management ? table.segment : pcie::HostSegment{}),
          pcie::Bdf(static_cast<std::uint16_t>(bus << 8 | devfn))};
}

void Walk::clip(std::uint64_t first, std::uint64_t last) {
  below_ = std::min(below_, at_ - first);
  above_ = std::min(above_, last - at_);
}

void Walk::note(const ComponentId& component, Table table, std::uint64_t out, const pcie::Rid& rid_out) {
  too_long_ |= !result_.hops.push({.component = component,
                                   .table = table,
                                   .domain = domain_,
                                   .segment = number_,
                                   .in = at_,
                                   .out = out,
                                   .rid_in = rid_,
                                   .rid_out = rid_out});
  last_component_ = component;
  last_table_ = table;
  at_ = out;
  rid_ = rid_out;
}

Walk::Place Walk::refuse(const ComponentId& component, Table table, Reason reason) {
  result_.outcome = Fault{.component = component,
                          .table = table,
                          .reason = reason,
                          .address = at_,
                          .rid = rid_,
                          .on_completion = false};
  too_long_ = false;
  return Place::end;
}

}  // namespace ladon::fabric
