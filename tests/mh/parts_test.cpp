// What the planner refuses because of the part that bridges to a host (spec/ntb_parts.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mh/journal.h"
#include "mh/sample.h"

namespace ladon::mh {
namespace {

using ::testing::HasSubstr;

Inventory with(std::uint32_t limits, std::uint32_t lut = 32) {
  return sample_inventory(fakes::NtbShape{.lut = lut, .limits = limits});
}

TEST(PlanParts, LimitsAreReadFromTheHardware) {
  const Inventory plain = sample_inventory();
  EXPECT_EQ(plain.ntbs[0].granule, 4096u);
  EXPECT_TRUE(plain.ntbs[0].requester_table);
  const Inventory bound = with(14 | spec::ntb::kLimitByDevice | spec::ntb::kLimitWholeBar);
  EXPECT_EQ(bound.ntbs[1].granule, 16384u);
  EXPECT_TRUE(bound.ntbs[1].by_device && bound.ntbs[1].whole_bar && bound.ntbs[1].requester_table);
  EXPECT_EQ(inventory_from_json(to_json(bound))->ntbs, bound.ntbs);
}

TEST(PlanParts, WithoutATableAHostHasOneVfAndNoEntries) {
  const Inventory inventory = with(12 | spec::ntb::kLimitNoTable, 0);
  const auto one = plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 2, 0)}));
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_TRUE(one->luts.empty());
  EXPECT_EQ(one->vfs.at({0, 0}).requester, 0u) << "the NTB's own function on the host's bus";
  EXPECT_EQ(one->domains.at({DomainId::Kind::host, 0, 0}).rid, inventory.ntbs[0].bdf);
  const auto two = plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 1, 1)}));
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().problem, PlanProblem::one_requester);
  EXPECT_THAT(two.error().message,
              HasSubstr("host 1, VF 0 of NIC 0: NTB 0000:03:00.0 has no requester-ID table"));
}

TEST(PlanParts, WhereDevicesAreToldApartHostsShareNone) {
  const Inventory inventory = with(12 | spec::ntb::kLimitByDevice);
  const auto shared = plan(inventory, sample_intent({grant(0, 1, 0), grant(3, 2, 0)}));
  ASSERT_FALSE(shared);
  EXPECT_EQ(shared.error().problem, PlanProblem::shared_device);
  EXPECT_TRUE(plan(inventory, sample_intent({grant(0, 1, 0), grant(3, 1, 1), grant(4, 2, 0)})));
  EXPECT_FALSE(plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 0, 0)}))) << "the MH's own VMs count";
}

TEST(PlanParts, RegistersThatNoSliceHoldsAreRefused) {
  EXPECT_TRUE(plan(with(14), sample_intent({grant(0, 1, 0)})));
  const auto coarse = plan(with(18), sample_intent({grant(0, 1, 0)}));
  ASSERT_FALSE(coarse);
  EXPECT_EQ(coarse.error().problem, PlanProblem::coarse_windows);
  EXPECT_EQ(coarse.error().there, 1u << 18);
}

TEST(PlanParts, WithoutLimitsTheWindowIsTheBarAndTheIommuBoundsTheVf) {
  const auto made = plan(with(12 | spec::ntb::kLimitWholeBar), sample_intent({grant(0, 1, 0)}));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->windows.at({0, Direction::outbound, 0}).length, std::uint64_t{1} << 36);
  EXPECT_EQ(made->domains.at({DomainId::Kind::vf, 0, 0}).mappings.at(Iova(0)).length, std::uint64_t{1} << 30);
}

}  // namespace
}  // namespace ladon::mh
