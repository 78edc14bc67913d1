#include "tables/model.h"

#include <algorithm>
#include <variant>

#include "spec/ntb.h"
#include "tables/way.h"

namespace ladon::fuzz::tables {

namespace ntb = spec::ntb;

namespace {

constexpr Span kInterrupts{0xFEE0'0000, 0xFEEF'FFFF};  // Intel SDM 3A, 11.11

const PageMap* find(const std::vector<PageMap>& maps, std::uint64_t at) {
  const auto found = std::ranges::find_if(maps, [&](const PageMap& map) { return map.from.holds(at); });
  return found == maps.end() ? nullptr : &*found;
}
const PageMap* largest(const std::vector<PageMap>& maps) {
  const PageMap* best = nullptr;
  for (const PageMap& map : maps) {
    const auto size = [](const PageMap& m) { return m.from.last - m.from.first; };
    // Of several the lowest.
    if (best == nullptr || size(map) > size(*best) ||
        (size(map) == size(*best) && map.from.first < best->from.first))
      best = &map;
  }
  return best;
}

}  // namespace

bool Bridge::claims(std::uint64_t at) const {
  return std::ranges::any_of(windows, [&](const Span& window) { return window.holds(at); });
}

Followed Model::follow(const pcie::Transaction& access) const {
  Way way(*this, access);
  const auto end = way.run();
  return {end, way.crossings()};
}

// Everything is made of pages, so that an access which crosses none goes where its first byte goes.
std::optional<End> Way::run() {
  if (wanted_.length == 0 || wanted_.length - 1 > ~at_ || (at_ & 0xFFF) + wanted_.length > 0x1000)
    return std::nullopt;
  const auto end = begin();
  if (end && wanted_.access == pcie::Access::read && !completes(*end)) return std::nullopt;
  return end;
}

std::optional<End> Way::begin() {
  if (const auto* side = std::get_if<pcie::NtbOrigin>(&wanted_.origin)) {
    const Ntb& from = model_.ntbs[side->ntb];
    if (!(side->link ? from.link : from.management).bus_master) return std::nullopt;
    return side->link ? to_root(side->ntb + 1u) : into_switch(side->ntb);
  }
  if (std::holds_alternative<pcie::EndpointOrigin>(wanted_.origin)) {
    const std::uint8_t bus = model_.ports.back().bridge.secondary;
    for (const NicFunction& function : model_.nic)
      if (bus != 0 && rid_ == (bus << 8) + function.index && !function.bus_master) return std::nullopt;
    return into_switch(model_.nic_port());
  }
  rid_ = 0;
  const auto domain = static_cast<std::size_t>(wanted_.domain);
  const auto* vm = std::get_if<pcie::VmOrigin>(&wanted_.origin);
  if (vm == nullptr) return at_root(domain);
  const auto& vms = model_.hosts[domain].vms;
  const auto found = vms.find(static_cast<std::uint16_t>(vm->vm));
  const PageMap* map = found == vms.end() ? nullptr : find(found->second, at_);
  if (model_.on.ept && (map == nullptr || !map->access.allows(wanted_.access))) return std::nullopt;
  if (map != nullptr) at_ = at_ - map->from.first + map->to;
  return at_root(domain);
}

std::optional<End> Way::into_switch(std::size_t number) {
  const Port& port = model_.ports[number];
  if (!port.bridge.bus_master) return std::nullopt;
  if (port.source_validation && !port.bridge.leads_to(static_cast<std::uint8_t>(rid_ >> 8)))
    return std::nullopt;
  if (port.translation_blocking && translated_) return std::nullopt;
  if (model_.on.acs && port.request_redirect) {
    if (port.bridge.claims(at_) && !port.upstream_forwarding) return std::nullopt;
  } else {
    for (std::size_t p = 0; p < model_.ports.size(); ++p)
      if (model_.ports[p].bridge.claims(at_)) return below(p);
    if (model_.upstream.claims(at_)) return std::nullopt;  // it would only come down again
  }
  if (!model_.upstream.bus_master) return std::nullopt;
  return to_root(0);
}

// A device's request at a root port.
std::optional<End> Way::to_root(std::size_t domain) {
  const Host& host = model_.hosts[domain];
  if (!host.root.bus_master) return std::nullopt;
  if (kInterrupts.holds(at_)) return interrupt(domain);
  if (translated_) {
    const auto known = host.requesters.find(rid_);
    const bool granted =
        known != host.requesters.end() && known->second.translated && (!wanted_.pasid || known->second.pasid);
    if (checked(domain) && !granted) return std::nullopt;
  } else if (!translate(domain)) {
    return std::nullopt;
  }
  return at_root(domain);
}

bool Way::checked(std::size_t domain) const {
  return domain == 0 ? model_.on.mh_iommu : model_.on.ch_iommu;
}

bool Way::translate(std::size_t domain) {
  const Host& host = model_.hosts[domain];
  const auto known = host.requesters.find(rid_);
  if (known == host.requesters.end()) {
    if (checked(domain)) return false;
    return !kInterrupts.holds(at_);
  }
  if (checked(domain) && wanted_.pasid && !known->second.pasid) return false;
  const IoDomain& space = host.domains.at(known->second.domain);
  const PageMap* map = nullptr;
  for (const auto* table : {&space.stale, &space.mappings}) {
    if (map != nullptr) continue;
    map = find(*table, at_);
    if (map != nullptr && checked(domain) && !map->access.allows(wanted_.access)) map = nullptr;
  }
  if (map != nullptr) {
    at_ = at_ - map->from.first + map->to;
  } else if (checked(domain)) {
    return false;
  } else if (const PageMap* base = domain == 0 ? largest(space.mappings) : nullptr) {
    // Off: the base is added without a bound, but not past the ends of the address space.
    const bool up = base->to >= base->from.first;
    const std::uint64_t distance = up ? base->to - base->from.first : base->from.first - base->to;
    if (up ? at_ > ~distance : at_ < distance) return false;
    at_ = up ? at_ + distance : at_ - distance;
  }
  return !kInterrupts.holds(at_);
}

// VT-d 3.x, 5.1.2: handle in address bits 19:5 and 2, subhandle added if bit 3 is set.
std::optional<End> Way::interrupt(std::size_t domain) const {
  if (translated_ || wanted_.access != pcie::Access::write || wanted_.length != 4 || at_ % 4 != 0)
    return std::nullopt;
  const auto raised = [&](std::uint32_t vector) {
    return End{.kind = End::Kind::interrupt,
               .domain = static_cast<std::uint16_t>(domain),
               .at = vector,
               .source = rid_};
  };
  const auto address = static_cast<std::uint32_t>(at_);
  if (!model_.on.interrupt_remapping) return raised((address >> 12 & 0xFF) << 8 | (wanted_.data & 0xFF));
  if ((address >> 4 & 1) == 0 || wanted_.data > 0xFFFF) return std::nullopt;
  std::uint64_t index = (address >> 5 & 0x7FFF) + (address >> 2 & 1) * 0x8000;
  if ((address >> 3 & 1) != 0) index += wanted_.data;
  const auto& entries = model_.hosts[domain].interrupts;
  if (index >= entries.size() || !entries[index].present) return std::nullopt;
  const bool any_source = domain == 0 && !model_.on.mh_iommu;
  if (!any_source && entries[index].source != rid_) return std::nullopt;
  return raised(entries[index].vector);
}

std::optional<End> Way::at_root(std::size_t domain) {
  const Host& host = model_.hosts[domain];
  here_ = domain;
  completer_port_.reset();
  for (const Memory& memory : host.memory)
    if (memory.range.holds(at_))
      return End{.kind = End::Kind::memory,
                 .domain = static_cast<std::uint16_t>(domain),
                 .at = at_,
                 .memory = memory.id,
                 .offset = memory.offset + at_ - memory.range.first};
  if (kInterrupts.holds(at_) || !host.root.claims(at_)) return std::nullopt;
  if (domain != 0) return at_ntb(domain - 1, false);
  if (!model_.upstream.claims(at_)) return std::nullopt;
  for (std::size_t p = 0; p < model_.ports.size(); ++p)
    if (model_.ports[p].bridge.claims(at_)) return below(p);
  return std::nullopt;
}

std::optional<End> Way::below(std::size_t port) {
  here_ = 0;
  if (port != model_.nic_port()) return at_ntb(port, true);
  completer_port_ = port;
  for (const NicFunction& function : model_.nic)
    for (const Bar& bar : function.bars)
      if (bar.range.holds(at_))
        return End{.kind = End::Kind::registers,
                   .function = {.index = 0, .function = function.index},
                   .bar = bar.index,
                   .at = at_ - bar.range.first};
  return std::nullopt;
}

std::optional<End> Way::at_ntb(std::size_t number, bool management) {
  const Ntb& here = model_.ntbs[number];
  const NtbSide& side = management ? here.management : here.link;
  completer_port_ = number;
  const auto bar = std::ranges::find_if(side.bars, [&](const Bar& b) { return b.range.holds(at_); });
  if (bar == side.bars.end()) return std::nullopt;
  if (bar->index != ntb::kControlBar) return cross(number, management, bar->index, at_ - bar->range.first);
  return End{.kind = End::Kind::registers,
             .function = {.is_ntb = true,
                          .index = static_cast<std::uint16_t>(number),
                          .function = static_cast<std::uint16_t>(management ? 0 : 1)},
             .bar = bar->index,
             .at = at_ - bar->range.first};
}

std::optional<End> Way::cross(std::size_t number, bool outbound, std::uint8_t bar, std::uint64_t offset) {
  const Ntb& here = model_.ntbs[number];
  const NtbSide& entered = outbound ? here.management : here.link;
  const NtbSide& left = outbound ? here.link : here.management;
  if (!here.link_up || translated_ || wanted_.pasid) return std::nullopt;
  const auto window = std::ranges::find_if(
      entered.windows, [&](const Window& w) { return w.bar == bar && w.map.from.holds(offset); });
  if (window == entered.windows.end() || !window->map.access.allows(wanted_.access)) return std::nullopt;
  const auto entry = entered.lut.find(rid_);
  if (entry == entered.lut.end() && model_.on.lut && here.table) return std::nullopt;
  if (!left.bus_master) return std::nullopt;
  if (crossings_.size() == kMostCrossings) return std::nullopt;
  crossings_.push_back({number, outbound, rid_});
  const std::uint8_t bus =
      outbound ? model_.hosts[number + 1].root.secondary : model_.ports[number].bridge.secondary;
  rid_ = static_cast<std::uint16_t>(bus << 8 | (entry == entered.lut.end() ? 0 : entry->second));
  at_ = offset - window->map.from.first + window->map.to;
  return outbound ? to_root(number + 1) : into_switch(number);
}

}  // namespace ladon::fuzz::tables
