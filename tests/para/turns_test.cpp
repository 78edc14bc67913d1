// Turns at the uplink, alone: shares by bytes, whatever the frames.
#include "para/turns.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace ladon::para {
namespace {

using End = Turns::End;

TEST(Turns, WhileNobodyWaitsEverybodySends) {
  Turns turns(1000);
  EXPECT_FALSE(turns.begin());
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(turns.may(3));
    turns.charge(3, 5000);
  }
  turns.wait(3);
  EXPECT_FALSE(turns.may(4)) << "somebody waits";
  EXPECT_TRUE(turns.waits(4));
  EXPECT_EQ(turns.begin(), 3u);
  EXPECT_TRUE(turns.may(3)) << "nothing is owed from before";
  EXPECT_FALSE(turns.may(4));
  turns.end(End::idle);
  EXPECT_EQ(turns.begin(), 4u);
  turns.end(End::idle);
  EXPECT_FALSE(turns.waiting());
  EXPECT_TRUE(turns.may(3));
}

TEST(Turns, ATurnThatIsInterruptedGoesOnWithoutASecondShare) {
  Turns turns(1000);
  turns.wait(1);
  turns.wait(2);
  EXPECT_EQ(turns.begin(), 1u);
  turns.charge(1, 600);
  turns.end(End::blocked);
  EXPECT_EQ(turns.begin(), 1u);
  EXPECT_TRUE(turns.may(1));
  turns.charge(1, 600);
  EXPECT_FALSE(turns.may(1));
  turns.end(End::spent);
  EXPECT_EQ(turns.begin(), 2u);
}

TEST(Turns, WhoLeavesTakesNothingFromTheOthers) {
  Turns turns(1000);
  for (const unsigned guest : {5u, 6u, 7u}) turns.wait(guest);
  EXPECT_EQ(turns.begin(), 5u);
  turns.leave(5);  // in the middle of its turn
  EXPECT_FALSE(turns.may(5)) << "it waits again, at the end";
  turns.end(End::spent);
  EXPECT_EQ(turns.begin(), 6u);
  turns.leave(7);
  turns.end(End::spent);
  EXPECT_EQ(turns.begin(), 5u);
}

// Guests with frames of their own sizes, all of them backlogged, on a ring that has room now and then.
RC_GTEST_PROP(Turns, SharesDifferByLessThanAQuantumAndTwoFrames, ()) {
  const auto quantum = *rc::gen::inRange(1u, 70'000u);
  const auto guests = *rc::gen::inRange(2u, 12u);
  std::vector<std::uint64_t> size, sent(guests, 0);
  for (unsigned i = 0; i < guests; ++i) size.push_back(*rc::gen::inRange(60u, 66'000u));
  const std::uint64_t largest = *std::ranges::max_element(size);
  Turns turns(quantum);
  for (unsigned i = 0; i < guests; ++i) turns.wait(i);
  for (int step = 0; step < 300; ++step) {
    std::int64_t room = *rc::gen::inRange(0, 200'000);
    while (room > 0) {
      const unsigned guest = *turns.begin();
      while (turns.may(guest) && room > 0) {
        turns.charge(guest, size[guest]);
        sent[guest] += size[guest];
        room -= static_cast<std::int64_t>(size[guest]);
      }
      turns.end(turns.may(guest) ? End::blocked : End::spent);
    }
    const auto [least, most] = std::ranges::minmax_element(sent);
    RC_ASSERT(*most - *least < quantum + 2 * largest);
  }
}

// One that sends a frame whenever it may and has nothing more then gets no more than its share.
RC_GTEST_PROP(Turns, ComingAndGoingGainsNothing, ()) {
  const std::uint64_t quantum = 2000, large = *rc::gen::inRange(1u, 66'000u), small = 1000;
  Turns turns(static_cast<std::uint32_t>(quantum));
  turns.wait(0);
  turns.wait(1);
  std::array<std::uint64_t, 2> sent{};
  for (int round = 0; round < 2000; ++round) {
    const unsigned guest = *turns.begin();
    if (guest == 0) {
      while (turns.may(0)) turns.charge(0, small), sent[0] += small;
      turns.end(End::spent);
      continue;
    }
    if (turns.may(1)) {
      turns.charge(1, large), sent[1] += large;
      turns.end(End::idle);
      turns.wait(1);
    } else {
      turns.end(End::spent);
    }
  }
  RC_ASSERT(sent[1] < sent[0] + quantum + 2 * large);
}

}  // namespace
}  // namespace ladon::para
