#include "fabric/affected.h"

#include <algorithm>

namespace ladon::fabric {

namespace {

bool same(const NtbWindow& a, const NtbWindow& b) {
  return a.bar == b.bar && a.within == b.within && a.translation == b.translation && a.access == b.access;
}
bool same(const LutEntry& a, const LutEntry& b) {
  return a.rid == b.rid && a.proxy == b.proxy;
}
bool same(const Claim& a, const Claim& b) {
  return a.range == b.range && a.base == b.base && a.function == b.function && a.bar == b.bar;
}
bool same(const pcie::BarRange& a, const pcie::BarRange& b) {
  return a.bar == b.bar && a.range == b.range;
}

template <class T>
bool contains(const std::vector<T>& all, const T& wanted) {
  return std::any_of(all.begin(), all.end(), [&](const T& one) { return same(one, wanted); });
}

template <class T>
bool all_kept(const std::vector<T>& before, const std::vector<T>& after) {
  return std::all_of(before.begin(), before.end(), [&](const T& one) { return contains(after, one); });
}

bool leads_into(const iommu::AddressSpaceTable& table, const Range<BusAddr>& range) {
  return std::any_of(table.mappings().begin(), table.mappings().end(), [&](const auto& mapping) {
    const auto to = Range<BusAddr>::between(mapping.to, *mapping.to.plus(mapping.from.span()));
    return to->overlaps(range);
  });
}

}  // namespace

// Bus numbers are as software made them: bus 0 may be an NTB's, too, and several ports may lead to one bus.
void AffectedSet::requester(pcie::Domain domain, pcie::Sbdf rid, int depth) {
  if (depth > kMaxNtbs) return everyone();
  const std::uint8_t below =
      tables_.hosts[static_cast<std::size_t>(domain)]->in(rid.segment).root_port.secondary;
  if (rid.bus() == 0) processor(domain);
  if (rid.bus() == 0 && below != 0) return;
  if (domain != pcie::kManagementDomain) {
    const auto ntb = static_cast<std::uint16_t>(static_cast<unsigned>(domain) - 1);
    if (rid.devfn() == 0) function({.is_ntb = true, .index = ntb, .function = 1});
    const NtbTable& table = *tables_.ntbs[ntb];
    return behind_proxy(table, table.management.lut, {pcie::kManagementDomain, table.segment}, rid.devfn(),
                        depth);
  }
  for (const PortTable& port : tables_.hosts.front()->in(rid.segment).packet_switch->downstream) {
    if (!port.bridge.leads_to(rid.bus())) continue;
    const std::uint16_t index = port.below.index;
    if (!port.below.is_ntb) {
      function({.index = index,
                .function = static_cast<std::uint16_t>(rid.bdf.bits - (port.bridge.secondary << 8))});
      continue;
    }
    if (rid.devfn() == 0) function({.is_ntb = true, .index = index, .function = 0});
    const pcie::Domain far{static_cast<std::uint16_t>(index + 1)};
    behind_proxy(*tables_.ntbs[index], tables_.ntbs[index]->link.lut, {far}, rid.devfn(), depth);
  }
}

void AffectedSet::behind_proxy(const NtbTable& ntb, const std::vector<LutEntry>& lut, Near near,
                               std::uint8_t devfn, int depth) {
  // Without the check, anyone may come as the NTB itself.
  if (!tables_.looks_up(ntb) && devfn == 0) everyone();
  for (const LutEntry& entry : lut)
    if (entry.proxy == devfn) requester(near.domain, {near.segment, entry.rid}, depth + 1);
}

void AffectedSet::all_of(const NtbTable& ntb, const std::vector<LutEntry>& lut, Near near) {
  if (!tables_.looks_up(ntb)) everyone();
  for (const LutEntry& entry : lut) requester(near.domain, {near.segment, entry.rid});
}

void AffectedSet::iommu(pcie::Domain domain, pcie::HostSegment segment, const iommu::UnitTable& before,
                        const iommu::UnitTable& after) {
  const bool checked = before.enforcement == iommu::Enforcement::full;
  for (const auto& device : before.devices) {
    const auto* now = after.find(device.rid);
    if (now == nullptr || now->domain != device.domain ||
        now->grants.translated != device.grants.translated || now->grants.pasid != device.grants.pasid)
      requester(domain, {segment, device.rid});
  }
  // Where requesters without a domain pass, being attached changes where they go.
  for (const auto& device : after.devices)
    if (!checked && before.find(device.rid) == nullptr) requester(domain, {segment, device.rid});
}

void AffectedSet::memory(pcie::Domain domain, const Range<BusAddr>& range) {
  processor(domain);
  const auto& hierarchies = tables_.hosts[static_cast<std::size_t>(domain)]->hierarchies;
  for (std::uint16_t s = 0; s < hierarchies.size(); ++s) {
    const iommu::UnitTable& unit = *hierarchies[s].iommu;
    if (unit.enforcement != iommu::Enforcement::full) return everyone();
    for (const auto& device : unit.devices)
      if (device.grants.translated || leads_into(device.domain->mappings, range) ||
          leads_into(device.domain->stale, range))
        requester(domain, {pcie::HostSegment{s}, device.rid});
  }
}

void AffectedSet::ntb(std::uint16_t ntb, const NtbTable& before, const NtbTable& after) {
  const Near near{pcie::kManagementDomain, before.segment};
  const Near far{pcie::Domain{static_cast<std::uint16_t>(ntb + 1)}};
  const auto lost = [](const NtbSideTable& a, const NtbSideTable& b) {
    // A BAR that appears may lie before another.
    return (a.bus_master && !b.bus_master) || !all_kept(a.bars, b.bars) || !all_kept(b.bars, a.bars);
  };
  if ((before.link_up && !after.link_up) || lost(before.management, after.management) ||
      lost(before.link, after.link))
    return everyone();
  if (!all_kept(before.management.windows, after.management.windows))
    all_of(before, before.management.lut, near);
  if (!all_kept(before.link.windows, after.link.windows)) all_of(before, before.link.lut, far);
  // An entry serves its requester, and completes the reads of those who come the other way.
  for (const LutEntry& entry : before.management.lut) {
    if (contains(after.management.lut, entry)) continue;
    requester(near.domain, {near.segment, entry.rid});
    all_of(before, before.link.lut, far);
  }
  for (const LutEntry& entry : before.link.lut) {
    if (contains(after.link.lut, entry)) continue;
    requester(far.domain, entry.rid);
    all_of(before, before.management.lut, near);
  }
  // Without the check a new entry, too, changes under which ID a requester arrives.
  if (!tables_.looks_up(before) &&
      (!all_kept(after.management.lut, before.management.lut) || !all_kept(after.link.lut, before.link.lut)))
    everyone();
}

void AffectedSet::endpoint(std::uint16_t endpoint, const EndpointTable& before, const EndpointTable& after) {
  if (!all_kept(before.claims, after.claims) || before.port != after.port) return everyone();
  for (std::size_t i = 0; i < before.functions.size(); ++i) {
    if (before.bus_masters[i] == 0) continue;
    const auto it = std::lower_bound(after.functions.begin(), after.functions.end(), before.functions[i]);
    const bool still = it != after.functions.end() && *it == before.functions[i] &&
                       after.bus_masters[static_cast<std::size_t>(it - after.functions.begin())] != 0;
    if (!still) function({.index = endpoint, .function = before.functions[i]});
  }
}

Affected AffectedSet::take() {
  std::sort(affected_.functions.begin(), affected_.functions.end());
  affected_.functions.erase(std::unique(affected_.functions.begin(), affected_.functions.end()),
                            affected_.functions.end());
  std::sort(affected_.processors.begin(), affected_.processors.end());
  affected_.processors.erase(std::unique(affected_.processors.begin(), affected_.processors.end()),
                             affected_.processors.end());
  return std::move(affected_);
}

}  // namespace ladon::fabric
