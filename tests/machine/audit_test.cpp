// The audit of whole racks: the real management software and host parts have programmed the tables. Clean
// with all defences on; what each defence is worth; holes made by hand.
#include "audit/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fabric/resolve.h"
#include "machine/grants.h"
#include "machine/quiet_rack.h"
#include "machine/scale_rack.h"
#include "spec/ntb.h"

namespace ladon::machine {
namespace {

using audit::Kind;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr pcie::Domain kMh{0}, kCh1{1}, kCh2{2};

constexpr const char* kRack = R"(
name: audited
nics:
  - {name: nic0, vfs: 8}
hosts:
  - name: mh
    role: management
    memory: 1GiB
    vms:
      - {name: vm-m, memory: 64MiB, vf: {nic: nic0, index: 0, mac: "52:54:00:00:00:01"}}
  - name: ch1
    role: compute
    memory: 16GiB
    vms:
      - {name: vm-a, memory: 64MiB, vf: {nic: nic0, index: 1, mac: "52:54:00:00:00:0a"}}
      - {name: vm-b, memory: 3GiB, vf: {nic: nic0, index: 2, mac: "52:54:00:00:00:0b"}}
  - name: ch2
    role: compute
    kind: bare
    memory: 4GiB
    guest: {name: ch2-os, memory: 64MiB, vf: {nic: nic0, index: 3, mac: "52:54:00:00:00:0c"}}
)";

Rack parse(const std::string& extra) {
  auto rack = parse_rack(std::string(kRack) + extra, "test.yaml");
  if (!rack) throw std::invalid_argument(to_string(rack.error().front()));
  return std::move(*rack);
}

std::unique_ptr<QuietRack> build(const Rack& rack) {
  auto built = QuietRack::build(rack);
  if (!built) throw std::runtime_error(built.error());
  return std::move(*built);
}
std::unique_ptr<QuietRack> build(const std::string& extra = {}) {
  return build(parse(extra));
}

fabric::FunctionId vf(unsigned index) {
  return {.index = 0, .function = static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * index)};
}
PlacedGuest guest(const QuietRack& rack, std::string_view name) {
  for (const PlacedGuest& placed : placed_guests(rack.rack()))
    if (placed.guest->name == name) return placed;
  throw std::out_of_range("no such guest");
}
Range<BusAddr> memory_of(const QuietRack& rack, std::string_view name) {
  const PlacedGuest placed = guest(rack, name);
  const auto granted = rack.part(placed.domain)->slot(placed.slot)->memory().granted();
  return *Range<BusAddr>::of(granted.at(0).at, granted.at(0).length);
}

// The audit of a rack as it is now; each witness must do what its finding says.
audit::Report audited(QuietRack& rack, const std::vector<audit::Grant>& granted) {
  const auto tables = rack.tables();
  audit::Report report = audit::audit(*tables, granted);
  for (const auto& finding : report.findings) {
    const auto way = fabric::resolve(*tables, finding.witness);
    EXPECT_FALSE(way.refused()) << initiator_name(rack.rack(), finding.who);
    const auto* memory = std::get_if<fabric::MemoryTarget>(&way.outcome);
    if (finding.space.kind == Kind::memory) {
      EXPECT_TRUE(memory != nullptr && memory->at.bits() == finding.targets.first);
    }
  }
  for (const auto& missing : report.unreachable)
    if (missing.tried) {
      EXPECT_TRUE(fabric::resolve(*tables, *missing.tried).refused());
    }
  return report;
}
audit::Report audited(QuietRack& rack) {
  return audited(rack, grants(rack));
}

// "who: kind of domain", of every finding, without repetition.
std::vector<std::string> summary(const Rack& rack, const audit::Report& report) {
  std::vector<std::string> lines;
  for (const auto& finding : report.findings) {
    const auto domain = static_cast<std::size_t>(finding.space.domain);
    lines.push_back(initiator_name(rack, finding.who) + ": " + std::string(audit::name(finding.space.kind)) +
                    " of " + rack.hosts[domain].name);
  }
  std::ranges::sort(lines);
  lines.erase(std::ranges::unique(lines).begin(), lines.end());
  return lines;
}

TEST(RackAudit, AllDefencesOnIsClean) {
  const auto rack = build();
  const auto report = audited(*rack);
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_THAT(report.unreachable, IsEmpty());
  // 3 processors, 3 VMs, PF and 8 VFs, two sides of two NTBs.
  EXPECT_EQ(report.initiators, 3u + 3 + 9 + 4);
  EXPECT_GT(grants(*rack).size(), 20u);
}

