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

// ---- guarantees that are lent while they are idle

TEST(Partitions, AnIdleGuaranteeIsLentAllButItsReserve) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 800, .most = 800, .lendable = 600}));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 200, .most = 1000}));
  EXPECT_EQ(memory.free(), 600u);
  EXPECT_TRUE(memory.fits(1, 800));
  EXPECT_FALSE(memory.fits(1, 801));
  memory.hold(1, 700);
  EXPECT_EQ(memory.lent(), 500u);
  EXPECT_EQ(memory.lent_of_guarantees(), 500u);
  EXPECT_TRUE(memory.fits(0, 200));  // the reserve, and what is left
  EXPECT_TRUE(memory.fits(0, 300));
  EXPECT_FALSE(memory.fits(0, 301));
}

TEST(Partitions, ALenderWhoseReserveBecomesSmallerHasNotRested) {
  Partitions memory(1000, 1);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 800, .most = 800, .lendable = 400}));
  memory.hold(0, 201);
  ASSERT_TRUE(memory.calling(0));
  memory.release(0, 101);  // a quarter of 400
  EXPECT_FALSE(memory.rested(0));
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 800, .most = 800, .lendable = 700}));
  EXPECT_FALSE(memory.rested(0)) << "it holds the whole of its reserve";
  memory.release(0, 100);
  EXPECT_FALSE(memory.rested(0));
  EXPECT_TRUE(memory.rested(0));
}

TEST(Partitions, ALenderCallsItsGuaranteeInBeforeTheReserveIsUsedUp) {
  Partitions memory(1000, 3);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 800, .most = 800, .lendable = 600}));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 200, .most = 1000}));
  ASSERT_TRUE(memory.resize(2, {.guaranteed = 0, .most = 1000}));
  memory.hold(1, 200 + 500);
  memory.hold(0, 100);
  EXPECT_FALSE(memory.calling(0));
  memory.hold(0, 1);
  EXPECT_TRUE(memory.calling(0));
  EXPECT_TRUE(memory.called_in(1));
  EXPECT_EQ(memory.calls(0), 1u);
  EXPECT_EQ(memory.pending(0), 500u);
  EXPECT_FALSE(memory.fits(2, 1));  // nothing is lent to anybody
  EXPECT_TRUE(memory.fits(0, 199));
  memory.release(1, 300);
  EXPECT_EQ(memory.pending(0), 200u);
  memory.release(1, 200);
  EXPECT_EQ(memory.pending(0), 0u);
  EXPECT_TRUE(memory.fits(0, 699));
  EXPECT_FALSE(memory.called_in(1));
  // It lends again when it has needed little for a while.
  memory.release(0, 50);
  EXPECT_FALSE(memory.rested(0));
  memory.release(0, 1);
  EXPECT_FALSE(memory.rested(0)) << "it has needed more since the last look";
  EXPECT_TRUE(memory.rested(0));
  memory.lend_again(0);
  EXPECT_FALSE(memory.calling(0));
  EXPECT_EQ(memory.free(), 600u);
  EXPECT_TRUE(memory.fits(2, 600));
}

TEST(Partitions, ARefusalCallsInToo) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 1000, .most = 1000, .lendable = 1000}));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 0, .most = 900}));
  EXPECT_TRUE(memory.fits(0, 1000));  // nobody has borrowed
  memory.hold(1, 900);
  EXPECT_FALSE(memory.fits(0, 200));
  memory.want(0);
  EXPECT_EQ(memory.pending(0), 900u);
  memory.release(1, 100);
  EXPECT_TRUE(memory.fits(0, 200));
}

TEST(Partitions, WhatStaysForLongIsNotPutIntoAnothersGuarantee) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 700, .most = 700, .lendable = 600}));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 100, .most = 1000}));
  EXPECT_TRUE(memory.fits(1, 301));
  EXPECT_TRUE(memory.fits_for_long(1, 300));  // its own, and what nobody is guaranteed
  EXPECT_FALSE(memory.fits_for_long(1, 301));
  memory.hold(1, 300);
  memory.want(0);
  EXPECT_EQ(memory.pending(0), 0u);
}

TEST(Partitions, WhatAPartitionHadBeforeItShrankIsNotCalledIn) {
  Partitions memory(1000, 2);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 1000, .most = 1000}));
  memory.hold(0, 600);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 0, .most = 1000}));
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 1000, .most = 1000}));
  EXPECT_EQ(memory.pending(1), 600u);
  EXPECT_FALSE(memory.called_in(0));
}

