// What a rack file accepts of its plan's findings, and what it does not.
#include "machine/plan_audit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fabric/what_if.h"
#include "machine/grants.h"
#include "machine/quiet_rack.h"
#include "machine/rack_build.h"

namespace ladon::machine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::string_view kRack = R"(name: judged
nics:
  - {name: nic0, vfs: 4}
hosts:
  - name: mh
    role: management
    vms:
      - {name: vm-m, memory: 64MiB, vf: {nic: nic0, index: 0}}
  - name: ch1
    role: compute
    vms:
      - {name: vm-a, memory: 64MiB, vf: {nic: nic0, index: 1}}
      - {name: vm-b, memory: 64MiB, vf: {nic: nic0, index: 2}}
)";
constexpr std::string_view kAlone = R"(name: alone
nics:
  - {name: nic0, vfs: 2}
hosts:
  - {name: mh, role: management, vms: [{name: vm-m, memory: 64MiB, vf: {nic: nic0, index: 0}}]}
)";

Rack parse(const std::string& text) {
  auto rack = parse_rack(text, "x.yaml");
  if (!rack) throw std::invalid_argument(to_string(rack.error().front()));
  return std::move(*rack);
}
Rack with(const std::string& more) {
  return parse(std::string(kRack) + more);
}
Rack without(std::string_view defences, const std::string& accept = {}) {
  return with(fmt::format("defences: {{{}}}\n{}", defences, accept));
}
PlanAudit judged(const Rack& rack) {
  auto made = audit_plan(rack);
  if (!made) throw std::runtime_error(made.error());
  return std::move(*made);
}
std::string suggestion(const Rack& rack) {
  return suggest(rack, judged(rack)).yaml;
}
// As a person would fill it in.
std::string filled_in(std::string yaml) {
  for (std::size_t at = 0; (at = yaml.find("why: \"\"", at)) != std::string::npos;)
    yaml.replace(at, 7, "why: a test");
  return "accept:\n" + yaml;
}
std::vector<std::string> stale(const PlanAudit& made) {
  std::vector<std::string> lines;
  for (const auto& error : made.stale) lines.push_back(to_string(error));
  return lines;
}

// The entry for one finding, wider or narrower at its ends.
std::string entry(const Rack& rack, const audit::Finding& finding, std::int64_t earlier = 0,
                  std::int64_t later = 0) {
  return fmt::format(
      "  - {{initiator: \"{}\", domain: {}, kind: {}, access: {}, first: {:#x}, last: {}, why: known}}\n",
      initiator_name(rack, finding.who), rack.hosts[static_cast<std::size_t>(finding.space.domain)].name,
      audit::name(finding.space.kind), name(finding.access),
      finding.targets.first - static_cast<std::uint64_t>(earlier),
      finding.targets.last + static_cast<std::uint64_t>(later));
}

TEST(PlanAudit, ARackWithItsDefencesNeedsNothingAccepted) {
  const Rack rack = with("");
  const auto made = judged(rack);
  EXPECT_THAT(made.report.findings, IsEmpty());
  EXPECT_TRUE(all_accepted(made.accepted));
  EXPECT_EQ(suggestion(rack), "");
}

class WithoutOne : public ::testing::TestWithParam<const char*> {};

