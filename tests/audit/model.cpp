#include "audit/model.h"

#include <algorithm>
#include <array>
#include <set>

#include "spec/ntb.h"

namespace ladon::audit::test {

namespace ntb = spec::ntb;

namespace {

// The hops of more are too many for resolve(), which refuses what does not end.
constexpr std::size_t kDeepest = 3;
constexpr unsigned kNamed = 8;

const PageMap* find(const std::vector<PageMap>& maps, Page at) {
  const auto found =
      std::find_if(maps.begin(), maps.end(), [&](const PageMap& m) { return m.from.hold(at); });
  return found == maps.end() ? nullptr : &*found;
}
Page moved(const PageMap& map, Page at) {
  return at - map.from.first + map.to;
}

// Which of the first entries messages to each page of the block can name: tried word by word.
const std::array<std::set<std::uint32_t>, 256>& named_entries() {
  static const auto kNames = [] {
    std::array<std::set<std::uint32_t>, 256> names;
    for (std::uint32_t address = 0; address < 0x10'0000; address += 4) {
      if ((address & 0x10) == 0) continue;  // not the remappable format
      const std::uint32_t handle = ((address >> 5) & 0x7FFF) + ((address & 4) != 0 ? 0x8000 : 0);
      if ((address & 8) == 0) {
        if (handle < kNamed) names[address >> 12].insert(handle);
        continue;
      }
      for (std::uint32_t wanted = 0; wanted < kNamed; ++wanted)
        if (wanted >= handle && wanted - handle <= 0xFFFF) names[address >> 12].insert(wanted);
    }
    return names;
  }();
  return kNames;
}

}  // namespace

std::uint16_t Model::own_rid(const Initiator& who) const {
  const auto* function = std::get_if<fabric::FunctionId>(&who);
  if (function == nullptr) return 0;
  if (!function->is_ntb)
    return static_cast<std::uint16_t>(facts_.ports[facts_.nic_port(function->index)].bus << 8 |
                                      function->function);
  return static_cast<std::uint16_t>((function->function != 0 ? 1 : facts_.ports[function->index].bus) << 8);
}

std::optional<Ends> Model::follow(const Initiator& who, Page page, pcie::Access access, bool translated,
                                  std::uint16_t rid) {
  crossings_.clear();
  Access a{page, access, translated, rid, 0, !is_device(who)};
  Way end;
  if (const auto* cpu = std::get_if<Processor>(&who)) {
    end = at_root(static_cast<unsigned>(cpu->domain), a);
  } else if (const auto* vm = std::get_if<VirtualMachine>(&who)) {
    const auto domain = static_cast<unsigned>(vm->domain);
    end = through_second_level(facts_.hosts[domain], static_cast<std::uint16_t>(vm->vm), domain, a);
  } else {
    const auto& function = std::get<fabric::FunctionId>(who);
    if (function.is_ntb) {
      const NtbFacts& ntb = facts_.ntbs[function.index];
      if (!(function.function != 0 ? ntb.link : ntb.management).bus_master) return std::nullopt;
      end = function.function != 0 ? to_root(function.index + 1u, a) : into_switch(function.index, a);
    } else {
      for (unsigned i = 0; i <= kVfs; ++i)
        if (facts_.nic_rid(function.index, i) == rid && !facts_.nics[function.index][i]) return std::nullopt;
      end = into_switch(facts_.nic_port(function.index), a);
    }
  }
  if (end && access == pcie::Access::read && !completes(who, *end, last_rid_)) return std::nullopt;
  return end;
}

Model::Way Model::through_second_level(const HostFacts& host, std::uint16_t vm, unsigned domain, Access a) {
  const PageMap* map = find(host.vms.at(vm), a.page);
  if (facts_.on.ept && (map == nullptr || !map->access.allows(a.kind))) return std::nullopt;
  if (map != nullptr) a.page = moved(*map, a.page);
  return at_root(domain, a);
}

bool Model::port_window_holds(std::size_t port, Page page) const {
  if (Pages{facts_.ports[port].window, kPortPages}.hold(page)) return true;
  return facts_.is_ntb(port) && Pages{facts_.ports[port].dma, kPortPages}.hold(page);
}

Model::Way Model::into_switch(std::size_t port, Access a) {
  const PortFacts& here = facts_.ports[port];
  a.segment = here.segment;
  if (!here.bus_master) return std::nullopt;
  if (here.source_validation && a.rid >> 8 != here.bus) return std::nullopt;
  if (here.translation_blocking && a.translated) return std::nullopt;
  if (facts_.on.acs && here.redirect) {
    if (port_window_holds(port, a.page) && !here.upstream_forwarding) return std::nullopt;
    return up(a);
  }
  for (std::size_t p = 0; p < facts_.ports.size(); ++p)
    if (facts_.ports[p].segment == here.segment && port_window_holds(p, a.page)) return below(p, a);
  return up(a);
}

Model::Way Model::up(Access a) {
  if (!facts_.hosts[0].segments[a.segment].upstream_bus_master) return std::nullopt;
  return to_root(0, a);
}

std::optional<Page> Model::translate(unsigned domain, const Access& a) const {
  const SegmentFacts& host = facts_.hosts[domain].segments[a.segment];
  const bool checked = domain == 0 ? facts_.on.mh_iommu : facts_.on.ch_iommu;
  const auto found = host.requesters.find(a.rid);
  std::optional<Page> to = a.page;
  if (found == host.requesters.end()) {
    if (checked) return std::nullopt;
  } else {
    const RequesterFacts& requester = found->second;
    const PageMap* map = find(requester.stale, a.page);
    if (map == nullptr || (checked && !map->access.allows(a.kind))) {
      map = find(requester.mappings, a.page);
      if (checked && (map == nullptr || !map->access.allows(a.kind))) return std::nullopt;
    }
    if (map != nullptr) {
      to = moved(*map, a.page);
    } else if (domain == 0 && !requester.mappings.empty()) {
      // The largest mapping's base, without a bound.
      const PageMap* largest = &requester.mappings.front();
      for (const PageMap& other : requester.mappings)
        if (other.from.count > largest->from.count) largest = &other;
      to = largest->to + a.page - largest->from.first;
      const bool wraps = largest->to < largest->from.first ? a.page < largest->from.first - largest->to
                                                           : *to > ~Page{0} >> 12;
      if (wraps) return std::nullopt;
    }
  }
  return kInterruptPages.hold(*to) ? std::nullopt : to;
}

// A request of a device below the root port.
Model::Way Model::to_root(unsigned domain, Access a) {
  const SegmentFacts& here = facts_.hosts[domain].segments[a.segment];
  if (!here.root_bus_master) return std::nullopt;
  if (kInterruptPages.hold(a.page)) {
    if (a.translated || a.kind == pcie::Access::read) return std::nullopt;
    return Ends{Kind::interrupts, domain, a.segment, a.page, a.rid};
  }
  if (a.translated) {
    const auto& all = here.requesters;
    const auto requester = all.find(a.rid);
    const bool allowed = requester != all.end() && requester->second.translated;
    if ((domain == 0 ? facts_.on.mh_iommu : facts_.on.ch_iommu) && !allowed) return std::nullopt;
  } else {
    const auto to = translate(domain, a);
    if (!to) return std::nullopt;
    a.page = *to;
  }
  return at_root(domain, a);
}

Model::Way Model::at_root(unsigned domain, Access a) {
  last_rid_ = a.rid;
  if (kLowMemory.hold(a.page) || kHighMemory.hold(a.page))
    return Ends{Kind::memory, domain, a.segment, a.page};
  if (domain != 0) return kLinkWindow.hold(a.page) ? at_ntb(domain - 1, false, a) : std::nullopt;
  for (std::size_t p = 0; p < facts_.ports.size(); ++p)
    if (port_window_holds(p, a.page))
      return a.by_processor || facts_.ports[p].segment == a.segment ? below(p, a) : std::nullopt;
  return std::nullopt;
}

Model::Way Model::below(std::size_t port, Access a) {
  if (facts_.is_ntb(port)) return at_ntb(port, true, a);
  const Page at = a.page - facts_.ports[port].window;
  last_rid_ = a.rid;
  if (kPfBar.hold(at) || Pages{kVfRegisters, kVfs}.hold(at) || Pages{kVfMsix, kVfs}.hold(at))
    return Ends{Kind::registers, 0, 0, a.page};
  return std::nullopt;
}

Model::Way Model::at_ntb(std::size_t n, bool management, Access a) {
  last_rid_ = a.rid;
  if (!management) {
    if (kLinkControl.hold(a.page)) return Ends{Kind::registers, static_cast<unsigned>(n + 1), 0, a.page};
    if (!kLinkRegisters.hold(a.page)) return std::nullopt;
    return cross(n, false, ntb::kRegisterBar, a.page - kLinkRegisters.first, a);
  }
  const Page base = facts_.ports[n].window, dma = facts_.ports[n].dma;
  if (Pages{base + kControlBar.first, kControlBar.count}.hold(a.page))
    return Ends{Kind::registers, 0, 0, a.page};
  if (Pages{base + kMsiBar.first, kMsiBar.count}.hold(a.page))
    return cross(n, true, ntb::kMsiBar, a.page - base - kMsiBar.first, a);
  if (Pages{dma, kDmaPages}.hold(a.page)) return cross(n, true, ntb::kDmaBar, a.page - dma, a);
  return std::nullopt;
}

Model::Way Model::cross(std::size_t n, bool outbound, std::uint8_t bar, Page offset, Access a) {
  const NtbFacts& ntb = facts_.ntbs[n];
  const SideFacts& entered = outbound ? ntb.management : ntb.link;
  const SideFacts& left = outbound ? ntb.link : ntb.management;
  if (!ntb.link_up || a.translated) return std::nullopt;
  const auto windows = entered.windows.find(bar);
  const PageMap* window = windows == entered.windows.end() ? nullptr : find(windows->second, offset);
  if (window == nullptr || !window->access.allows(a.kind)) return std::nullopt;
  const auto entry = entered.lut.find(a.rid);
  if (entry == entered.lut.end() && facts_.on.lut) return std::nullopt;
  if (!left.bus_master) return std::nullopt;
  if (crossings_.size() == kDeepest) {
    too_deep_ = true;
    return std::nullopt;
  }
  crossings_.push_back({n, outbound, a.rid});
  const unsigned bus = outbound ? 1u : facts_.ports[n].bus;
  a.by_processor = false;
  a.segment = 0;
  a.rid = static_cast<std::uint16_t>(bus << 8 | (entry == entered.lut.end() ? 0 : entry->second));
  a.page = moved(*window, offset);
  return outbound ? to_root(static_cast<unsigned>(n + 1), a) : into_switch(n, a);
}

// ---- completions

Model::Arrival Model::device_below(std::size_t port) const {
  if (!facts_.is_ntb(port)) return {Device::nic, port - facts_.ntbs.size()};
  return {Device::ntb_management, port};
}

// To whom a completion for `requester` comes: from a device below a port or link, or from memory.
Model::Arrival Model::route(const Place& from, std::uint16_t requester) const {
  const unsigned bus = requester >> 8;
  const auto port_of = [&]() -> std::optional<std::size_t> {
    for (std::size_t p = 0; p < facts_.ports.size(); ++p)
      if (facts_.ports[p].segment == from.segment && facts_.ports[p].bus == bus) return p;
    return std::nullopt;
  };
  if (from.port && !from.at_link && !(facts_.on.acs && facts_.ports[*from.port].completion_redirect))
    if (const auto peer = port_of()) return device_below(*peer);
  if (bus == 0) return {Device::processor, from.domain};
  if (from.domain != 0) return bus == 1 ? Arrival{Device::ntb_link, from.domain - 1} : Arrival{};
  const auto port = port_of();
  return port ? device_below(*port) : Arrival{};
}

bool Model::completes(const Initiator& who, const Ends& end, std::uint16_t requester) const {
  Place from{end.domain, end.segment, std::nullopt, false};
  std::uint16_t completer = 0;
  if (end.kind == Kind::registers && end.domain != 0) {
    from.at_link = true;
    completer = 0x100;
  } else if (end.kind == Kind::registers) {
    for (std::size_t p = 0; p < facts_.ports.size(); ++p)
      if (Pages{facts_.ports[p].window, kPortPages}.hold(end.page)) from.port = p;
    const PortFacts& port = facts_.ports[*from.port];
    from.segment = port.segment;
    completer = static_cast<std::uint16_t>(port.bus << 8);
    if (!facts_.is_ntb(*from.port)) {
      const Page at = end.page - port.window;
      const Page vf = at - (at >= kVfMsix ? kVfMsix : kVfRegisters);
      completer = facts_.nic_rid(*from.port - facts_.ntbs.size(),
                                 kPfBar.hold(at) ? 0 : static_cast<unsigned>(1 + vf));
    }
  }
  for (std::size_t left = crossings_.size(); left > 0; --left) {
    const Crossing& crossing = crossings_[left - 1];
    const NtbFacts& ntb = facts_.ntbs[crossing.ntb];
    const SideFacts& entered = crossing.outbound ? ntb.management : ntb.link;
    const SideFacts& back = crossing.outbound ? ntb.link : ntb.management;
    const Arrival there = route(from, requester);
    if (there.device != (crossing.outbound ? Device::ntb_link : Device::ntb_management) ||
        there.index != crossing.ntb)
      return false;
    const auto restored = entered.lut.find(crossing.before);
    const bool knows = restored != entered.lut.end() && restored->second == (requester & 0xFF);
    const auto answer = back.lut.find(completer);
    if (facts_.on.lut && (!knows || answer == back.lut.end())) return false;
    const unsigned proxy = answer == back.lut.end() ? 0 : answer->second;
    const PortFacts& port = facts_.ports[crossing.ntb];
    if (crossing.outbound)
      from = {0, port.segment, crossing.ntb, false};
    else
      from = {static_cast<unsigned>(crossing.ntb + 1), 0, std::nullopt, true};
    completer = static_cast<std::uint16_t>((crossing.outbound ? port.bus : 1u) << 8 | proxy);
    requester = crossing.before;
  }
  const Arrival home = route(from, requester);
  const auto* function = std::get_if<fabric::FunctionId>(&who);
  if (function == nullptr) return home.device == Device::processor;
  if (!function->is_ntb) return home.device == Device::nic && home.index == function->index;
  return home.device == (function->function != 0 ? Device::ntb_link : Device::ntb_management) &&
         home.index == function->index;
}

// ---- interrupts

std::vector<Interval> Model::vectors(const Ends& message) const {
  const Page page = message.page - kInterruptPages.first;
  if (!facts_.on.interrupt_remapping) return {{page << 8, page << 8 | 0xFF}};
  std::vector<Interval> all;
  const bool any_source = message.domain == 0 && !facts_.on.mh_iommu;
  const auto& entries = facts_.hosts[message.domain].segments[message.segment].interrupts;
  for (const std::uint32_t index : named_entries()[page]) {
    if (index >= entries.size() || !entries[index].present) continue;
    if (any_source || entries[index].source.bits == message.rid)
      all.push_back({entries[index].vector, entries[index].vector});
  }
  return all;
}

}  // namespace ladon::audit::test
