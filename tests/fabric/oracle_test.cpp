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

// The rack as lists that are searched from end to end.
struct Model {
  Defences on;
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

  // What the switch has below its ports, by address in the management domain.
  End below_switch(unsigned hosts, std::uint64_t at, std::optional<unsigned> vf, Access access) const {
    for (unsigned k = 1; k <= hosts; ++k) {
      if (at >= port_base(k - 1) && at < port_base(k - 1) + ntb::kControlBarSize)
        return std::pair("ntb" + std::to_string(k), at - port_base(k - 1));
      if (at >= dma_window(k) && at < dma_window(k) + kDmaSpan)
        return into_host(k, at - dma_window(k), vf, access);
    }
    if (at >= port_base(hosts) && at < port_base(hosts) + 0x1'0000)
      return std::pair(std::string("pf"), at - port_base(hosts));
    if (at >= kVfBars && at < kVfBars + kVfs * kVfBarSize) {
      const std::uint64_t offset = at - kVfBars;
      return std::pair("vf" + std::to_string(offset / kVfBarSize), offset % kVfBarSize);
    }
    return std::nullopt;
  }

  static bool in_a_window(unsigned hosts, std::uint64_t at) {
    const bool low = at >= kMmio32 && at < port_base(hosts + 1);
    return low || (at >= dma_window(1) && at < dma_window(hosts + 1)) ||
           (at >= kVfBars && at < kVfBars + 0x10'0000);
  }

  End management_bus(unsigned hosts, std::uint64_t at, std::optional<unsigned> vf, Access access) const {
    if (is_memory(at)) return std::pair(std::string("memory0"), at);
    return below_switch(hosts, at, vf, access);
  }

  End dma(unsigned hosts, unsigned vf, std::uint64_t at, Access access) const {
    if (!on.acs && in_a_window(hosts, at)) return below_switch(hosts, at, vf, access);
    if (!on.acs && at >= kVfBars && at < dma_window(hosts + 1)) return std::nullopt;
    if (iommu::is_interrupt_address(at)) return std::nullopt;
    const auto pages = mh.find(vf);
    const auto bus = translate(pages == mh.end() ? nullptr : &pages->second, on.mh_iommu, true, at, access);
    return bus ? management_bus(hosts, *bus, vf, access) : std::nullopt;
  }

  End cpu(unsigned hosts, unsigned k, std::uint64_t at, Access access) const {
    if (at < kLinkWindow || at >= kLinkWindow + (64 << 20)) return bus_of_host(k, at);
    for (const Window& window : inbound.at(k)) {
      const std::uint64_t offset = at - kLinkWindow;
      if (offset < window.offset || offset - window.offset >= window.length) continue;
      if (!window.access.allows(access)) return std::nullopt;
      const std::uint64_t out = offset - window.offset + window.to;
      // The VF pages as the CPU's proxy may touch them; peer to peer without redirect.
      if (!on.acs && in_a_window(hosts, out)) return below_switch(hosts, out, std::nullopt, access);
      if (!on.acs && ((out >= kVfBars && out < dma_window(hosts + 1)))) return std::nullopt;
      if (iommu::is_interrupt_address(out)) return std::nullopt;
      const auto bus = translate(&nic_pages.at(k), on.mh_iommu, true, out, access);
      return bus ? management_bus(hosts, *bus, std::nullopt, access) : std::nullopt;
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
    if (f.function == 0) return std::pair(std::string("pf"), registers->offset);
    for (unsigned vf = 0; vf < kVfs; ++vf)
      if (rig.nic.index_of(vf) == f.function) return std::pair("vf" + std::to_string(vf), registers->offset);
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
std::uint64_t interesting(unsigned hosts) {
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
  const std::uint64_t around = pages(0, 24);
  return *rc::gen::elementOf(edges) + around - (*rc::gen::arbitrary<bool>() ? 0x8000 : 0);
}

void add_pages(Rig& rig, pcie::Domain domain, iommu::DomainId id, std::vector<Page>& model, unsigned hosts) {
  const int count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) {
    const Page page{interesting(hosts), pages(1, 20), interesting(hosts),
                    pcie::AccessSet{*rc::gen::element<std::uint8_t>(1, 2, 3)}};
    const auto range = Range<Iova>::of(Iova(page.first), page.length);
    if (range && rig.fabric->map(domain, id, {*range, BusAddr(page.to), page.access})) model.push_back(page);
  }
  // As a table is: by address, so that "the largest" of several equal ones is the same.
  std::sort(model.begin(), model.end(), [](const Page& a, const Page& b) { return a.first < b.first; });
}

RandomRack random_rack() {
  RandomRack rack;
  RigOptions options;
  options.compute_hosts = *rc::gen::inRange(1u, 4u);
  auto& on = options.defences;
  on = {*rc::gen::arbitrary<bool>(),
        *rc::gen::arbitrary<bool>(),
        *rc::gen::arbitrary<bool>(),
        *rc::gen::arbitrary<bool>(),
        true,
        true};
  rack.rig = std::make_unique<Rig>(options);
  rack.model.on = on;
  Rig& rig = *rack.rig;
  for (unsigned k = 1; k <= rig.hosts; ++k) {
    rack.model.inbound[k];
    auto& nic = rack.model.nic_pages[k];
    add_pages(rig, kMh, rig.nic_pages[k - 1], nic, rig.hosts);
    const int windows = *rc::gen::inRange(0, 4);
    for (int i = 0; i < windows; ++i) {
      const Model::Window w{pages(0, 40), pages(1, 20), interesting(rig.hosts),
                            pcie::AccessSet{*rc::gen::element<std::uint8_t>(1, 2, 3)}};
      const std::uint32_t access = std::uint32_t{w.access.bits} << 1;
      const auto control = rig.open_window(k, false, static_cast<unsigned>(i), ntb::kRegisterBar, w.offset,
                                           w.length, w.to, access);
      if ((control & ntb::kWindowEnable) != 0) rack.model.inbound[k].push_back(w);
    }
  }
  for (unsigned vf = 0; vf < 3; ++vf) {
    if (*rc::gen::arbitrary<bool>()) {
      const auto id = rig.fabric->create_domain(kMh).value();
      RC_ASSERT(rig.fabric->attach(kMh, id, rig.vf_rid(vf)).has_value());
      add_pages(rig, kMh, id, rack.model.mh[vf], rig.hosts);
    }
    const auto k = *rc::gen::inRange(1u, rig.hosts + 1);
    if (*rc::gen::arbitrary<bool>()) {
      rig.set_lut(k, true, vf, rig.vf_rid(vf), static_cast<std::uint8_t>(1 + vf));
      rack.model.lut[{k, vf}] = vf;
    }
    if (*rc::gen::arbitrary<bool>()) {
      const pcie::Domain domain{static_cast<std::uint16_t>(k)};
      const auto id = rig.fabric->create_domain(domain).value();
      RC_ASSERT(rig.fabric->attach(domain, id, Rig::proxy_rid(vf)).has_value());
      add_pages(rig, domain, id, rack.model.ch[{k, 1 + vf}], rig.hosts);
    }
  }
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
std::uint64_t probe(const RandomRack& rack, unsigned vf) {
  const auto own = rack.model.mh.find(vf);
  const std::uint64_t inside = *rc::gen::inRange<std::uint64_t>(0, 0xFFF);
  if (own == rack.model.mh.end() || own->second.empty() || *rc::gen::arbitrary<bool>())
    return interesting(rack.rig->hosts) + inside;
  return (*rc::gen::elementOf(own->second)).first + pages(0, 8) + inside;
}

RC_GTEST_PROP(Oracle, DmaGoesWhereTheModelSays, ()) {
  const RandomRack rack = random_rack();
  Rig& rig = *rack.rig;
  for (int i = 0; i < 40; ++i) {
    const auto vf = *rc::gen::inRange(0u, 3u);
    const std::uint64_t at = probe(rack, vf);
    const Resolution r = rig.go(rig.dma(vf, at, Access::write, 1));
    const End expected = rack.model.dma(rig.hosts, vf, at, Access::write);
    RC_LOG() << std::hex << "vf " << vf << " at " << at << ": " << describe_outcome(*rig.fabric->tables(), r)
             << "\n";
    RC_ASSERT(end_of(rig, r) == expected);
    check_extent(rig, [&](std::uint64_t a) { return rig.go(rig.dma(vf, a, Access::write, 1)); }, at, r);
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
    if (!returned) RC_ASSERT(end_of(rig, r) == rack.model.cpu(rig.hosts, k, at, Access::write));
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
    if (*rc::gen::arbitrary<bool>()) t.address = BusAddr(interesting(rig.hosts));
    const Resolution r = rig.go(t);
    RC_ASSERT(r.extent.first <= pcie::address_bits(t.address));
    RC_ASSERT(r.extent.last >= pcie::address_bits(t.address));
    RC_ASSERT(!format_table(*rig.fabric->tables(), t, r).empty());
  }
}

}  // namespace
}  // namespace ladon::fabric::test
