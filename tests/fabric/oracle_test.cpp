// resolve() against a straightforward model of the same rack, over random tables, defences and addresses; and
// its extents, which must be exact: one way and one offset inside, another just outside.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <optional>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

namespace ntb = spec::ntb;
using pcie::Access;

// Where an access ends: a word for the place, and the address in it. nullopt: refused.
using End = std::optional<std::pair<std::string, std::uint64_t>>;

struct Page {
  std::uint64_t first, length, to;
  pcie::AccessSet access;
  bool holds(std::uint64_t at) const { return at >= first && at - first < length; }
};

// A VF of the endpoint in a segment, by one number.
unsigned vf_number(unsigned segment, unsigned vf) {
  return segment * kVfs + vf;
}

// The rack as lists that are searched from end to end.
struct Model {
  Defences on;
  Layout where;
  // By requester: the VF's own mappings at the management host, and its host's by (host, proxy).
  std::map<unsigned, std::vector<Page>> mh;
  std::map<std::pair<unsigned, unsigned>, std::vector<Page>> ch;
  std::map<std::pair<unsigned, unsigned>, unsigned> lut;  // (host, VF) -> slot
  struct Window {
    std::uint64_t offset, length, to;
    pcie::AccessSet access;
  };
  std::map<unsigned, std::vector<Window>> inbound;  // by host
  std::map<unsigned, std::vector<Page>> nic_pages;  // by host

  static const Page* find(const std::vector<Page>& pages, std::uint64_t at) {
    for (const Page& page : pages)
      if (page.holds(at)) return &page;
    return nullptr;
  }

  // `at` moved as far as `from` is from `to`; nullopt if that leaves the address space.
  static std::optional<std::uint64_t> moved(std::uint64_t at, std::uint64_t from, std::uint64_t to) {
    if (to >= from)
      return at > ~std::uint64_t{0} - (to - from) ? std::nullopt : std::optional(at + (to - from));
    return at < from - to ? std::nullopt : std::optional(at - (from - to));
  }

  // One IOMMU with pages `pages` (null: requester has no domain); nullopt: refused.
  static std::optional<std::uint64_t> translate(const std::vector<Page>* pages, bool checked, bool add_base,
                                                std::uint64_t at, Access access) {
    if (checked && pages == nullptr) return std::nullopt;
    std::optional<std::uint64_t> to = at;
    if (pages != nullptr) {
      if (const Page* page = find(*pages, at)) {
        if (checked && !page->access.allows(access)) return std::nullopt;
        to = at - page->first + page->to;
      } else if (checked) {
        return std::nullopt;
      } else if (add_base && !pages->empty()) {
        const Page* largest = &pages->front();
        for (const Page& other : *pages)
          if (other.length > largest->length) largest = &other;
        to = moved(at, largest->first, largest->to);
        if (!to) return std::nullopt;
      }
    }
    return iommu::is_interrupt_address(*to) ? std::nullopt : to;
  }

  static bool is_memory(std::uint64_t at) {
    return at < kDram || (at >= kHighDram && at < kHighDram + kHighDramSize);
  }

  End bus_of_host(unsigned k, std::uint64_t at) const {
    if (is_memory(at)) return std::pair("memory" + std::to_string(k), at);
    if (at >= kLinkControl && at < kLinkControl + ntb::kControlBarSize)
      return std::pair("link" + std::to_string(k), at - kLinkControl);
    return std::nullopt;
  }

  End into_host(unsigned k, std::uint64_t at, std::optional<unsigned> vf, Access access) const {
    const auto entry = vf ? lut.find({k, *vf}) : lut.end();
    if (entry == lut.end() && on.lut) return std::nullopt;
    if (iommu::is_interrupt_address(at)) return std::nullopt;
    const unsigned proxy = entry == lut.end() ? 0 : 1 + entry->second;
    const auto pages = ch.find({k, proxy});
    const auto bus = translate(pages == ch.end() ? nullptr : &pages->second, on.ch_iommu, false, at, access);
    return bus ? bus_of_host(k, *bus) : std::nullopt;
  }