TEST_P(WithoutOne, ItsNameAcceptsWhatFollowsAndNothingElseDoes) {
  const std::string off = GetParam() + std::string(": off");
  const auto bare = judged(without(off));
  ASSERT_THAT(bare.report.findings, Not(IsEmpty()));
  EXPECT_FALSE(all_accepted(bare.accepted));
  const std::string suggested = suggestion(without(off));
  EXPECT_EQ(suggested, fmt::format("  - {{defence: {}, why: \"\"}}\n", GetParam()));
  const auto named = judged(without(off, filled_in(suggested)));
  EXPECT_TRUE(all_accepted(named.accepted));
  EXPECT_THAT(stale(named), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Each, WithoutOne,
                         ::testing::Values("acs", "mh_iommu", "ntb_lut", "ch_iommu", "interrupt_remapping",
                                           "ept"),
                         [](const auto& tested) { return std::string(tested.param); });

constexpr std::string_view kAllOff =
    "acs: off, mh_iommu: off, ntb_lut: off, ch_iommu: off, interrupt_remapping: off, ept: off";

TEST(PlanAudit, AllOffIsAcceptedByNamingAll) {
  const std::string suggested = suggestion(without(kAllOff));
  for (const DefenceSwitch& defence : kDefenceSwitches)
    EXPECT_THAT(suggested, HasSubstr(fmt::format("{{defence: {}, ", defence.name)));
  const auto named = judged(without(kAllOff, filled_in(suggested)));
  EXPECT_TRUE(all_accepted(named.accepted));
  EXPECT_THAT(stale(named), IsEmpty());
}

// "Memory and registers that VF 1 reaches", of all findings, in the order of the audit.
std::vector<std::string> reach(const Rack& rack, const audit::Report& report) {
  std::vector<std::string> lines;
  for (const auto& finding : report.findings)
    if (finding.space.kind != audit::Kind::interrupts) lines.push_back(entry_for(rack, finding));
  return lines;
}

// What is blamed on a defence is found in the tables alone; a rack that is built with that defence says the
// same. Of every set of defences that are off, each is turned on in turn.
TEST(PlanAudit, TurningADefenceOnInTheTablesIsAsBuildingWithIt) {
  for (unsigned off = 1; off < 64; ++off) {
    Rack rack = with("");
    for (unsigned d = 0; d < 6; ++d) rack.defences.*kDefenceSwitches[d].on = (off >> d & 1) == 0;
    const PlanAudit open = judged(rack);
    for (unsigned d = 0; d < 6; ++d) {
      if ((off >> d & 1) == 0) continue;
      Defences on{false, false, false, false, false, false};
      on.*kDefenceSwitches[d].on = true;
      const auto changed = fabric::with_defences(*open.tables, fabric_defences(on));
      Rack other = rack;
      other.defences.*kDefenceSwitches[d].on = true;
      EXPECT_EQ(reach(rack, audit::audit(changed, open.grants)), reach(rack, judged(other).report))
          << kDefenceSwitches[d].name << " of " << off;
    }
  }
}

TEST(PlanAudit, OneNameOfTwoIsNotEnough) {
  const Rack rack = without("ch_iommu: off, ept: off", "accept: [{defence: ept, why: trusted VMs}]");
  const auto made = judged(rack);
  EXPECT_FALSE(all_accepted(made.accepted));
  for (std::size_t f = 0; f < made.accepted.size(); ++f)
    EXPECT_EQ(made.accepted[f].has_value(),
              std::holds_alternative<audit::VirtualMachine>(made.report.findings[f].who))
        << initiator_name(rack, made.report.findings[f].who);
  EXPECT_EQ(suggestion(rack), "  - {defence: ch_iommu, why: \"\"}\n");
}

TEST(PlanAudit, ADefenceThatIsWorthNothingHereIsStale) {
  const Rack rack =
      parse(std::string(kAlone) + "defences: {ntb_lut: off}\naccept:\n  - {defence: ntb_lut, why: x}\n");
  EXPECT_THAT(stale(judged(rack)),
              ElementsAre("x.yaml:8:5: accept[0]: accepts nothing: nothing more can be reached in this rack "
                          "because ntb_lut is off; remove this entry"));
}

TEST(PlanAudit, FindingsAreAcceptedOneByOne) {
  const Rack rack = without("ept: off");
  const auto bare = judged(rack);
  ASSERT_GE(bare.report.findings.size(), 2u);
  std::string all;
  for (const auto& finding : bare.report.findings) all += entry(rack, finding);
  const auto named = judged(without("ept: off", "accept:\n" + all));
  EXPECT_TRUE(all_accepted(named.accepted));
  EXPECT_THAT(stale(named), IsEmpty());

  const auto one = judged(without("ept: off", "accept:\n" + entry(rack, bare.report.findings[1])));
  EXPECT_THAT(stale(one), IsEmpty());
  for (std::size_t f = 0; f < one.accepted.size(); ++f) EXPECT_EQ(one.accepted[f].has_value(), f == 1);
}

TEST(PlanAudit, AnEntryThatIsNotExactlyTheFindingAcceptsNothing) {
  const Rack rack = without("ept: off");
  const auto bare = judged(rack);
  const auto& finding = bare.report.findings.at(0);
  const auto expect_stale = [&](const std::string& text) {
    const auto made = judged(without("ept: off", "accept:\n" + text));
    EXPECT_FALSE(made.accepted[0].has_value()) << text;
    EXPECT_THAT(stale(made), ElementsAre(HasSubstr("x.yaml:16:5: accept[0]: accepts nothing"))) << text;
    return stale(made).at(0);
  };
  EXPECT_THAT(expect_stale(entry(rack, finding, 0, 1)),
              HasSubstr("write what can be reached now: {initiator: \""));
  expect_stale(entry(rack, finding, 0, -1));
  expect_stale(entry(rack, finding, -1, 0));
  audit::Finding other = finding;
  other.access = finding.access == pcie::kReadOnly ? pcie::kReadWrite : pcie::kReadOnly;
  expect_stale(entry(rack, other));
  other = finding;
  other.who = audit::Processor{pcie::Domain{1}};
  EXPECT_THAT(expect_stale(entry(rack, other)), Not(HasSubstr("reached now")));
}

TEST(PlanAudit, AnEntryWrittenTwiceIsStaleTheSecondTime) {
  const Rack rack = without("ept: off");
  const std::string once = entry(rack, judged(rack).report.findings.at(0));
  EXPECT_THAT(stale(judged(without("ept: off", "accept:\n" + once + once))),
              ElementsAre(HasSubstr("accept[1]")));
  EXPECT_THAT(stale(judged(without("ept: off", "accept: [{defence: ept, why: a}, {defence: ept, why: b}]"))),
              ElementsAre(HasSubstr("accept[1]")));
}

TEST(PlanAudit, WithoutFindingsEveryEntryIsStale) {
  const Rack rack = with(
      "accept:\n  - {initiator: vm-a, domain: ch1, kind: memory, access: read, first: 0, last: 0xfff, why: "
      "x}\n");
  EXPECT_THAT(judged(rack).stale, SizeIs(1));
}

// A running rack: what lies within what the file accepts, and what passes its ends.
TEST(PlanAudit, ALiveFindingIsAcceptedOnlyWithinItsEntry) {
  const Rack file = without("ept: off");
  const PlanAudit planned = judged(file);
  const auto& finding = planned.report.findings.at(0);
  const Rack rack = without("ept: off", "accept:\n" + entry(file, finding));
  audit::Report live;
  live.findings = {finding, finding, finding, finding, finding};
  live.findings[1].targets.last -= 1;
  live.findings[2].targets.last += 1;
  live.findings[3].who = audit::Processor{pcie::Domain{1}};
  live.findings[4].access = pcie::kReadOnly;
  const AuditInput input{*planned.tables, planned.grants, {}};
  const std::optional<std::size_t> first(0), none;
  EXPECT_THAT(judge(rack, input, live, Match::within).accepted, ElementsAre(first, first, none, none, first));
  EXPECT_THAT(judge(rack, input, live, Match::exact).accepted, ElementsAre(first, none, none, none, none));
  EXPECT_THAT(judge(file, input, live, Match::within).accepted, ::testing::Each(none));
}

// The entry for a defence does not cover what would be open with that defence on as well.
TEST(PlanAudit, AHoleOfAnotherKindIsNotAcceptedByADefence) {
  const Rack rack = without("ept: off", "accept: [{defence: ept, why: x}]");
  const auto built = QuietRack::build(rack);
  ASSERT_TRUE(built);
  const auto granted = grants(**built);
  const auto rid = *(*built)->part(pcie::Domain{1})->slot(0)->requester();
  const auto tables = (*built)->tables();
  ASSERT_TRUE((*built)->fabric().map(
      pcie::Domain{1}, tables->hosts[1]->hierarchies.front().iommu->find(rid.bdf)->domain->id,
      {*Range<Iova>::of(Iova(0x1'0000'0000), 0x1000), BusAddr(0), pcie::kReadWrite}));
  const auto forged = (*built)->tables();
  const auto report = audit::audit(*forged, granted);
  const auto judgement = judge(rack, {*forged, granted, {}}, report, Match::within);
  for (std::size_t f = 0; f < report.findings.size(); ++f)
    EXPECT_EQ(judgement.accepted[f].has_value(),
              std::holds_alternative<audit::VirtualMachine>(report.findings[f].who));
  EXPECT_FALSE(all_accepted(judgement.accepted));
}

}  // namespace
}  // namespace ladon::machine