TEST(RackAudit, ManyHostsAndSeveralNicsAreClean) {
  const auto parsed = parse_rack(scale_rack(40, 4), "scale.yaml");
  ASSERT_TRUE(parsed) << to_string(parsed.error().front());
  ASSERT_THAT(parsed->nics, SizeIs(3));
  const auto rack = build(*parsed);
  const auto report = audited(*rack);
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.initiators, 41u + 160 + 3 * 64 + 2 * 40);
}

TEST(RackAudit, SeveralSegmentsAreClean) {
  const auto parsed = parse_rack(scale_rack(260, 1), "scale.yaml");
  ASSERT_TRUE(parsed) << to_string(parsed.error().front());
  ASSERT_EQ(segments(*parsed), 2);
  const auto rack = build(*parsed);
  const auto report = audited(*rack);
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.initiators, 261u + 260 + parsed->nics.size() * 64 + 2 * 260);
}

// More ports than a bus has devices, and more NICs than vectors for their PFs.
TEST(RackAudit, ManyNicsAreClean) {
  const auto parsed = parse_rack(scale_rack(28, 60), "scale.yaml");
  ASSERT_TRUE(parsed) << to_string(parsed.error().front());
  ASSERT_THAT(parsed->nics, SizeIs(27));
  const auto rack = build(*parsed);
  EXPECT_TRUE(audited(*rack).clean());
}

constexpr const char* kTwoSegments = R"(
name: two-segments
nics:
  - {name: nic1, vfs: 4, segment: 1}
  - {name: nic0, vfs: 4}
hosts:
  - name: mh
    role: management
    vms:
      - {name: vm-m, memory: 64MiB, vf: {nic: nic1, index: 0}}
      - {name: vm-n, memory: 64MiB, vf: {nic: nic0, index: 3}}
  - {name: ch1, role: compute, segment: 1, vms: [{name: vm-a, memory: 64MiB, vf: {nic: nic1, index: 1}}]}
  - {name: ch2, role: compute, segment: 0, vms: [{name: vm-b, memory: 64MiB, vf: {nic: nic0, index: 1}}]}
  - {name: ch3, role: compute, segment: 1, vms: [{name: vm-c, memory: 64MiB, vf: {nic: nic1, index: 2}}]}
)";

// With every defence off but one, nothing of another segment is reached by a device: no table forbids it, the
// root complex has no way there.
TEST(RackAudit, NoDefenceKeepsDevicesInTheirSegment) {
  const auto parsed =
      parse_rack(std::string(kTwoSegments) +
                     "defences: {acs: off, mh_iommu: off, ntb_lut: off, ch_iommu: off, ept: off}\n",
                 "test.yaml");
  ASSERT_TRUE(parsed) << to_string(parsed.error().front());
  const auto rack = build(*parsed);
  const auto found = summary(rack->rack(), audited(*rack));
  EXPECT_THAT(found,
              ::testing::IsSupersetOf({"VF 1 of nic1 (vm-a): memory of ch3",
                                       "VF 2 of nic1 (vm-c): memory of ch1", "PF of nic1: memory of mh",
                                       "PF of nic0: memory of ch2", "cpu of mh: interrupts of ch1"}));
  const std::pair<const char*, std::vector<const char*>> elsewhere[] = {{"nic0", {"of ch1", "of ch3"}},
                                                                        {"nic1", {"of ch2"}}};
  for (const std::string& line : found)
    for (const auto& [nic, hosts] : elsewhere)
      for (const char* host : hosts) EXPECT_FALSE(line.contains(nic) && line.ends_with(host)) << line;
}

TEST(RackAudit, GuestsOfEverySegmentComeAndGo) {
  const auto parsed = parse_rack(kTwoSegments, "test.yaml");
  ASSERT_TRUE(parsed) << to_string(parsed.error().front());
  const auto rack = build(*parsed);
  EXPECT_TRUE(audited(*rack).clean());
  for (const char* name : {"vm-m", "vm-a", "vm-b"}) {
    rack->detach(guest(*rack, name));
    EXPECT_TRUE(audited(*rack).clean()) << name;
    EXPECT_TRUE(rack->attach(guest(*rack, name))) << name;
    rack->settle();
    EXPECT_TRUE(audited(*rack).clean()) << name;
  }
}

