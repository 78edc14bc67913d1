#include "qos/partitions.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <deque>

namespace ladon::qos {
namespace {

TEST(Partitions, AreNeverOvercommitted) {
  Partitions memory(1000, 4);
  EXPECT_TRUE(memory.resize(0, {.guaranteed = 600, .most = 600}));
  EXPECT_FALSE(memory.resize(1, {.guaranteed = 401, .most = 401}));
  EXPECT_FALSE(memory.exists(1));
  EXPECT_TRUE(memory.resize(1, {.guaranteed = 400, .most = 900}));
  EXPECT_EQ(memory.available(0), 600u);
  EXPECT_FALSE(memory.resize(0, {.guaranteed = 601, .most = 700}));
  EXPECT_EQ(memory.size(0), (PartitionSize{.guaranteed = 600, .most = 600}));
  EXPECT_FALSE(memory.resize(0, {.guaranteed = 600, .most = 599}));
}

TEST(Partitions, ShrinkingKeepsWhatWasAccepted) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 500, .most = 500}));
  memory.hold(0, 400);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 300, .most = 300}));
  EXPECT_EQ(memory.held(0), 400u);
  EXPECT_EQ(memory.pending(0), 100u);
  EXPECT_FALSE(memory.fits(0, 1));
  memory.release(0, 200);
  EXPECT_EQ(memory.pending(0), 0u);
  EXPECT_TRUE(memory.fits(0, 100));
  EXPECT_FALSE(memory.fits(0, 101));
}

TEST(Partitions, UnguaranteedMemoryIsLentUpToTheCap) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 100, .most = 500}));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 700, .most = 1000}));
  EXPECT_TRUE(memory.fits(0, 300));
  EXPECT_FALSE(memory.fits(0, 301));  // 100 of its own, 200 that are nobody's
  memory.hold(0, 300);
  EXPECT_EQ(memory.lent(0), 200u);
  EXPECT_TRUE(memory.fits(1, 700));  // a guarantee is there at once, whoever has borrowed
  EXPECT_FALSE(memory.fits(1, 701));
}

TEST(Partitions, LentMemoryComesBackOnDemand) {
  Partitions memory(1000, 3);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 0, .most = 900}));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 0, .most = 900}));
  memory.hold(0, 900);
  ASSERT_TRUE(memory.resize(2, {.guaranteed = 600, .most = 600}));
  EXPECT_EQ(memory.pending(2), 500u);
  EXPECT_TRUE(memory.fits(2, 100));
  EXPECT_FALSE(memory.fits(2, 101));
  EXPECT_FALSE(memory.fits(1, 1));  // nothing is lent while somebody waits
  memory.release(0, 450);
  EXPECT_EQ(memory.pending(2), 50u);
  memory.release(0, 60);
  EXPECT_EQ(memory.pending(2), 0u);
  EXPECT_TRUE(memory.fits(1, 10));
  EXPECT_FALSE(memory.fits(1, 11));
}

TEST(Partitions, AGrowingPartitionBacksItselfWithWhatItHasBorrowed) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 100, .most = 1000}));
  memory.hold(0, 1000);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 1000, .most = 1000}));
  EXPECT_EQ(memory.pending(0), 0u);
  EXPECT_EQ(memory.lent(0), 0u);
}

TEST(Partitions, AFreedPartitionDrains) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 1000, .most = 1000}));
  memory.hold(0, 700);
  ASSERT_TRUE(memory.resize(0, {}));
  EXPECT_FALSE(memory.exists(0));
  EXPECT_FALSE(memory.fits(0, 1));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 1000, .most = 1000}));
  EXPECT_EQ(memory.pending(1), 700u);
  memory.release(0, 700);
  EXPECT_EQ(memory.pending(1), 0u);
  EXPECT_EQ(memory.free(), 0u);
}

// Frames in the partitions of a device, oldest first, beside the account.
constexpr std::uint16_t kCount = 5;
constexpr std::uint64_t kPool = 4000;
struct Traffic {
  Partitions memory{kPool, kCount};
  std::array<std::deque<std::uint64_t>, kCount> frames;

