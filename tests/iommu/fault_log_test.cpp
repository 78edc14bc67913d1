#include "iommu/fault_log.h"

#include <gtest/gtest.h>

namespace ladon::iommu {
namespace {

using std::chrono::milliseconds;

FaultRecord fault(std::uint16_t rid, Instant at) {
  return {.at = at,
          .rid = {pcie::Segment{0}, pcie::Bdf{rid}},
          .address = 0x1000,
          .access = pcie::Access::read,
          .reason = "x"};
}

TEST(FaultLog, KeepsABurstAndThenOneAPeriod) {
  FaultLog log({.capacity = 100, .burst = 3, .refill = milliseconds(10)});
  const Instant start{};
  for (int i = 0; i < 10; ++i) log.record(fault(1, start));
  EXPECT_EQ(log.take().size(), 3u);
  EXPECT_EQ(log.recorded(), 10u);
  EXPECT_EQ(log.suppressed(), 7u);
  EXPECT_FALSE(log.record(fault(1, start + milliseconds(9))));
  EXPECT_TRUE(log.record(fault(1, start + milliseconds(10))));
  EXPECT_FALSE(log.record(fault(1, start + milliseconds(10))));
}

TEST(FaultLog, AFloodHidesNobodyElse) {
  FaultLog log({.capacity = 100, .burst = 3, .refill = milliseconds(10)});
  for (int i = 0; i < 1000; ++i) log.record(fault(1, Instant{}));
  EXPECT_TRUE(log.record(fault(2, Instant{})));
  const auto taken = log.take();
  ASSERT_EQ(taken.size(), 4u);
  EXPECT_EQ(taken.back().rid.bdf.bits, 2);
  EXPECT_TRUE(log.take().empty());
}

TEST(FaultLog, IsBoundedInRecordsAndRequesters) {
  FaultLog log({.capacity = 5, .burst = 2, .refill = milliseconds(10), .max_requesters = 2});
  for (std::uint16_t rid = 0; rid < 10; ++rid) log.record(fault(rid, Instant{}));
  EXPECT_EQ(log.take().size(), 4u) << "two of their own, two of the shared budget";
  FaultLog full({.capacity = 1});
  EXPECT_TRUE(full.record(fault(1, Instant{})));
  EXPECT_FALSE(full.record(fault(1, Instant{})));
  EXPECT_EQ(full.overflowed(), 1u);
}

}  // namespace
}  // namespace ladon::iommu