TEST(RackAudit, ALyingNicReachesNothingMore) {
  const auto rack = build();
  const auto report = audit::audit(*rack->tables(), grants(*rack), {.lying = true});
  for (const auto& finding : report.findings)
    EXPECT_TRUE(std::get<fabric::FunctionId>(finding.who).is_ntb)
        << initiator_name(rack->rack(), finding.who);
}

TEST(RackAudit, NothingIsGrantedToADetachedGuestNorReachedByIt) {
  const auto rack = build();
  const auto before = grants(*rack).size();
  rack->detach(guest(*rack, "vm-b"));
  EXPECT_LT(grants(*rack).size(), before);
  EXPECT_TRUE(audited(*rack).clean());
  EXPECT_TRUE(rack->attach(guest(*rack, "vm-b")));
  rack->settle();
  EXPECT_TRUE(audited(*rack).clean());
  EXPECT_EQ(grants(*rack).size(), before);
}

struct Expected {
  const char* off;
  std::vector<std::string> among;  // some of the findings
  std::vector<std::string> never;  // what the other defences still hold
  friend void PrintTo(const Expected& expected, std::ostream* os) { *os << expected.off; }
};

// A VF without a guest is no bus master, and reaches nothing whatever is off.
class WithoutADefence : public ::testing::TestWithParam<Expected> {};

TEST_P(WithoutADefence, IsWhatThatDefenceIsWorth) {
  const auto rack = build(std::string("defences: {") + GetParam().off + ": off}\n");
  const auto report = audited(*rack);
  const auto found = summary(rack->rack(), report);
  EXPECT_THAT(found, ::testing::IsSupersetOf(GetParam().among));
  EXPECT_THAT(found, ::testing::Each(Not(::testing::StartsWith("VF 7"))));
  for (const std::string& line : GetParam().never) EXPECT_THAT(found, Not(::testing::Contains(line)));
  EXPECT_THAT(report.unreachable, IsEmpty());  // the translation stays, so everything still runs
}

INSTANTIATE_TEST_SUITE_P(
    Each, WithoutADefence,
    ::testing::Values(
        Expected{"acs",
                 {"VF 1 of nic0 (vm-a): registers of mh", "VF 3 of nic0 (ch2-os): registers of mh"},
                 {"VF 1 of nic0 (vm-a): memory of mh", "VF 1 of nic0 (vm-a): memory of ch2"}},
        Expected{"mh_iommu",
                 {"PF of nic0: memory of mh", "VF 1 of nic0 (vm-a): interrupts of mh"},
                 {"VF 1 of nic0 (vm-a): memory of ch2", "VF 1 of nic0 (vm-a): memory of ch1"}},
        Expected{"ntb_lut", {"cpu of mh: interrupts of ch1"}, {"cpu of mh: memory of ch1"}},
        Expected{"ch_iommu",
                 {"VF 1 of nic0 (vm-a): memory of ch1", "ntb1 link side: memory of ch1"},
                 {"VF 1 of nic0 (vm-a): memory of ch2", "VF 1 of nic0 (vm-a): memory of mh"}},
        Expected{"interrupt_remapping",
                 {"VF 1 of nic0 (vm-a): interrupts of mh", "VF 1 of nic0 (vm-a): interrupts of ch1"},
                 {"VF 1 of nic0 (vm-a): interrupts of ch2"}},
        Expected{"ept",
                 {"vm-a: memory of ch1", "vm-b: registers of mh"},
                 {"vm-a: memory of ch2", "vm-a: memory of mh"}}),
    [](const auto& tested) { return std::string(tested.param.off); });

TEST(RackAudit, APageTooMuchIsOneFindingWithItsWay) {
  const auto rack = build();
  const auto own = grants(*rack);
  const auto victim = memory_of(*rack, "vm-b");
  const auto tables = rack->tables();
  const auto rid = pcie::Bdf(0x0108);  // vm-a's VF, as ch1 sees it
  const auto* device = tables->hosts[1]->hierarchies[0].iommu->find(rid);
  ASSERT_NE(device, nullptr);
  const auto mapped = rack->fabric().map(
      kCh1, device->domain->id,
      {*Range<Iova>::of(Iova(0x1'0000'0000), 0x3000), *victim.first().plus(0x5000), pcie::kReadOnly});
  ASSERT_TRUE(mapped);
  const auto report = audited(*rack, own);
  ASSERT_THAT(report.findings, SizeIs(1));
  const auto& finding = report.findings[0];
  EXPECT_EQ(finding.who, audit::Initiator(vf(1)));
  EXPECT_EQ(finding.space, (audit::Space{kCh1, Kind::memory}));
  EXPECT_EQ(finding.targets,
            (audit::Interval{victim.first().bits() + 0x5000, victim.first().bits() + 0x7FFF}));
  EXPECT_EQ(finding.access, pcie::kReadOnly);
  EXPECT_EQ(pcie::address_bits(finding.witness.address), 0x1'0000'0000u);
}

