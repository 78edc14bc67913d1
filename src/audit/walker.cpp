#include "audit/walker.h"

#include <algorithm>

namespace ladon::audit {

namespace {

void set_address(pcie::Transaction& request, std::uint64_t at) {
  std::visit([at](auto& address) { address = std::remove_cvref_t<decltype(address)>(at); }, request.address);
}

void add_requesters(const iommu::UnitTable& unit, std::vector<pcie::Bdf>& all) {
  for (const auto& device : unit.devices) all.push_back(device.rid);
  for (const auto& entry : unit.interrupts->entries)
    if (entry.present) all.push_back(entry.source);
}

void add_requesters(const std::vector<fabric::LutEntry>& lut, std::vector<pcie::Bdf>& all) {
  for (const auto& entry : lut) all.push_back(entry.rid);
}

}  // namespace

Rack::Rack(const fabric::Tables& tables) : tables_(tables) {
  // In the order in which segments are numbered.
  for (const auto& host : tables.hosts)
    for (const auto& hierarchy : host->hierarchies) {
      entries_.emplace_back(*hierarchy.iommu->interrupts);
      add_requesters(*hierarchy.iommu, requesters_.emplace_back());
    }
  const auto in = [&](pcie::Domain domain, pcie::HostSegment segment = {}) -> std::vector<pcie::Bdf>& {
    return requesters_[static_cast<std::size_t>(tables.segment(domain, segment))];
  };
  for (std::size_t n = 0; n < tables.ntbs.size(); ++n) {
    const fabric::NtbTable& ntb = *tables.ntbs[n];
    add_requesters(ntb.management.lut, in(pcie::kManagementDomain, ntb.segment));
    add_requesters(ntb.link.lut, in(pcie::Domain{static_cast<std::uint16_t>(n + 1)}));
  }
  for (auto& all : requesters_) {
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
  }
}

void Walker::walk(pcie::Access access, bool translated, std::optional<pcie::Bdf> rid) {
  pcie::Transaction request = emitted_by(rack_.tables(), who_, 0, access);
  if (translated) request.address = BusAddr(0);
  if (rid) request.rid.bdf = *rid;
  for (std::uint64_t at = 0;;) {
    set_address(request, at);
    const fabric::Resolution way = fabric::resolve(rack_.tables(), request);
    if (way.interrupts) {
      raise(request, way);
    } else if (!way.refused()) {
      note(request, way);
    }
    const std::uint64_t last = way.interrupts ? way.interrupts->last : way.extent.last;
    if (last == ~std::uint64_t{0}) return;
    at = last + 1;
  }
}

void Walker::note(const pcie::Transaction& request, const fabric::Resolution& way) {
  const std::uint64_t span = way.extent.last - pcie::address_bits(request.address);
  // Both kinds of target are numbered as the last hop has them on arrival.
  const fabric::Hop& arrival = way.hops[way.hops.size() - 1];
  const Kind kind =
      std::holds_alternative<fabric::MemoryTarget>(way.outcome) ? Kind::memory : Kind::registers;
  add(request, {arrival.domain, kind}, {arrival.out, arrival.out + span});
}

// One byte is no message, so the table has refused this one; what it would take is asked for by name.
void Walker::raise(const pcie::Transaction& request, const fabric::Resolution& way) {
  const fabric::Fault* met = way.fault();
  if (met == nullptr || request.access == pcie::Access::read ||
      met->reason != fabric::Reason::interrupt_not_four_bytes)
    return;
  const Interval area{met->address,
                      met->address + (way.interrupts->last - pcie::address_bits(request.address))};
  const auto& host = *rack_.tables().hosts[static_cast<std::size_t>(met->component.domain)];
  const auto& table = *host.in(met->component.segment).iommu->interrupts;
  if (table.mode == iommu::InterruptMode::off)
    raise_unremapped(request, *met, area);
  else
    raise_remapped(request, *met, area);
}

void Walker::raise_remapped(pcie::Transaction request, const fabric::Fault& met, const Interval& area) {
  const std::uint64_t start = pcie::address_bits(request.address);
  request.length = 4;
  for (const std::uint32_t index : rack_.entries(met.rid.segment).of(met.rid.bdf)) {
    const auto message = message_for(index, area);
    if (!message) continue;
    set_address(request, start + (message->address - met.address));
    request.data = message->data;
    const fabric::Resolution way = fabric::resolve(rack_.tables(), request);
    if (const auto* raised = std::get_if<fabric::InterruptTarget>(&way.outcome))
      add(request, {raised->domain, Kind::interrupts}, {raised->vector, raised->vector});
  }
}

void Walker::raise_unremapped(pcie::Transaction request, const fabric::Fault& met, const Interval& area) {
  const auto vectors = unremapped_vectors(area);
  if (!vectors) return;
  const std::uint64_t start = pcie::address_bits(request.address);
  request.length = 4;
  set_address(request, start + (((met.address + 3) & ~std::uint64_t{3}) - met.address));
  const fabric::Resolution way = fabric::resolve(rack_.tables(), request);
  const auto* raised = std::get_if<fabric::InterruptTarget>(&way.outcome);
  if (raised == nullptr) return;
  set_address(request, start - (met.address - iommu::kInterruptFirst));
  add(request, {raised->domain, Kind::interrupts}, *vectors);
}

void Walker::add(const pcie::Transaction& request, Space space, Interval targets) {
  const bool device = is_device(who_);
  found_.push_back({.space = space,
                    .targets = targets,
                    .access = request.access,
                    .translated = device && std::holds_alternative<BusAddr>(request.address),
                    .rid = device ? request.rid.bdf : pcie::Bdf(),
                    .emitted = pcie::address_bits(request.address),
                    .data = request.data});
}

}  // namespace ladon::audit
