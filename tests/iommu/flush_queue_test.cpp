// When an IOTLB is emptied: after a time or after a number of unmaps, whichever comes first.
#include "iommu/flush_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ladon::iommu {
namespace {

constexpr DomainId kDomain{1}, kOther{2};
Range<Iova> page(std::uint64_t number) {
  return *Range<Iova>::of(Iova(number * 4096), 4096);
}
Instant at(std::int64_t microseconds) {
  return Instant(std::chrono::microseconds(microseconds));
}

TEST(FlushQueue, WaitsForNothingWhileNothingIsUnmapped) {
  EXPECT_EQ(FlushQueue{}.deadline(), std::nullopt);
}

TEST(FlushQueue, CountsTheTimeFromTheFirstUnmapOfABatch) {
  FlushQueue queue;
  queue.add(kDomain, page(1), at(100));
  queue.add(kDomain, page(2), at(9'000));
  EXPECT_EQ(queue.deadline(), at(10'100));
  queue.clear();
  EXPECT_EQ(queue.deadline(), std::nullopt);
  queue.add(kDomain, page(3), at(20'000));
  EXPECT_EQ(queue.deadline(), at(30'000));
}

TEST(FlushQueue, IsDueAtOnceWhenItIsFull) {
  FlushQueue queue;
  for (std::size_t i = 0; i + 1 < FlushQueue::kEntries; ++i) queue.add(kDomain, page(i), at(5));
  EXPECT_EQ(queue.deadline(), at(10'005));
  queue.add(kDomain, page(999), at(5));
  EXPECT_EQ(queue.deadline(), at(5));
}

TEST(FlushQueue, HoldsWhatWasUnmappedInThatDomain) {
  FlushQueue queue;
  queue.add(kDomain, page(7), at(0));
  EXPECT_TRUE(queue.holds(kDomain, *Range<Iova>::of(Iova(7 * 4096 + 4095), 2)));
  EXPECT_FALSE(queue.holds(kDomain, page(8)));
  EXPECT_FALSE(queue.holds(kOther, page(7)));
}

// Whoever flushes when it is due leaves nothing stale for longer than the time-out, and never more than a
// batch of it.
RC_GTEST_PROP(FlushQueue, BoundsHowLongAndHowMuchIsStale, (std::vector<std::uint16_t> gaps)) {
  FlushQueue queue;
  Instant now{};
  std::vector<Instant> stale;
  const auto flush_due = [&] {
    if (const auto deadline = queue.deadline(); deadline && now >= *deadline) queue.clear(), stale.clear();
  };
  for (const std::uint16_t gap : gaps) {
    const Instant next = now + std::chrono::microseconds(gap % 3000);
    if (const auto deadline = queue.deadline(); deadline && *deadline <= next) now = *deadline, flush_due();
    now = next;
    queue.add(kDomain, page(gap), now);
    stale.push_back(now);
    flush_due();
    RC_ASSERT(stale.size() < FlushQueue::kEntries);
    for (const Instant since : stale) RC_ASSERT(now - since < FlushQueue::kTimeout);
    RC_ASSERT(queue.deadline().has_value() == !stale.empty());
  }
}

}  // namespace
}  // namespace ladon::iommu