  std::uint64_t held(std::uint16_t i) const {
    std::uint64_t sum = 0;
    for (const std::uint64_t frame : frames[i]) sum += frame;
    return sum;
  }
  bool accept(std::uint16_t i, std::uint64_t bytes) {
    if (!memory.fits(i, bytes)) return false;
    memory.hold(i, bytes);
    frames[i].push_back(bytes);
    return true;
  }
  void drain(std::uint16_t i) {
    if (frames[i].empty()) return;
    memory.release(i, frames[i].front());
    frames[i].pop_front();
  }
  void resize() {
    const auto i = *rc::gen::inRange<std::uint16_t>(0, kCount);
    const auto guaranteed = *rc::gen::inRange<std::uint64_t>(0, kPool / 2);
    const auto shared = *rc::gen::inRange<std::uint64_t>(0, kPool);
    std::uint64_t others = 0;
    for (std::uint16_t j = 0; j < kCount; ++j)
      if (j != i) others += memory.size(j).guaranteed;
    RC_ASSERT(memory.resize(i, {guaranteed, guaranteed + shared}) == (guaranteed + others <= kPool));
  }
  void check() const {
    std::uint64_t guaranteed = 0, backed = 0, lent = 0, all = 0;
    for (std::uint16_t i = 0; i < kCount; ++i) {
      RC_ASSERT(memory.held(i) == held(i));  // nothing accepted is ever dropped
      RC_ASSERT(memory.backed(i) <= memory.size(i).guaranteed);
      guaranteed += memory.size(i).guaranteed;
      backed += memory.backed(i);
      lent += held(i) - std::min(held(i), memory.backed(i));
      all += held(i);
      // A guarantee that is not pending is there at once.
      if (memory.backed(i) == memory.size(i).guaranteed && held(i) < memory.size(i).guaranteed)
        RC_ASSERT(memory.fits(i, memory.size(i).guaranteed - held(i)));
      RC_ASSERT(!memory.fits(i, memory.size(i).most + 1 - std::min(held(i), memory.size(i).most)));
    }
    RC_ASSERT(guaranteed <= kPool);
    RC_ASSERT(all <= backed + lent);
    RC_ASSERT(backed + lent <= kPool);
    RC_ASSERT(memory.free() == kPool - backed - lent);
    RC_ASSERT(memory.lent() == lent);
    RC_ASSERT(memory.unbacked() == guaranteed - backed);
    if (memory.unbacked() != 0) RC_ASSERT(memory.free() == 0u);
  }
};

RC_GTEST_PROP(Partitions, AgreeWithAModel, ()) {
  Traffic traffic;
  const int steps = *rc::gen::inRange(1, 200);
  for (int step = 0; step < steps; ++step) {
    const auto i = *rc::gen::inRange<std::uint16_t>(0, kCount);
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
        traffic.resize();
        break;
      case 1:
      case 2:
      case 3:
        traffic.drain(i);
        break;
      default:
        traffic.accept(i, *rc::gen::inRange<std::uint64_t>(1, 400));
    }
    traffic.check();
  }
}

// What is demanded is there when everything that was held at that moment has drained, however much is
// accepted in the meantime.
RC_GTEST_PROP(Partitions, ADemandIsMetInBoundedTime, ()) {
  Traffic traffic;
  for (std::uint16_t i = 0; i < kCount; ++i) {
    const auto guaranteed = *rc::gen::inRange<std::uint64_t>(0, kPool / kCount);
    RC_ASSERT(traffic.memory.resize(i, {guaranteed, kPool}));
  }
  for (int i = 0; i < 60; ++i)
    traffic.accept(*rc::gen::inRange<std::uint16_t>(0, kCount), *rc::gen::inRange<std::uint64_t>(1, 400));
  traffic.resize();
  traffic.resize();
  std::array<std::size_t, kCount> old;
  for (std::uint16_t i = 0; i < kCount; ++i) old[i] = traffic.frames[i].size();
  while (true) {
    std::uint16_t i = 0;
    while (i < kCount && old[i] == 0) ++i;
    if (i == kCount) break;
    traffic.drain(i);
    --old[i];
    traffic.accept(*rc::gen::inRange<std::uint16_t>(0, kCount), *rc::gen::inRange<std::uint64_t>(1, 400));
    traffic.check();
  }
  RC_ASSERT(traffic.memory.unbacked() == 0u);
}

}  // namespace
}  // namespace ladon::qos