  // What a segment's switch has below its ports, by address in the management domain.
  End below_switch(unsigned segment, std::uint64_t at, std::optional<unsigned> vf, Access access) const {
    for (unsigned k = 1; k <= where.hosts; ++k) {
      if (where.segment_of(k) != segment) continue;
      const std::uint64_t control = port_base(where.ntb_place(k));
      if (at >= control && at < control + ntb::kControlBarSize)
        return std::pair("ntb" + std::to_string(k), at - control);
      if (at >= dma_window(k) && at < dma_window(k) + kDmaSpan)
        return into_host(k, at - dma_window(k), vf, access);
    }
    const std::uint64_t pf = port_base(where.nic_place(segment)), vfs = where.vf_bars(segment);
    if (at >= pf && at < pf + 0x1'0000) return std::pair("pf" + std::to_string(segment), at - pf);
    if (at >= vfs && at < vfs + kVfs * kVfBarSize)
      return std::pair(
          "vf" + std::to_string(vf_number(segment, static_cast<unsigned>((at - vfs) / kVfBarSize))),
          (at - vfs) % kVfBarSize);
    return std::nullopt;
  }

  // A window of some port of that segment's switch.
  bool in_a_window(unsigned segment, std::uint64_t at) const {
    const unsigned before = where.hosts_before(segment), after = where.hosts_before(segment + 1);
    const bool low =
        at >= port_base(where.first_place(segment)) && at < port_base(where.first_place(segment + 1));
    return low || (at >= dma_window(before + 1) && at < dma_window(after + 1)) ||
           (segment == 0 && at >= kVfBars && at < kVfBars + 0x10'0000);
  }
  // What the switch's upstream port takes down, whether or not a port below has it.
  bool upstream_takes(unsigned segment, std::uint64_t at) const {
    return in_a_window(segment, at) || (segment == 0 && at >= kVfBars && at < dma_window(1));
  }

  // A device's request behind the IOMMU: memory, or its own segment again.
  End management_bus(unsigned segment, std::uint64_t at, std::optional<unsigned> vf, Access access) const {
    if (is_memory(at)) return std::pair(std::string("memory0"), at);
    return upstream_takes(segment, at) ? below_switch(segment, at, vf, access) : std::nullopt;
  }

  End dma(unsigned segment, unsigned vf, std::uint64_t at, Access access) const {
    if (!on.acs && upstream_takes(segment, at)) return below_switch(segment, at, vf, access);
    if (iommu::is_interrupt_address(at)) return std::nullopt;
    const auto pages = mh.find(vf);
    const auto bus = translate(pages == mh.end() ? nullptr : &pages->second, on.mh_iommu, true, at, access);
    return bus ? management_bus(segment, *bus, vf, access) : std::nullopt;
  }

  // The management host's own processor: every segment.
  End management_cpu(std::uint64_t at, Access access) const {
    if (is_memory(at)) return std::pair(std::string("memory0"), at);
    for (unsigned segment = 0; segment < where.segments; ++segment)
      if (upstream_takes(segment, at)) return below_switch(segment, at, std::nullopt, access);
    return std::nullopt;
  }

  End cpu(unsigned k, std::uint64_t at, Access access) const {
    const unsigned segment = where.segment_of(k);
    if (at < kLinkWindow || at >= kLinkWindow + (64 << 20)) return bus_of_host(k, at);
    for (const Window& window : inbound.at(k)) {
      const std::uint64_t offset = at - kLinkWindow;
      if (offset < window.offset || offset - window.offset >= window.length) continue;
      if (!window.access.allows(access)) return std::nullopt;
      const std::uint64_t out = offset - window.offset + window.to;
      // The VF pages as the CPU's proxy may touch them; peer to peer without redirect.
      if (!on.acs && upstream_takes(segment, out)) return below_switch(segment, out, std::nullopt, access);
      if (iommu::is_interrupt_address(out)) return std::nullopt;
      const auto bus = translate(&nic_pages.at(k), on.mh_iommu, true, out, access);
      return bus ? management_bus(segment, *bus, std::nullopt, access) : std::nullopt;
    }
    return std::nullopt;
  }
};

End end_of(const Rig& rig, const Resolution& r) {
  if (const auto* memory = std::get_if<MemoryTarget>(&r.outcome))
    return std::pair("memory" + std::to_string(static_cast<unsigned>(memory->domain)), memory->at.bits());
  if (const auto* registers = std::get_if<RegisterTarget>(&r.outcome)) {
    const auto& f = registers->function;
    if (f.is_ntb)
      return std::pair((f.function == 0 ? "ntb" : "link") + std::to_string(f.index + 1), registers->offset);
    if (f.function == 0) return std::pair("pf" + std::to_string(f.index), registers->offset);
    for (unsigned vf = 0; vf < kVfs; ++vf)
      if (rig.nic.index_of(vf) == f.function)
        return std::pair("vf" + std::to_string(vf_number(f.index, vf)), registers->offset);
  }
  return std::nullopt;
}

struct RandomRack {
  std::unique_ptr<Rig> rig;
  Model model;
};

std::uint64_t pages(std::uint64_t from, std::uint64_t to) {
  return *rc::gen::inRange<std::uint64_t>(from, to) * 0x1000;
}

// Addresses where something begins or ends, and a little around them.
std::uint64_t interesting(const Layout& where) {
  const unsigned hosts = where.hosts;
  std::vector<std::uint64_t> edges{kHighDram,
                                   kHighDram + kHighDramSize,
                                   0,
                                   kDram,
                                   kMmio32,
                                   kVfBars,
                                   kVfBars + kVfs * kVfBarSize,
                                   kLinkControl,
                                   kLinkWindow,
                                   iommu::kInterruptFirst,
                                   iommu::kInterruptLast + 1,
                                   0x1000'0000,
                                   ~0xFFFFull};
  for (unsigned k = 1; k <= hosts; ++k)
    for (const std::uint64_t edge :
         {dma_window(k), dma_window(k) + 0x1000'0000, port_base(k - 1), port_base(k)})
      edges.push_back(edge);
  for (unsigned segment = 0; segment < where.segments; ++segment)
    for (const std::uint64_t edge :
         {port_base(where.nic_place(segment)), port_base(where.first_place(segment + 1)),
          where.vf_bars(segment), where.vf_bars(segment) + kVfs * kVfBarSize})
      edges.push_back(edge);
  const std::uint64_t around = pages(0, 24);
  return *rc::gen::elementOf(edges) + around - (*rc::gen::arbitrary<bool>() ? 0x8000 : 0);
}

void add_pages(Rig& rig, pcie::Domain domain, iommu::DomainId id, std::vector<Page>& model) {
  const int count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) {
    const Page page{interesting(rig.layout), pages(1, 20), interesting(rig.layout),
                    pcie::AccessSet{*rc::gen::element<std::uint8_t>(1, 2, 3)}};
    const auto range = Range<Iova>::of(Iova(page.first), page.length);
    if (range && rig.fabric->map(domain, id, {*range, BusAddr(page.to), page.access})) model.push_back(page);
  }
  // As a table is: by address, so that "the largest" of several equal ones is the same.
  std::sort(model.begin(), model.end(), [](const Page& a, const Page& b) { return a.first < b.first; });
}

// Perhaps a domain at the management host; perhaps an entry in some NTB's table - one of another segment has
// the same number for somebody else - and a domain behind it.
void add_vf(RandomRack& rack, unsigned segment, unsigned vf) {
  Rig& rig = *rack.rig;
  const unsigned number = vf_number(segment, vf);
  if (*rc::gen::arbitrary<bool>()) {
    const auto id = rig.fabric->create_domain(kMh).value();
    RC_ASSERT(rig.fabric->attach(kMh, id, in_segment(segment, rig.vf_rid(vf, segment))).has_value());
    add_pages(rig, kMh, id, rack.model.mh[number]);
  }
  const auto k = *rc::gen::inRange(1u, rig.hosts + 1);
  if (rig.layout.segment_of(k) != segment) return;
  if (*rc::gen::arbitrary<bool>()) {
    rig.set_lut(k, true, vf, rig.vf_rid(vf, segment), static_cast<std::uint8_t>(1 + vf));
    rack.model.lut[{k, number}] = vf;
  }
  if (*rc::gen::arbitrary<bool>()) {
    const pcie::Domain domain{static_cast<std::uint16_t>(k)};
    const auto id = rig.fabric->create_domain(domain).value();
    RC_ASSERT(rig.fabric->attach(domain, id, Rig::proxy_rid(vf)).has_value());
    add_pages(rig, domain, id, rack.model.ch[{k, 1 + vf}]);
  }
}

RandomRack random_rack() {
  RandomRack rack;
  RigOptions options;
  options.compute_hosts = *rc::gen::inRange(1u, 4u);
  options.segments = *rc::gen::inRange(1u, 4u);
  auto& on = options.defences;
  on = {*rc::gen::arbitrary<bool>(),
        *rc::gen::arbitrary<bool>(),
        *rc::gen::arbitrary<bool>(),
        *rc::gen::arbitrary<bool>(),
        true,
        true};
  rack.rig = std::make_unique<Rig>(options);
  rack.model.on = on;
  rack.model.where = rack.rig->layout;
  Rig& rig = *rack.rig;
  for (unsigned k = 1; k <= rig.hosts; ++k) {
    rack.model.inbound[k];
    auto& nic = rack.model.nic_pages[k];
    add_pages(rig, kMh, rig.nic_pages[k - 1], nic);
    const int windows = *rc::gen::inRange(0, 4);
    for (int i = 0; i < windows; ++i) {
      const Model::Window w{pages(0, 40), pages(1, 20), interesting(rig.layout),
                            pcie::AccessSet{*rc::gen::element<std::uint8_t>(1, 2, 3)}};
      const std::uint32_t access = std::uint32_t{w.access.bits} << 1;
      const auto control = rig.open_window(k, false, static_cast<unsigned>(i), ntb::kRegisterBar, w.offset,
                                           w.length, w.to, access);
      if ((control & ntb::kWindowEnable) != 0) rack.model.inbound[k].push_back(w);
    }
  }
  for (unsigned segment = 0; segment < rig.layout.segments; ++segment)
    for (unsigned vf = 0; vf < 3; ++vf) add_vf(rack, segment, vf);
  return rack;
}

// Addresses inside `extent` must end at the same distance, just outside must not.
void check_extent(const Rig& rig, const std::function<Resolution(std::uint64_t)>& go, std::uint64_t at,
                  const Resolution& here) {
  const End end = end_of(rig, here);
  const auto [first, last] = here.extent;
  RC_ASSERT(first <= at && at <= last);
  for (const std::uint64_t inside : {first, last, first + (last - first) / 2}) {
    const Resolution there = go(inside);
    RC_ASSERT(there.extent == here.extent);
    const End other = end_of(rig, there);
    RC_ASSERT(other.has_value() == end.has_value());
    if (end) {
      RC_ASSERT(other->first == end->first);
      RC_ASSERT(other->second - end->second == inside - at);
    } else {
      RC_ASSERT(why(there) == why(here));
      RC_ASSERT(there.fault()->component == here.fault()->component);
    }
  }
  if (!end) return;
  const auto continues = [&](std::uint64_t outside) {
    const Resolution there = go(outside);
    const End other = end_of(rig, there);
    // The same offset by another way (another mapping, peer to peer) is another answer.
    return other && other->first == end->first && other->second - end->second == outside - at &&
           there.hops.size() == here.hops.size() &&
           std::equal(there.hops.begin(), there.hops.end(), here.hops.begin(),
                      [&](const Hop& a, const Hop& b) {
                        return a.component == b.component && a.out - b.out == outside - at;
                      });
  };
  const bool merged = rig.fabric->options().defences.mh_iommu && rig.fabric->options().defences.ch_iommu;
  // Without checks a mapping and what passes beside it may agree by chance; they are two answers all the
  // same.
  if (merged && first > 0) RC_ASSERT(!continues(first - 1));
  if (merged && last < ~0ull) RC_ASSERT(!continues(last + 1));
}

// Half of the time an address at one of the requester's own mappings, so that checked racks are reached, too.
std::uint64_t probe(const RandomRack& rack, unsigned number) {
  const auto own = rack.model.mh.find(number);
  const std::uint64_t inside = *rc::gen::inRange<std::uint64_t>(0, 0xFFF);
  if (own == rack.model.mh.end() || own->second.empty() || *rc::gen::arbitrary<bool>())
    return interesting(rack.rig->layout) + inside;
  return (*rc::gen::elementOf(own->second)).first + pages(0, 8) + inside;
}

RC_GTEST_PROP(Oracle, DmaGoesWhereTheModelSays, ()) {
  const RandomRack rack = random_rack();
  Rig& rig = *rack.rig;
  for (int i = 0; i < 40; ++i) {
    const auto vf = *rc::gen::inRange(0u, 3u);
    const auto segment = *rc::gen::inRange(0u, rig.layout.segments);
    const std::uint64_t at = probe(rack, vf_number(segment, vf));
    const Resolution r = rig.go(rig.dma(vf, at, Access::write, 1, segment));
    const End expected = rack.model.dma(segment, vf_number(segment, vf), at, Access::write);
    RC_LOG() << std::hex << "segment " << segment << " vf " << vf << " at " << at << ": "
             << describe_outcome(*rig.fabric->tables(), r) << "\n";
    RC_ASSERT(end_of(rig, r) == expected);
    check_extent(
        rig, [&](std::uint64_t a) { return rig.go(rig.dma(vf, a, Access::write, 1, segment)); }, at, r);
  }
}

RC_GTEST_PROP(Oracle, TheManagementHostsProcessorReachesEverySegment, ()) {
  const RandomRack rack = random_rack();
  Rig& rig = *rack.rig;
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t at = interesting(rig.layout) + *rc::gen::inRange<std::uint64_t>(0, 0xFFF);
    const Resolution r = rig.go(Rig::cpu(kMh, at, Access::write, 1));
    RC_LOG() << std::hex << "mh at " << at << ": " << describe_outcome(*rig.fabric->tables(), r) << "\n";
    RC_ASSERT(end_of(rig, r) == rack.model.management_cpu(at, Access::write));
    check_extent(rig, [&](std::uint64_t a) { return rig.go(Rig::cpu(kMh, a, Access::write, 1)); }, at, r);
    if (r.refused()) continue;
    // What it reads comes back to it, from every segment.
    RC_ASSERT(!rig.go(Rig::cpu(kMh, at, Access::read, 1)).refused() || rig.fabric->options().defences.lut);
  }
}

RC_GTEST_PROP(Oracle, ProcessorsGoWhereTheModelSays, ()) {
  const RandomRack rack = random_rack();
  Rig& rig = *rack.rig;
  for (int i = 0; i < 40; ++i) {
    const auto k = *rc::gen::inRange(1u, rig.hosts + 1);
    const pcie::Domain domain{static_cast<std::uint16_t>(k)};
    const std::uint64_t at = *rc::gen::element(kLinkWindow, kLinkWindow, kLinkControl, std::uint64_t{0}) +
                             pages(0, 60) + *rc::gen::inRange<std::uint64_t>(0, 0xFFF);
    const Resolution r = rig.go(Rig::cpu(domain, at, Access::write, 1));
    RC_LOG() << std::hex << "ch" << k << " at " << at << ": " << describe_outcome(*rig.fabric->tables(), r)
             << "\n";
    // What comes back over the NTB into a compute host is beyond the model.
    bool returned = false;
    for (const Hop& hop : r.hops) returned |= hop.component.kind == ComponentKind::iommu && hop.domain != kMh;
    if (!returned) RC_ASSERT(end_of(rig, r) == rack.model.cpu(k, at, Access::write));
    check_extent(rig, [&](std::uint64_t a) { return rig.go(Rig::cpu(domain, a, Access::write, 1)); }, at, r);
  }
}

// Whatever is thrown at it, an access ends.
RC_GTEST_PROP(Oracle, EveryAccessEnds, ()) {
  const RandomRack rack = random_rack();
  Rig& rig = *rack.rig;
  for (int i = 0; i < 20; ++i) {
    auto t = rig.dma(0, *rc::gen::arbitrary<std::uint64_t>(), *rc::gen::element(Access::read, Access::write),
                     *rc::gen::inRange(0u, 5000u));
    t.rid.bdf = pcie::Bdf(*rc::gen::arbitrary<std::uint16_t>());
    if (*rc::gen::arbitrary<bool>()) t.address = BusAddr(interesting(rig.layout));
    const Resolution r = rig.go(t);
    RC_ASSERT(r.extent.first <= pcie::address_bits(t.address));
    RC_ASSERT(r.extent.last >= pcie::address_bits(t.address));
    RC_ASSERT(!format_table(*rig.fabric->tables(), t, r).empty());
  }
}

}  // namespace
}  // namespace ladon::fabric::test