// The NTB's entry for the processor of ch1 lets its stores out; without the answering one for VFs its loads
// would never come back, and DMA reads need the entry for the processor in their turn.
TEST(RackAudit, AMissingEntryForCompletionsIsGrantedAndNotReachable) {
  const auto rack = build();
  const auto own = grants(*rack);
  ASSERT_TRUE(audited(*rack, own).clean());
  auto* ntb = rack->fabric().function({.is_ntb = true, .index = 0, .function = 0});
  ntb->register_write(spec::ntb::kControlBar, spec::ntb::kLutInbound, 4, 0);
  const auto report = audited(*rack, own);
  EXPECT_THAT(report.findings, IsEmpty());
  const auto one_way = std::ranges::find_if(report.unreachable, [](const auto& missing) {
    return missing.who == audit::Initiator(vf(1)) && missing.space == audit::Space{kCh1, Kind::memory};
  });
  ASSERT_NE(one_way, report.unreachable.end());
  EXPECT_EQ(one_way->access, pcie::kReadOnly);  // writes still arrive
  ASSERT_TRUE(one_way->tried);
  const auto way = fabric::resolve(*rack->tables(), *one_way->tried);
  ASSERT_TRUE(way.fault() != nullptr);
  EXPECT_TRUE(way.fault()->on_completion);
}

TEST(RackAudit, AnInterruptEntryTooMuchIsFound) {
  const auto rack = build();
  const auto own = grants(*rack);
  const auto vf3 = *rack->fabric().rid(0, vf(3).function);
  ASSERT_TRUE(rack->fabric().route_interrupt(kMh, vf3.bdf, 99));
  const auto report = audited(*rack, own);
  ASSERT_THAT(report.findings, SizeIs(1));
  EXPECT_EQ(report.findings[0].space, (audit::Space{kMh, Kind::interrupts}));
  EXPECT_EQ(report.findings[0].targets, (audit::Interval{99, 99}));
  EXPECT_EQ(report.findings[0].witness.length, 4u);
}

// With deferred invalidation an unmapped page stays usable, and the audit sees it: until the next flush.
TEST(RackAudit, AStaleIotlbEntryIsReach) {
  auto deferred = parse("");
  deferred.hosts[1].invalidation = Invalidation::deferred;
  const auto rack = build(deferred);
  const auto& slot = rack->part(kCh1)->slot(0);
  bool unmapped = false;
  const auto was = memory_of(*rack, "vm-a");
  slot->unmap(Range<Gpa>::everything(), [&](auto outcome) { unmapped = outcome.has_value(); });
  rack->settle();
  ASSERT_TRUE(unmapped);
  ASSERT_TRUE(
      rack->fabric().add_memory(kCh1, {.range = was, .memory = {}, .offset = 0}));  // somebody else's now
  const auto report = audited(*rack);
  const auto stale = std::ranges::find(report.findings, audit::Initiator(vf(1)), &audit::Finding::who);
  ASSERT_NE(stale, report.findings.end());
  EXPECT_EQ(stale->targets, (audit::Interval{was.first().bits(), was.last().bits()}));
  rack->fabric().flush_iotlb(kCh1);
  const auto flushed = audited(*rack);
  EXPECT_EQ(std::ranges::find(flushed.findings, audit::Initiator(vf(1)), &audit::Finding::who),
            flushed.findings.end());
}

TEST(RackAudit, AGrantToWhoIsNotThereIsNotReachable) {
  const auto rack = build();
  auto own = grants(*rack);
  own.push_back({audit::VirtualMachine{kCh2, pcie::Vm{7}},
                 {kCh2, Kind::memory},
                 {0x1000, 0x1FFF},
                 pcie::kReadWrite,
                 0x1000});
  const auto report = audited(*rack, own);
  EXPECT_THAT(report.findings, IsEmpty());
  ASSERT_THAT(report.unreachable, SizeIs(1));
  EXPECT_EQ(report.unreachable[0].targets, (audit::Interval{0x1000, 0x1FFF}));
}

}  // namespace
}  // namespace ladon::machine