TEST(Partitions, NoMoreIsLentThanIsGuaranteed) {
  Partitions memory(1000, 1);
  EXPECT_FALSE(memory.resize(0, {.guaranteed = 100, .most = 200, .lendable = 101}));
  EXPECT_TRUE(memory.resize(0, {.guaranteed = 100, .most = 200, .lendable = 100}));
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
    if (!memory.fits(i, bytes)) memory.want(i);
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
    const auto lendable = *rc::gen::element<std::uint64_t>(0, guaranteed / 2, guaranteed);
    RC_ASSERT(memory.resize(i, {guaranteed, guaranteed + shared, lendable}) ==
              (guaranteed + others <= kPool));
  }
  void check() const {
    std::uint64_t guaranteed = 0, wanted = 0, backed = 0, lent = 0, all = 0;
    for (std::uint16_t i = 0; i < kCount; ++i) {
      RC_ASSERT(memory.held(i) == held(i));  // nothing accepted is ever dropped
      const PartitionSize& size = memory.size(i);
      const std::uint64_t due = memory.calling(i) ? size.guaranteed : size.reserve();
      RC_ASSERT(memory.backed(i) <= due);
      // Whoever needs more than half of its reserve has called its guarantee in.
      RC_ASSERT(memory.calling(i) || size.lendable == 0 || held(i) <= size.reserve() / 2);
      RC_ASSERT(!memory.calling(i) || size.lendable != 0);
      guaranteed += size.guaranteed;
      wanted += due;
      backed += memory.backed(i);
      lent += held(i) - std::min(held(i), memory.backed(i));
      all += held(i);
      // A guarantee that is not pending is there at once.
      if (memory.backed(i) == due && held(i) < due) RC_ASSERT(memory.fits(i, due - held(i)));
      RC_ASSERT(!memory.fits(i, memory.size(i).most + 1 - std::min(held(i), memory.size(i).most)));
    }
    RC_ASSERT(guaranteed <= kPool);
    RC_ASSERT(all <= backed + lent);
    RC_ASSERT(backed + lent <= kPool);
    RC_ASSERT(memory.free() == kPool - backed - lent);
    RC_ASSERT(memory.lent() == lent);
    RC_ASSERT(memory.unbacked() == wanted - backed);
    if (memory.unbacked() != 0) RC_ASSERT(memory.free() == 0u);
  }
};

RC_GTEST_PROP(Partitions, AgreeWithAModel, ()) {
  Traffic traffic;
  const int steps = *rc::gen::inRange(1, 200);
  for (int step = 0; step < steps; ++step) {
    const auto i = *rc::gen::inRange<std::uint16_t>(0, kCount);
    switch (*rc::gen::inRange(0, 9)) {
      case 8:
        if (traffic.memory.rested(i)) traffic.memory.lend_again(i);
        break;
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

// A lender that suddenly needs everything has its reserve at once, and all of its guarantee when what the
// others hold beyond their own at that moment has drained, whatever they offer in the meantime.
RC_GTEST_PROP(Partitions, ALenderHasItsGuaranteeInBoundedTime, ()) {
  Traffic traffic;
  const std::uint64_t guaranteed = *rc::gen::inRange<std::uint64_t>(100, kPool / 2);
  const std::uint64_t lendable = *rc::gen::inRange<std::uint64_t>(1, guaranteed + 1);
  RC_ASSERT(traffic.memory.resize(0, {guaranteed, guaranteed, lendable}));
  for (std::uint16_t i = 1; i < kCount; ++i) {
    const auto own = *rc::gen::inRange<std::uint64_t>(0, kPool / 2 / kCount);
    RC_ASSERT(traffic.memory.resize(i, {own, kPool, *rc::gen::element<std::uint64_t>(0, own)}));
  }
  const auto offer = [&] {
    const auto other = *rc::gen::inRange<std::uint16_t>(1, kCount);
    return traffic.accept(other, *rc::gen::inRange<std::uint64_t>(1, 400));
  };
  for (int i = 0; i < 60; ++i) offer();
  std::uint64_t owed = traffic.memory.lent();
  traffic.memory.want(0);
  RC_ASSERT(traffic.memory.pending(0) <= owed);
  RC_ASSERT(traffic.memory.fits(0, guaranteed - lendable));
  RC_ASSERT(traffic.accept(0, std::max<std::uint64_t>(guaranteed - lendable, 1)) || guaranteed == lendable);
  std::array<std::size_t, kCount> old;
  for (std::uint16_t i = 0; i < kCount; ++i) old[i] = traffic.frames[i].size();
  old[0] = 0;
  for (std::uint16_t i = 1; i < kCount; ++i)
    for (; old[i] != 0; --old[i]) {
      traffic.drain(i);
      offer();
      traffic.check();
    }
  RC_ASSERT(traffic.memory.pending(0) == 0u);
  RC_ASSERT(traffic.memory.fits(0, guaranteed - traffic.held(0)));
}

}  // namespace
}  // namespace ladon::qos
