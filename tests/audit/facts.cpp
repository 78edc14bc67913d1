#include "audit/facts.h"

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

#include "spec/ntb.h"

namespace ladon::audit::test {

namespace ntb = spec::ntb;

namespace {

constexpr pcie::AccessSet kAccesses[] = {pcie::kReadOnly, pcie::kWriteOnly, pcie::kReadWrite,
                                         pcie::kReadWrite, pcie::kReadWrite};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t end) { return engine_() % end; }
  bool in(unsigned chances) { return below(chances) == 0; }
  template <class T>
  const T& of(const std::vector<T>& all) {
    return all[below(all.size())];
  }
  pcie::AccessSet access() { return kAccesses[below(std::size(kAccesses))]; }

 private:
  std::mt19937_64 engine_;
};

// Pages at which something begins in the management domain, or in a compute domain.
std::vector<Page> landmarks(bool management, const Facts& facts) {
  std::vector<Page> all{kLowMemory.first, kHighMemory.first, kInterruptPages.first, 0x30};
  if (!management) {
    all.insert(all.end(), {kLinkControl.first, kLinkRegisters.first});
    return all;
  }
  for (std::size_t p = 0; p < facts.ports.size(); ++p) {
    const PortFacts& port = facts.ports[p];
    all.push_back(port.window);
    if (facts.is_ntb(p))
      all.insert(all.end(), {port.window + kMsiBar.first, port.dma});
    else
      all.push_back(port.window + kVfRegisters);
  }
  return all;
}

bool overlaps(const std::vector<PageMap>& all, const Pages& pages) {
  return std::any_of(all.begin(), all.end(), [&](const PageMap& map) {
    return map.from.first < pages.first + pages.count && pages.first < map.from.first + map.from.count;
  });
}

// Mappings from low pages, or those of a space `within`, to around the landmarks.
std::vector<PageMap> random_maps(Dice& dice, const std::vector<Page>& landmarks, Page within,
                                 std::size_t most) {
  std::vector<PageMap> maps;
  for (std::size_t tries = dice.below(most + 1); tries > 0; --tries) {
    const Page at = dice.of(landmarks);
    const PageMap map{{dice.below(within), 1 + dice.below(20)},
                      at >= 4 && dice.in(3) ? at - dice.below(4) : at + dice.below(4),
                      dice.access()};
    if (map.from.first + map.from.count <= within && !overlaps(maps, map.from)) maps.push_back(map);
  }
  std::sort(maps.begin(), maps.end(),
            [](const PageMap& a, const PageMap& b) { return a.from.first < b.from.first; });
  return maps;
}

RequesterFacts random_requester(Dice& dice, const std::vector<Page>& landmarks) {
  RequesterFacts facts{.mappings = random_maps(dice, landmarks, 0x200, 5), .translated = dice.in(4)};
  if (dice.in(4)) facts.stale = random_maps(dice, landmarks, 0x200, 2);
  return facts;
}

// `rids`: who may turn up there.
SegmentFacts random_segment(Dice& dice, const std::vector<Page>& marks,
                            const std::vector<std::uint16_t>& rids) {
  SegmentFacts segment{.root_bus_master = !dice.in(20), .upstream_bus_master = !dice.in(30)};
  for (const std::uint16_t rid : rids)
    if (!dice.in(4)) segment.requesters[rid] = random_requester(dice, marks);
  for (auto entries = rids.empty() ? 0 : dice.below(7); entries > 0; --entries)
    segment.interrupts.push_back({.present = !dice.in(5),
                                  .vector = static_cast<std::uint32_t>(32 + dice.below(6)),
                                  .source = pcie::Bdf(dice.of(rids))});
  return segment;
}

HostFacts random_host(Dice& dice, const std::vector<Page>& marks,
                      const std::vector<std::vector<std::uint16_t>>& rids) {
  HostFacts host;
  for (const auto& there : rids) host.segments.push_back(random_segment(dice, marks, there));
  for (std::uint16_t vm = 0; vm < dice.below(3); ++vm) host.vms[vm] = random_maps(dice, marks, 0x200, 4);
  return host;
}

SideFacts random_side(Dice& dice, bool management, const Facts& facts,
                      const std::vector<std::uint16_t>& rids) {
  SideFacts side{.bus_master = !dice.in(20)};
  // What enters on the management side comes out in a compute domain, and the other way round.
  const auto marks = landmarks(!management, facts);
  if (management) {
    side.windows[ntb::kDmaBar] = random_maps(dice, marks, kDmaPages, 3);
    side.windows[ntb::kMsiBar] =
        random_maps(dice, {kInterruptPages.first + dice.below(256)}, kMsiBar.count, 2);
  } else {
    side.windows[ntb::kRegisterBar] = random_maps(dice, marks, kLinkRegisters.count, 4);
  }
  for (const std::uint16_t rid : rids)
    if (!dice.in(3)) side.lut[rid] = static_cast<std::uint8_t>(8 + dice.below(3));
  return side;
}

