// How long memory stays writable after an unmap: not at all, or until the batch is flushed.
#include "attack/window.h"

#include <gtest/gtest.h>

#include "iommu/flush_queue.h"
#include "rack.h"

namespace ladon::attack {
namespace {

using iommu::FlushQueue;
using std::chrono::milliseconds;

TEST(Window, IsShutWithStrictInvalidationAndOpenUntilTheFlushWithDeferred) {
  const auto measured = measure_windows(build_from(two_hosts()));
  ASSERT_TRUE(measured) << measured.error();
  ASSERT_EQ(measured->size(), 6u);
  for (const WindowMeasurement& one : *measured) {
    EXPECT_EQ(one.unmaps, kMeasuredUnmaps);
    if (!one.deferred) {
      EXPECT_EQ(one.open, 0u);
      EXPECT_EQ(one.longest, Duration(0));
      continue;
    }
    EXPECT_GT(one.open, kMeasuredUnmaps * 9 / 10);
    EXPECT_LE(one.longest, FlushQueue::kTimeout);
    const bool alone = one.every > FlushQueue::kTimeout;
    EXPECT_TRUE(!alone || one.median > FlushQueue::kTimeout * 9 / 10) << one.median.count();
    // A full batch does not wait for the time.
    const bool full = one.every * FlushQueue::kEntries < FlushQueue::kTimeout;
    EXPECT_TRUE(!full || one.median < milliseconds(5)) << one.median.count();
  }
}

// What was given back and comes again must not lead where it led before.
TEST(Window, AnAddressThatIsMappedAgainHasItsNewTranslationAtOnce) {
  const auto made = build_from(two_hosts())({.unmaps = Conditions::Unmaps::deferred});
  ASSERT_TRUE(made) << made.error();
  Testbed& bed = **made;
  const std::size_t guest = *cast(bed).attacker;
  const Gpa at(bed.guests()[guest].memory + (4 << 20));
  ASSERT_FALSE(bed.give_memory(guest, at, 4096, pcie::kReadWrite).empty());
  const auto old = bed.place_of(guest, at);
  const auto done = bed.take_memory(guest, at, 4096);
  for (int i = 0; i < 100 && !*done; ++i) bed.turn();
  ASSERT_TRUE(*done && old);
  const auto next = bed.place(bed.guests()[guest].host, 4096, old);
  ASSERT_TRUE(next);
  const Canary target(next->at, next->bytes, 1);
  const Request request{.rid = bed.guests()[guest].rid.bdf, .address = Iova(at.bits())};
  const std::array<std::byte, 4> word{};

  const Bytes again = bed.give_memory(guest, at, 4096, pcie::kReadWrite);
  ASSERT_FALSE(again.empty());
  again[0] = std::byte{0xFF};
  EXPECT_TRUE(bed.emit_write(bed.guests()[guest].nic, request, word));
  EXPECT_TRUE(target.untouched());
  EXPECT_EQ(again[0], std::byte{0});
}

}  // namespace
}  // namespace ladon::attack
