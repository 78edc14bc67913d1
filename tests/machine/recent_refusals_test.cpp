#include "machine/recent_refusals.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace ladon::machine {
namespace {

pcie::Transaction by(std::uint16_t rid) {
  return {.segment = {},
          .domain = pcie::kManagementDomain,
          .origin = pcie::EndpointOrigin{0},
          .rid = {pcie::Segment{0}, pcie::Bdf(rid)},
          .address = Iova(0x1000),
          .length = 4};
}
constexpr fabric::Fault kFault{.component = {fabric::ComponentKind::iommu, pcie::kManagementDomain, 0},
                               .table = fabric::Table::dma,
                               .reason = fabric::Reason::iommu_not_mapped};

TEST(RecentRefusals, TheSameAgainCountsUpAndIsTheNewest) {
  RecentRefusals refusals;
  for (const std::uint16_t rid : std::initializer_list<std::uint16_t>{1, 2, 1})
    refusals.add(Instant{}, by(rid), kFault);
  const auto newest = refusals.newest_first();
  ASSERT_EQ(newest.size(), 2u);
  EXPECT_EQ(newest[0].transaction.rid.bdf.bits, 1);
  EXPECT_EQ(newest[0].count, 2u);
  EXPECT_EQ(newest[1].count, 1u);
}

TEST(RecentRefusals, AnotherReasonIsAnother) {
  RecentRefusals refusals;
  refusals.add(Instant{}, by(1), kFault);
  fabric::Fault other = kFault;
  other.reason = fabric::Reason::iommu_no_permission;
  refusals.add(Instant{}, by(1), other);
  EXPECT_EQ(refusals.newest_first().size(), 2u);
}

TEST(RecentRefusals, TheOldestMakesRoom) {
  RecentRefusals refusals;
  for (std::uint16_t rid = 0; rid < 3 * RecentRefusals::kKept; ++rid)
    refusals.add(Instant{}, by(rid), kFault);
  const auto newest = refusals.newest_first();
  ASSERT_EQ(newest.size(), RecentRefusals::kKept);
  EXPECT_EQ(newest.front().transaction.rid.bdf.bits, 3 * RecentRefusals::kKept - 1);
  EXPECT_EQ(newest.back().transaction.rid.bdf.bits, 2 * RecentRefusals::kKept);
}

}  // namespace
}  // namespace ladon::machine