// ---- facts to tables

template <class A>
Range<A> range(const Pages& pages) {
  return *Range<A>::of(A(pages.first * kPage), pages.count * kPage);
}

template <class From>
iommu::TranslationTable<From> translations(const std::vector<PageMap>& maps) {
  iommu::TranslationTable<From> table;
  for (const PageMap& map : maps)
    table = table.with({range<From>(map.from), BusAddr(map.to * kPage), map.access}).value();
  return table;
}

std::shared_ptr<const iommu::DomainTable> domain_table(const RequesterFacts& facts) {
  auto table = std::make_shared<iommu::DomainTable>();
  table->mappings = translations<Iova>(facts.mappings);
  table->stale = translations<Iova>(facts.stale);
  const auto largest =
      std::max_element(facts.mappings.begin(), facts.mappings.end(),
                       [](const PageMap& a, const PageMap& b) { return a.from.count < b.from.count; });
  if (largest != facts.mappings.end()) {
    table->downwards = largest->to < largest->from.first;
    table->distance =
        kPage * (table->downwards ? largest->from.first - largest->to : largest->to - largest->from.first);
  }
  return table;
}

std::shared_ptr<const iommu::UnitTable> unit_table(const SegmentFacts& host, bool management,
                                                   const fabric::Defences& on) {
  auto unit = std::make_shared<iommu::UnitTable>();
  const bool checked = management ? on.mh_iommu : on.ch_iommu;
  if (!checked) unit->enforcement = management ? iommu::Enforcement::offset : iommu::Enforcement::passthrough;
  for (const auto& [rid, facts] : host.requesters)
    unit->devices.push_back({pcie::Bdf(rid), {.translated = facts.translated}, domain_table(facts)});
  auto interrupts = std::make_shared<iommu::InterruptTable>();
  interrupts->entries = host.interrupts;
  if (!on.interrupt_remapping)
    interrupts->mode = iommu::InterruptMode::off;
  else if (management && !on.mh_iommu)
    interrupts->mode = iommu::InterruptMode::unchecked;
  unit->interrupts = std::move(interrupts);
  return unit;
}

std::shared_ptr<const fabric::SwitchTable> switch_table(const Facts& facts, unsigned segment,
                                                        const fabric::BridgeTable& root) {
  auto table = std::make_shared<fabric::SwitchTable>();
  table->upstream = root;
  table->upstream.secondary = 2;
  table->upstream.bus_master = facts.hosts[0].segments[segment].upstream_bus_master;
  for (std::size_t p = 0; p < facts.ports.size(); ++p) {
    const PortFacts& port = facts.ports[p];
    if (port.segment != segment) continue;
    const bool is_ntb = facts.is_ntb(p);
    fabric::PortTable made{
        .bridge = {.secondary = port.bus, .subordinate = port.bus, .bus_master = port.bus_master},
        .below = {.is_ntb = is_ntb, .index = static_cast<std::uint16_t>(is_ntb ? p : p - facts.ntbs.size())}};
    made.bridge.memory = range<BusAddr>({port.window, kPortPages});
    if (is_ntb) made.bridge.prefetchable = range<BusAddr>({port.dma, kPortPages});
    made.acs.request_redirect = port.redirect && facts.on.acs;
    made.acs.completion_redirect = port.completion_redirect && facts.on.acs;
    made.acs.upstream_forwarding = port.upstream_forwarding && facts.on.acs;
    made.acs.source_validation = port.source_validation;
    made.acs.translation_blocking = port.translation_blocking;
    table->downstream.push_back(made);
  }
  return table;
}

// A root port's window reaches over those of all ports below it.
void widen(std::optional<Range<BusAddr>>& window, Page first) {
  const auto more = range<BusAddr>({first, kPortPages});
  window = window ? Range<BusAddr>::between(std::min(window->first(), more.first()),
                                            std::max(window->last(), more.last()))
                  : more;
}

