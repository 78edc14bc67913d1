// Parts of the market in the rack file: what it refuses, what comes of a part's limits, and that traffic runs
// through them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/frames.h"
#include "machine/grants.h"
#include "machine/plan_audit.h"
#include "machine/rack_build.h"
#include "machine/rack_fixture.h"

namespace ladon::machine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> lines;
  const auto rack = parse_rack(text, "x.yaml");
  if (!rack)
    for (const auto& error : rack.error()) lines.push_back(to_string(error));
  return lines;
}

// Two VMs at ch1 and a bare ch2, with VFs of these numbers.
std::string rack_with(std::string_view ntb1, std::string_view ntb2 = "{}", unsigned a = 4, unsigned b = 5,
                      unsigned c = 8) {
  return fmt::format(R"(name: parts
nics:
  - {{name: nic0, vfs: 16}}
hosts:
  - {{name: mh, role: management}}
  - name: ch1
    role: compute
    ntb: {}
    vms:
      - {{name: vm-a, memory: 64MiB, vf: {{nic: nic0, index: {}}}}}
      - {{name: vm-b, memory: 64MiB, vf: {{nic: nic0, index: {}}}}}
  - name: ch2
    role: compute
    kind: bare
    ntb: {}
    guest: {{name: bare, memory: 64MiB, vf: {{nic: nic0, index: {}}}}}
)",
                     ntb1, a, b, ntb2, c);
}

TEST(RackParts, AProfileSetsWhatAnNtbHas) {
  const auto rack = parse_rack(rack_with("{profile: plx-87xx}", "{profile: intel-xeon}"), "x.yaml");
  ASSERT_TRUE(rack) << to_string(rack.error()[0]);
  const auto options = fabric_options(*rack, {});
  EXPECT_EQ(options.hosts[1].ntb.lut_entries, 32);
  EXPECT_EQ(options.hosts[1].ntb.register_window, 4u << 20);
  EXPECT_EQ(options.hosts[1].ntb.granule, 16u << 10);
  EXPECT_TRUE(options.hosts[1].ntb.by_device && options.hosts[1].ntb.whole_bar);
  EXPECT_EQ(options.hosts[2].ntb.lut_entries, 0);
  EXPECT_EQ(options.hosts[2].ntb.windows, 2);
  EXPECT_FALSE(options.hosts[2].ntb.requester_table);
  EXPECT_TRUE(options.hosts[2].ntb.size_aligned);
}

TEST(RackParts, FieldsMayAskForLessAndNotForMore) {
  EXPECT_THAT(errors_of(rack_with("{profile: plx-87xx, lut: 8, windows: 4}")), IsEmpty());
  EXPECT_THAT(
      errors_of(rack_with("{profile: plx-87xx, lut: 64}")),
      ElementsAre("x.yaml:8:35: hosts[1].ntb.lut: 64 are more than plx-87xx has, 32; write 32 or less, "
                  "or another profile"));
  EXPECT_THAT(errors_of(rack_with("{}", "{profile: amd, windows: 8}")),
              ElementsAre(HasSubstr("hosts[2].ntb.windows: 8 are more than amd has, 3")));
  EXPECT_THAT(errors_of(rack_with("{}", "{profile: amd, lut: 8}")),
              ElementsAre(HasSubstr("hosts[2].ntb.lut: amd has no requester-ID table; leave it out")));
  EXPECT_THAT(errors_of(rack_with("{profile: plx}")),
              ElementsAre(AllOf(HasSubstr("x.yaml:8:20: hosts[1].ntb.profile: no part is named \"plx\""),
                                HasSubstr("generic, plx-87xx, switchtec, intel-xeon, amd"))));
}

TEST(RackParts, WithoutATableAHostHasOneVf) {
  for (const char* part : {"intel-xeon", "amd"})
    EXPECT_THAT(
        errors_of(rack_with(fmt::format("{{profile: {}}}", part))),
        ElementsAre(fmt::format(
            "x.yaml:8:20: hosts[1].ntb.profile: {} has no requester-ID table: the host's IOMMU cannot "
            "tell its 2 VFs apart; give the host one VF, or take a part with a table: generic, "
            "plx-87xx, switchtec",
            part)));
}

