#include "experiment/request_policer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ladon::experiment {
namespace {

using std::chrono::milliseconds;

constexpr para::Load kSyn{74, 1}, kAck{66, 1}, kGet{157, 1};

bool pass(RequestPolicer& policer, const para::Load& load, Instant now) {
  if (!policer.allows(load, now)) return false;
  policer.charge(load, now);
  return true;
}

TEST(RequestPolicer, LetsBareSegmentsPassAndCountsThemNot) {
  RequestPolicer policer(1, 1, Instant{});
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(pass(policer, kSyn, Instant{}));
    EXPECT_TRUE(pass(policer, kAck, Instant{}));
  }
  EXPECT_TRUE(pass(policer, kGet, Instant{}));
  EXPECT_FALSE(pass(policer, kGet, Instant{}));
}

TEST(RequestPolicer, CountsWhatItRefuses) {
  RequestPolicer policer(10, 2, Instant{});
  int passed = 0;
  for (int i = 0; i < 5; ++i) passed += pass(policer, kGet, Instant{}) ? 1 : 0;
  EXPECT_EQ(passed, 2);
  EXPECT_EQ(policer.refused_frames(), 3u);
  EXPECT_EQ(policer.refused_bytes(), 3 * kGet.bytes);
}

TEST(RequestPolicer, AFrameThatFailsLaterTakesNothing) {
  RequestPolicer policer(1, 1, Instant{});
  EXPECT_TRUE(policer.allows(kGet, Instant{}));  // and is not charged
  EXPECT_TRUE(policer.allows(kGet, Instant{}));
}

RC_GTEST_PROP(RequestPolicer, NeverPassesMoreThanRateAndBurst, ()) {
  const double rate = *rc::gen::inRange(1, 1000) / 4.0, burst = *rc::gen::inRange(1, 20);
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 200));
  Instant now{};
  RequestPolicer policer(rate, burst, now);
  double passed = 0;
  for (const int step : steps) {
    now += milliseconds(step);
    while (pass(policer, kGet, now)) ++passed;
    const double seconds = std::chrono::duration<double>(now - Instant{}).count();
    RC_ASSERT(passed <= rate * seconds + burst + 1e-6);
  }
}

}  // namespace
}  // namespace ladon::experiment