fabric::Hierarchy management_hierarchy(const Facts& facts, unsigned segment) {
  const SegmentFacts& own = facts.hosts[0].segments[segment];
  fabric::Hierarchy made;
  made.root_port = {.secondary = 1, .subordinate = 2, .bus_master = own.root_bus_master};
  for (std::size_t p = 0; p < facts.ports.size(); ++p) {
    const PortFacts& port = facts.ports[p];
    if (port.segment != segment) continue;
    made.root_port.subordinate = std::max(made.root_port.subordinate, port.bus);
    widen(made.root_port.memory, port.window);
    if (facts.is_ntb(p)) widen(made.root_port.prefetchable, port.dma);
  }
  made.packet_switch = switch_table(facts, segment, made.root_port);
  made.iommu = unit_table(own, true, facts.on);
  return made;
}

std::shared_ptr<const fabric::HostTable> host_table(const Facts& facts, std::size_t domain) {
  const HostFacts& host = facts.hosts[domain];
  auto table = std::make_shared<fabric::HostTable>();
  table->memory = std::make_shared<std::vector<fabric::MemoryRange>>(std::vector<fabric::MemoryRange>{
      {range<BusAddr>(kLowMemory), {}, 0}, {range<BusAddr>(kHighMemory), {}, 0}});
  if (domain == 0) {
    for (unsigned s = 0; s < facts.segments(); ++s)
      table->hierarchies.push_back(management_hierarchy(facts, s));
  } else {
    fabric::Hierarchy& own = table->hierarchies.emplace_back();
    own.root_port = {.secondary = 1, .subordinate = 1, .bus_master = host.segments[0].root_bus_master};
    own.root_port.memory = range<BusAddr>(kLinkWindow);
    own.iommu = unit_table(host.segments[0], false, facts.on);
  }
  for (const auto& [vm, maps] : host.vms)
    table->vms.push_back({pcie::Vm{vm}, std::make_shared<iommu::SecondLevelTable>(translations<Gpa>(maps))});
  return table;
}

fabric::NtbSideTable side_table(const SideFacts& side, std::vector<pcie::BarRange> bars) {
  fabric::NtbSideTable table{.bars = std::move(bars), .bus_master = side.bus_master};
  for (const auto& [bar, maps] : side.windows)
    for (const PageMap& map : maps)
      table.windows.push_back({bar, range<BusAddr>(map.from), BusAddr(map.to * kPage), map.access});
  for (const auto& [rid, proxy] : side.lut) table.lut.push_back({pcie::Bdf(rid), proxy});
  return table;
}

std::shared_ptr<const fabric::NtbTable> ntb_table(const Facts& facts, std::size_t k) {
  auto table = std::make_shared<fabric::NtbTable>();
  const PortFacts& port = facts.ports[k];
  table->segment = pcie::HostSegment{static_cast<std::uint16_t>(port.segment)};
  table->port = port.index;
  table->link_up = facts.ntbs[k].link_up;
  const Page base = port.window;
  table->management =
      side_table(facts.ntbs[k].management,
                 {{ntb::kControlBar, range<BusAddr>({base + kControlBar.first, kControlBar.count})},
                  {ntb::kMsiBar, range<BusAddr>({base + kMsiBar.first, kMsiBar.count})},
                  {ntb::kDmaBar, range<BusAddr>({port.dma, kDmaPages})}});
  table->link = side_table(facts.ntbs[k].link, {{ntb::kControlBar, range<BusAddr>(kLinkControl)},
                                                {ntb::kRegisterBar, range<BusAddr>(kLinkRegisters)}});
  return table;
}

std::shared_ptr<const fabric::EndpointTable> endpoint_table(const Facts& facts, std::size_t nic) {
  auto table = std::make_shared<fabric::EndpointTable>();
  const PortFacts& port = facts.ports[facts.nic_port(nic)];
  table->segment = pcie::HostSegment{static_cast<std::uint16_t>(port.segment)};
  table->port = port.index;
  const Page base = port.window;
  const auto claim = [&](const Pages& pages, unsigned index, std::uint8_t bar) {
    const auto claimed = range<BusAddr>({base + pages.first, pages.count});
    table->claims.push_back({claimed, claimed.first(), Facts::function_of(index), bar});
  };
  claim(kPfBar, 0, 0);
  for (unsigned vf = 0; vf < kVfs; ++vf) claim({kVfRegisters + vf, 1}, vf + 1, 0);
  for (unsigned vf = 0; vf < kVfs; ++vf) claim({kVfMsix + vf, 1}, vf + 1, 3);
  for (unsigned i = 0; i <= kVfs; ++i) {
    table->functions.push_back(Facts::function_of(i));
    table->bus_masters.push_back(facts.nics[nic][i] ? 1 : 0);
  }
  return table;
}