TEST(RackParts, WhereDevicesAreToldApartHostsShareNone) {
  EXPECT_THAT(
      errors_of(rack_with("{profile: plx-87xx}", "{}", 4, 5, 7)),
      ElementsAre("x.yaml:10:41: hosts[1].vms[0].vf: VF 4 of nic0 is a function of the same device as VF 7, "
                  "which \"bare\" of ch2 has, and plx-87xx of ch1 tells devices apart, not their functions; "
                  "write vf with an index of a device that no other host has VFs of; this one's are 4 to 7"));
  EXPECT_THAT(errors_of(rack_with("{profile: switchtec}", "{}", 4, 5, 7)), IsEmpty());
  // Functions that the planner chooses count too.
  std::string placed = rack_with("{profile: plx-87xx}", "{}", 4, 5, 2);
  placed.replace(placed.find("vf: {nic: nic0, index: 4}"), 25, "network: {nic: nic0}");
  EXPECT_THAT(
      errors_of(placed),
      ElementsAre(HasSubstr("x.yaml:10:46: hosts[1].vms[0].network: VF 0 of nic0 is a function of the "
                            "same device as VF 2, which \"bare\" of ch2 has")));
}

TEST(RackParts, SlicesThatAreTooCoarseAreRefused) {
  EXPECT_THAT(errors_of(rack_with("{profile: plx-87xx, register_window: 64MiB}")),
              ElementsAre(AllOf(HasSubstr("hosts[1].ntb.register_window: windows of plx-87xx in 64 MiB go by "
                                          "256 KiB"),
                                HasSubstr("write 4 MiB or less"))));
}

TEST(RackParts, NarrowWindowsFitBelowFourGigabytes) {
  EXPECT_THAT(errors_of(rack_with("{bars: 32, dma_window: 1GiB}", "{bars: 32}")), IsEmpty());
  EXPECT_THAT(errors_of(rack_with("{bars: 16}")), ElementsAre(HasSubstr("hosts[1].ntb.bars: ")));
  EXPECT_THAT(errors_of(rack_with("{bars: 48}")),
              ElementsAre(HasSubstr("hosts[1].ntb.bars: 48 is not the width of a BAR; write 32 or 64")));
  EXPECT_THAT(errors_of(rack_with("{bars: 32, dma_window: 2GiB}")), ElementsAre(HasSubstr("dma_window")));
  EXPECT_THAT(
      errors_of(rack_with("{bars: 32, dma_window: 1GiB}", "{bars: 32, dma_window: 1GiB}")),
      ElementsAre(HasSubstr("hosts[2].ntb.dma_window: the 32-bit windows of \"ch2\" and the hosts before it "
                            "do not fit the management host's 2028 MiB below 4 GiB")));
}

void expect_traffic(const std::string& text) {
  RunningRack rack(text);
  expect_all_talk(rack);
}

TEST(RackParts, EachCarriesTraffic) {
  expect_traffic(rack_with("{profile: plx-87xx}", "{profile: intel-xeon}"));
  expect_traffic(rack_with("{profile: switchtec}", "{profile: amd}"));
  expect_traffic(rack_with("{bars: 32}", "{bars: 32, profile: plx-87xx}"));
}

// "VF 8 of nic0 (bare) interrupts 32", of all findings.
std::vector<std::string> findings(const std::string& text) {
  const auto rack = parse_rack(text, "x.yaml");
  if (!rack) throw std::invalid_argument(to_string(rack.error().front()));
  const auto made = audit_plan(*rack);
  if (!made) throw std::runtime_error(made.error());
  EXPECT_THAT(made->report.unreachable, IsEmpty());
  std::vector<std::string> lines;
  for (const auto& finding : made->report.findings)
    lines.push_back(fmt::format("{}: {} of {}", initiator_name(*rack, finding.who),
                                audit::name(finding.space.kind),
                                rack->hosts[static_cast<std::size_t>(finding.space.domain)].name));
  return lines;
}

TEST(RackParts, WithATableNobodyReachesMore) {
  EXPECT_THAT(findings(rack_with("{profile: plx-87xx}", "{profile: switchtec}")), IsEmpty());
  EXPECT_THAT(findings(rack_with("{bars: 32}", "{bars: 32}")), IsEmpty());
}

// All that the IOMMU of ch2 lets the one VF do, whoever else crosses the bridge may do, too; and the VF may
// do what the bridge itself may.
TEST(RackParts, WithoutATableTheAuditSaysWhoSharesTheId) {
  EXPECT_THAT(findings(rack_with("{}", "{profile: intel-xeon}")),
              ElementsAre("cpu of mh: memory of ch2", "cpu of mh: interrupts of ch2",
                          "VF 8 of nic0 (bare): interrupts of ch2", "ntb2 management side: registers of mh",
                          "ntb2 management side: registers of mh", "ntb2 link side: memory of ch2",
                          "ntb2 link side: interrupts of ch2"));
}

}  // namespace
}  // namespace ladon::machine
