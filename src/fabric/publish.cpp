// From a change of the hardware's state to the next snapshot of the tables, and to whom it concerns.
#include <algorithm>
#include <utility>

#include "fabric/impl.h"

namespace ladon::fabric {

namespace {

bool same(const BridgeTable& a, const BridgeTable& b) {
  return a.secondary == b.secondary && a.subordinate == b.subordinate && a.memory == b.memory &&
         a.prefetchable == b.prefetchable && a.bus_master == b.bus_master &&
         a.ari_forwarding == b.ari_forwarding;
}

bool same(const PortTable& a, const PortTable& b) {
  return same(a.bridge, b.bridge) && a.acs.source_validation == b.acs.source_validation &&
         a.acs.translation_blocking == b.acs.translation_blocking &&
         a.acs.request_redirect == b.acs.request_redirect &&
         a.acs.completion_redirect == b.acs.completion_redirect &&
         a.acs.upstream_forwarding == b.acs.upstream_forwarding;
}

}  // namespace

void Fabric::Impl::publish(std::shared_ptr<Tables> next, AffectedSet& set) {
  ++next->version;
  const auto before = std::exchange(tables, std::move(next));  // `set` still reads it
  const Affected affected = set.take();
  const bool any = affected.everyone || !affected.functions.empty() || !affected.processors.empty();
  if (any && listener != nullptr) listener->access_changed(affected);
}

HostTable& Fabric::Impl::change(Tables& next, pcie::Domain domain) const {
  const auto index = static_cast<std::size_t>(domain);
  auto table = std::make_shared<HostTable>(*tables->hosts[index]);
  HostTable& changed = *table;
  next.hosts[index] = std::move(table);
  return changed;
}

bool Fabric::Impl::update(SwitchTable& table, const Switch& packet_switch,
                          const pcie::ConfigSpace& bridge) const {
  if (&bridge == &packet_switch.upstream)
    return !same(std::exchange(table.upstream, bridge_table(bridge)), table.upstream);
  for (std::size_t p = 0; p < packet_switch.ports.size(); ++p)
    if (&bridge == &packet_switch.ports[p].space) {
      const PortTable before = std::exchange(table.downstream[p], port_table(packet_switch.ports[p]));
      return !same(before, table.downstream[p]);
    }
  return false;
}

bool Fabric::Impl::update(Hierarchy& table, const Segment& segment, const pcie::ConfigSpace& bridge) const {
  if (&bridge == &segment.root_port)
    return !same(std::exchange(table.root_port, bridge_table(bridge)), table.root_port);
  if (!segment.packet_switch) return false;
  auto next = std::make_shared<SwitchTable>(*table.packet_switch);
  if (!update(*next, *segment.packet_switch, bridge)) return false;
  table.packet_switch = std::move(next);
  return true;
}

void Fabric::Impl::bridge_changed(pcie::Domain domain, pcie::HostSegment segment,
                                  const pcie::ConfigSpace& bridge) {
  const auto index = static_cast<std::size_t>(segment);
  auto next = std::make_shared<Tables>(*tables);
  if (!update(change(*next, domain).hierarchies[index], host(domain)->segments[index], bridge)) return;
  AffectedSet affected(*tables);
  affected.everyone();
  publish(std::move(next), affected);
}

void Fabric::Impl::endpoints_changed() {
  for (std::uint16_t e = 0; e < options.endpoints.size(); ++e) {
    const std::uint64_t version = options.endpoints[e].device->decode_version();
    if (version == std::exchange(decode_versions[e], version)) continue;
    auto next = std::make_shared<Tables>(*tables);
    next->endpoints[e] = endpoint_table(e);
    AffectedSet affected(*tables);
    affected.endpoint(e, *tables->endpoints[e], *next->endpoints[e]);
    publish(std::move(next), affected);
  }
}

void Fabric::Impl::memory_changed(pcie::Domain domain, const Range<BusAddr>& range, bool only_added) {
  auto next = std::make_shared<Tables>(*tables);
  HostTable& table = change(*next, domain);
  table.memory = host(domain)->memory;
  AffectedSet affected(*tables);
  // Memory goes before the root ports' windows: what has gone down there ends in it now.
  const auto covers = [&](const Hierarchy& hierarchy) {
    const BridgeTable& port = hierarchy.root_port;
    return (port.memory && port.memory->overlaps(range)) ||
           (port.prefetchable && port.prefetchable->overlaps(range));
  };
  if (!only_added || std::ranges::any_of(table.hierarchies, covers)) affected.memory(domain, range);
  publish(std::move(next), affected);
}

void Fabric::Impl::iommu_changed(pcie::Domain domain, pcie::HostSegment segment, bool only_added,
                                 const pcie::Bdf* unrouted) {
  auto next = std::make_shared<Tables>(*tables);
  auto& unit = change(*next, domain).hierarchies[static_cast<std::size_t>(segment)].iommu;
  const auto before = std::exchange(unit, this->unit(domain, segment)->table());
  AffectedSet affected(*tables);
  const bool exact = unit->enforcement == iommu::Enforcement::full;
  if (!only_added || !exact) affected.iommu(domain, segment, *before, *unit);
  if (unrouted != nullptr) {
    // Without a check of the source anyone may have used the entry.
    if (unit->interrupts->mode == iommu::InterruptMode::unchecked)
      affected.everyone();
    else
      affected.requester(domain, {segment, *unrouted});
  }
  publish(std::move(next), affected);
}

// Mappings that nobody uses are in no table that an access passes.
void Fabric::Impl::mappings_changed(pcie::Domain domain, iommu::DomainId id, bool only_added) {
  const iommu::Units& units = host(domain)->units;
  for (std::uint16_t s = 0; s < units.size(); ++s)
    if (units[s].in_use(id)) iommu_changed(domain, pcie::HostSegment{s}, only_added);
}

void Fabric::Impl::vms_changed(pcie::Domain domain, bool only_added) {
  auto next = std::make_shared<Tables>(*tables);
  auto& vms = change(*next, domain).vms;
  vms.clear();
  for (const auto& [vm, second_level] : host(domain)->vms) vms.push_back({vm, second_level});
  AffectedSet affected(*tables);
  if (!only_added || !options.defences.ept) affected.processor(domain);
  publish(std::move(next), affected);
}

void Fabric::Impl::ntb_changed(std::uint16_t ntb) {
  auto next = std::make_shared<Tables>(*tables);
  next->ntbs[ntb] = std::make_shared<NtbTable>(ntb_table(ntb));
  AffectedSet affected(*tables);
  affected.ntb(ntb, *tables->ntbs[ntb], *next->ntbs[ntb]);
  publish(std::move(next), affected);
}

}  // namespace ladon::fabric