// Software's part: ports are numbered switch by switch, and windows lie in the order of segments.
void place_ports(Facts& facts) {
  Page window = kPortWindow, dma = kDmaWindow;
  for (unsigned segment = 0; segment < facts.segments(); ++segment) {
    std::uint16_t index = 0;
    for (std::size_t p = 0; p < facts.ports.size(); ++p) {
      PortFacts& port = facts.ports[p];
      if (port.segment != segment) continue;
      port.bus = static_cast<std::uint8_t>(3 + index);
      port.index = index++;
      port.window = std::exchange(window, window + kPortPages);
      if (facts.is_ntb(p)) port.dma = std::exchange(dma, dma + kPortPages);
    }
  }
}

// Who may turn up in a segment of the management host's: NICs' functions, NTBs and their proxies.
std::vector<std::uint16_t> requesters_in(const Facts& facts, unsigned segment) {
  std::vector<std::uint16_t> rids;
  for (std::size_t n = 0; n < facts.nics.size(); ++n)
    for (unsigned i = 0; i <= kVfs; ++i)
      if (facts.ports[facts.nic_port(n)].segment == segment) rids.push_back(facts.nic_rid(n, i));
  for (std::size_t k = 0; k < facts.ntbs.size(); ++k)
    for (const unsigned devfn : {0, 8, 9})
      if (facts.ports[k].segment == segment)
        rids.push_back(static_cast<std::uint16_t>(facts.ports[k].bus << 8 | devfn));
  return rids;
}

}  // namespace

Facts random_facts(std::uint64_t seed) {
  Dice dice(seed);
  Facts facts;
  const auto segments = static_cast<unsigned>(1 + dice.below(3));
  facts.hosts.emplace_back().segments.resize(segments);
  facts.ntbs.resize(1 + dice.below(2));
  facts.nics.resize(segments == 1 ? 1 : 1 + dice.below(2));
  for (auto& nic : facts.nics)
    for (bool& master : nic) master = !dice.in(8);
  for (std::size_t p = 0; p < facts.ntbs.size() + facts.nics.size(); ++p)
    facts.ports.push_back({.segment = static_cast<unsigned>(dice.below(segments)),
                           .bus_master = !dice.in(20),
                           .redirect = !dice.in(4),
                           .completion_redirect = !dice.in(4),
                           .upstream_forwarding = !dice.in(4),
                           .source_validation = !dice.in(4),
                           .translation_blocking = !dice.in(3)});
  place_ports(facts);

  std::vector<std::vector<std::uint16_t>> rids;
  for (unsigned s = 0; s < segments; ++s) rids.push_back(requesters_in(facts, s));
  const std::vector<std::uint16_t> proxies{0x100, 0x108, 0x109, 0x10A};
  std::vector<std::uint16_t> inbound = proxies;
  inbound.push_back(0);
  facts.hosts[0] = random_host(dice, landmarks(true, facts), rids);
  for (std::size_t k = 0; k < facts.ntbs.size(); ++k) {
    std::vector<std::uint16_t> outbound = rids[facts.ports[k].segment];
    outbound.push_back(0);  // the management host's own processor
    facts.hosts.push_back(random_host(dice, landmarks(false, facts), {proxies}));
    facts.ntbs[k] = {.link_up = !dice.in(20),
                     .management = random_side(dice, true, facts, outbound),
                     .link = random_side(dice, false, facts, inbound)};
  }
  return facts;
}

fabric::Defences defences(unsigned number) {
  const auto bit = [&](unsigned b) { return (number >> b & 1) != 0; };
  return {.acs = bit(0),
          .mh_iommu = bit(1),
          .lut = bit(2),
          .ch_iommu = bit(3),
          .interrupt_remapping = bit(4),
          .ept = bit(5)};
}

std::shared_ptr<const fabric::Tables> tables_of(const Facts& facts) {
  auto tables = std::make_shared<fabric::Tables>();
  tables->defences = facts.on;
  auto names = std::make_shared<fabric::Names>();
  for (std::size_t d = 0; d < facts.hosts.size(); ++d) {
    tables->hosts.push_back(host_table(facts, d));
    names->hosts.push_back(d == 0 ? "mh" : "ch" + std::to_string(d));
  }
  for (std::size_t n = 0; n < facts.nics.size(); ++n) {
    names->endpoints.push_back("nic" + std::to_string(n));
    tables->endpoints.push_back(endpoint_table(facts, n));
  }
  tables->names = std::move(names);
  for (std::size_t k = 0; k < facts.ntbs.size(); ++k) tables->ntbs.push_back(ntb_table(facts, k));
  return tables;
}

}  // namespace ladon::audit::test
