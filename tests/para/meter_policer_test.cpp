#include "para/meter_policer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace ladon::para {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

__extension__ using Wide = __int128;
constexpr Wide kBillion = 1'000'000'000;

struct Passed {
  Instant at;
  std::uint64_t bits;
};

// In every interval that begins and ends with a frame - the worst there are - at most rate t + burst.
bool conforms(const std::vector<Passed>& passed, std::uint64_t rate, std::uint64_t burst_bits) {
  for (std::size_t first = 0; first < passed.size(); ++first) {
    Wide sum = 0;
    for (std::size_t last = first; last < passed.size(); ++last) {
      sum += passed[last].bits;
      if (sum * kBillion >
          Wide{rate} * (passed[last].at - passed[first].at).count() + Wide{burst_bits} * kBillion)
        return false;
    }
  }
  return true;
}

Load any_load() {
  return {.bytes = *rc::gen::inRange<std::uint64_t>(60, 20'000),
          .frames = *rc::gen::inRange<std::uint32_t>(1, 14)};
}

RC_GTEST_PROP(MeterPolicer, PassesNoMoreThanRateAndBurstInAnyInterval, ()) {
  const RateLimit limit{.rate = *rc::gen::inRange<std::uint64_t>(1, 20'000'000'000),
                        .burst = *rc::gen::inRange<std::uint64_t>(64, 40'000)};
  Instant now(seconds(*rc::gen::inRange(0, 100'000)));
  MeterPolicer policer(limit, now);
  std::vector<Passed> passed;
  for (int i = *rc::gen::inRange(1, 200); i > 0; --i) {
    now += nanoseconds(*rc::gen::inRange(0, 20'000));
    const Load load = any_load();
    if (!policer.allows(load, now)) continue;
    policer.charge(load, now);
    passed.push_back({now, load.bytes * 8});
  }
  RC_ASSERT(conforms(passed, limit.rate, limit.burst * 8));
}

// The instant that when() names is the first at which allows() says yes.
RC_GTEST_PROP(MeterPolicer, NamesTheFirstInstant, ()) {
  const MeterPolicer::Rates rates{
      .bits = qos::MeterRates{.committed = *rc::gen::inRange<std::uint64_t>(0, 1'000'000'000),
                              .committed_burst = *rc::gen::inRange<std::uint64_t>(0, 200'000),
                              .excess = *rc::gen::inRange<std::uint64_t>(0, 1'000'000'000),
                              .excess_burst = *rc::gen::inRange<std::uint64_t>(0, 200'000)},
      .frames = qos::MeterRates{.committed = *rc::gen::inRange<std::uint64_t>(0, 100'000),
                                .committed_burst = *rc::gen::inRange<std::uint64_t>(0, 16)}};
  Instant now(seconds(5));
  MeterPolicer policer(rates, now);
  for (int i = *rc::gen::inRange(1, 50); i > 0; --i) {
    now += nanoseconds(*rc::gen::inRange(0, 100'000));
    const Load load = any_load();
    const auto at = policer.when(load, now);
    MeterPolicer later = policer;
    if (!at) {
      RC_ASSERT(!later.allows(load, now + std::chrono::hours(24)));
      continue;
    }
    RC_ASSERT(*at >= now);
    if (*at > now) {
      MeterPolicer before = policer;
      RC_ASSERT(!before.allows(load, *at - nanoseconds(1)));
    }
    RC_ASSERT(later.allows(load, *at));
    if (policer.allows(load, now)) policer.charge(load, now);
  }
}

TEST(MeterPolicer, CountsTheFramesThatASegmentBecomes) {
  MeterPolicer policer(
      {.bits = std::nullopt, .frames = qos::MeterRates{.committed = 1000, .committed_burst = 10}}, Instant{});
  EXPECT_TRUE(policer.allows({.bytes = 14'000, .frames = 10}, Instant{}));
  EXPECT_FALSE(policer.allows({.bytes = 700, .frames = 11}, Instant{}));
  policer.charge({.bytes = 14'000, .frames = 10}, Instant{});
  EXPECT_FALSE(policer.allows({.bytes = 60, .frames = 1}, Instant{}));
  EXPECT_EQ(policer.when({.bytes = 60, .frames = 1}, Instant{}), Instant(std::chrono::milliseconds(1)));
}

TEST(MeterPolicer, ABurstThatNobodyStatesTakesTheLongestSegment) {
  MeterPolicer policer(RateLimit{.rate = 1'000}, Instant{});
  EXPECT_TRUE(policer.allows({.bytes = 120'000, .frames = 1'000}, Instant{}));
  EXPECT_EQ(default_burst(10'000'000'000), 6'250'000u);
}

}  // namespace
}  // namespace ladon::para
