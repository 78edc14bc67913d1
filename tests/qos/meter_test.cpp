#include "qos/meter.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "qos/limiter.h"

namespace ladon::qos {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

__extension__ using Wide = __int128;

constexpr std::uint64_t kFrame = 1514 * 8;  // bits

// What a meter has let through: when, how much, in which colour.
struct Passed {
  Instant at;
  std::uint64_t units;
  Colour colour;
};

// In every interval that begins and ends with a packet - the worst there are - at most rate t + burst.
bool conforms(const std::vector<Passed>& passed, std::uint64_t rate, std::uint64_t burst, bool green_only) {
  for (std::size_t first = 0; first < passed.size(); ++first) {
    Wide sum = 0;
    for (std::size_t last = first; last < passed.size(); ++last) {
      if (!green_only || passed[last].colour == Colour::green) sum += passed[last].units;
      const Wide allowed =
          Wide{rate} * (passed[last].at - passed[first].at).count() + Wide{burst} * Bucket::kTokensPerUnit;
      if (sum * Bucket::kTokensPerUnit > allowed) return false;
    }
  }
  return true;
}

RC_GTEST_PROP(Meter, AdmitsNoMoreThanRateAndBurstInAnyInterval, ()) {
  const MeterRates rates{.committed = *rc::gen::inRange<std::uint64_t>(0, 20'000'000'000),
                         .committed_burst = *rc::gen::inRange<std::uint64_t>(0, 4 * kFrame),
                         .excess = *rc::gen::inRange<std::uint64_t>(0, 20'000'000'000),
                         .excess_burst = *rc::gen::inRange<std::uint64_t>(0, 4 * kFrame)};
  Instant now = Instant(hours(*rc::gen::inRange(0, 1000)));
  Meter meter(rates, now);
  std::vector<Passed> passed;
  const int steps = *rc::gen::inRange(1, 300);
  for (int i = 0; i < steps; ++i) {
    now += nanoseconds(*rc::gen::inRange(0, 4000));
    const auto units = *rc::gen::inRange<std::uint64_t>(512, kFrame);
    const Colour colour = meter.colour(units, now);
    if (colour == Colour::red) continue;
    meter.take(colour, units);
    passed.push_back({now, units, colour});
  }
  RC_ASSERT(conforms(passed, rates.committed, rates.committed_burst, true));
  RC_ASSERT(
      conforms(passed, rates.committed + rates.excess, rates.committed_burst + rates.excess_burst, false));
}

// Whatever the rate and however odd the moments of the calls: burst + rate t = admitted + what is left.
TEST(Meter, DoesNotDriftInADay) {
  for (const std::uint64_t rate :
       {std::uint64_t{1}, std::uint64_t{64'007}, std::uint64_t{999'999'937}, std::uint64_t{99'999'999'977}}) {
    const std::uint64_t burst = std::max<std::uint64_t>(kFrame, rate / 100);
    Bucket bucket(rate, burst);
    bucket.take(burst);
    Wide admitted = burst;
    Duration elapsed{};
    for (std::uint32_t step = 0; elapsed < hours(24); ++step) {
      const Duration by = nanoseconds(7'919'003 + step % 977 * 1013);  // never as long as the burst lasts
      elapsed += by;
      bucket.advance(by);
      const auto all = static_cast<std::uint64_t>(bucket.units());
      bucket.take(all);
      admitted += all;
    }
    const Wide earned = Wide{burst} * Bucket::kTokensPerUnit + Wide{rate} * elapsed.count();
    EXPECT_GE(earned, admitted * Bucket::kTokensPerUnit) << rate;
    EXPECT_LT(earned - admitted * Bucket::kTokensPerUnit, Bucket::kTokensPerUnit) << rate;
  }
}

TEST(Meter, HoldsItsRateOverASecond) {
  constexpr std::uint64_t kRate = 300'000'000;
  Instant now{};
  Meter meter({.committed = kRate, .committed_burst = 2 * kFrame}, now);
  while (meter.colour(kFrame, now) == Colour::green) meter.take(Colour::green, kFrame);
  std::uint64_t admitted = 0;
  for (const Instant end = now + seconds(1); now < end;) {
    now += nanoseconds(1231);  // a frame at 9.8 Gb/s: far more than may pass
    if (meter.colour(kFrame, now) != Colour::green) continue;
    meter.take(Colour::green, kFrame);
    admitted += kFrame;
  }
  EXPECT_NEAR(static_cast<double>(admitted), double{kRate}, 0.01 * kRate);
}

TEST(Meter, ColoursByCommittedThenExcess) {
  const Instant now{};
  Meter meter({.committed = 8, .committed_burst = 10, .excess = 8, .excess_burst = 20}, now);
  EXPECT_EQ(meter.colour(10, now), Colour::green);
  meter.take(Colour::green, 10);
  EXPECT_EQ(meter.colour(10, now), Colour::yellow);
  meter.take(Colour::yellow, 20);
  EXPECT_EQ(meter.colour(1, now), Colour::red);
  EXPECT_EQ(meter.colour(1, now + nanoseconds(124'999'999)), Colour::red);
  EXPECT_EQ(meter.colour(1, now + milliseconds(125)), Colour::green);
}

TEST(Meter, AClockThatGoesBackAddsNothing) {
  Instant now = Instant(seconds(10));
  Meter meter({.committed = 8, .committed_burst = 8}, now);
  meter.take(Colour::green, 8);
  EXPECT_EQ(meter.colour(8, now - seconds(5)), Colour::red);
  EXPECT_EQ(meter.colour(8, now + milliseconds(999)), Colour::red);
  EXPECT_EQ(meter.colour(8, now + seconds(1)), Colour::green);
}

RC_GTEST_PROP(Bucket, SaysExactlyWhenItCovers, ()) {
  const auto rate = *rc::gen::inRange<std::uint64_t>(1, 100'000'000'000);
  const auto burst = *rc::gen::inRange<std::uint64_t>(1, 1'000'000'000);
  const auto wanted = *rc::gen::inRange<std::uint64_t>(1, burst + 1);
  Bucket bucket(rate, burst);
  bucket.take(burst - *rc::gen::inRange<std::uint64_t>(0, wanted));
  const Duration wait = bucket.until(wanted);
  Bucket early = bucket;
  early.advance(wait - nanoseconds(1));
  RC_ASSERT(!early.covers(wanted));
  bucket.advance(wait);
  RC_ASSERT(bucket.covers(wanted));
  RC_ASSERT(bucket.until(burst + 1) == Bucket::kNever);
}

TEST(Bucket, SurvivesAnyPause) {
  Bucket bucket(~std::uint64_t{0}, Bucket::kMostBurst);
  bucket.take(Bucket::kMostBurst);
  bucket.advance(Duration::max());
  EXPECT_TRUE(bucket.covers(Bucket::kMostBurst));
  EXPECT_FALSE(bucket.covers(Bucket::kMostBurst + 1));
}

TEST(Limiter, WithoutRatesEverythingIsGreen) {
  Limiter limiter;
  EXPECT_FALSE(limiter.limits());
  EXPECT_EQ(limiter.judge({.bytes = 9000, .cost = 9000}, {}).colour, Colour::green);
}

TEST(Limiter, IsAsStrictAsItsStrictestMeasure) {
  const Instant now{};
  Limiter::Rates rates;
  rates[0] = MeterRates{.committed = 8000, .committed_burst = 80'000};
  rates[1] = MeterRates{.committed = 1, .committed_burst = 1, .excess = 1, .excess_burst = 1};
  rates[2] = MeterRates{.committed = 1, .committed_burst = 50};
  Limiter limiter(rates, now);
  const auto first = limiter.judge({.bytes = 100, .cost = 20}, now);
  EXPECT_EQ(first.colour, Colour::green);
  limiter.take(first, {.bytes = 100, .cost = 20});
  const auto second = limiter.judge({.bytes = 100, .cost = 20}, now);
  EXPECT_EQ(second.colour, Colour::yellow);  // of packets
  limiter.take(second, {.bytes = 100, .cost = 20});
  const auto third = limiter.judge({.bytes = 100, .cost = 20}, now);
  EXPECT_EQ(third.colour, Colour::red);
  EXPECT_EQ(third.measure(), Measure::packets);
  const auto dear = limiter.judge({.bytes = 100, .cost = 20}, now + seconds(1));
  EXPECT_EQ(dear.measure(), Measure::cost);
}

// A packet that one measure refuses has cost the others nothing.
TEST(Limiter, WhatIsRefusedTakesNothing) {
  const Instant now{};
  Limiter::Rates rates;
  rates[0] = MeterRates{.committed = 8, .committed_burst = 8000};
  rates[2] = MeterRates{.committed = 1, .committed_burst = 10};
  Limiter limiter(rates, now);
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(limiter.judge({.bytes = 1000, .cost = 11}, now).colour, Colour::red);
  EXPECT_EQ(limiter.judge({.bytes = 1000, .cost = 10}, now).colour, Colour::green);
}

TEST(Cost, GrowsWithBytesDescriptorsAndChecksums) {
  EXPECT_EQ(cost_of(64, false), 8u + 8 + 4);
  EXPECT_EQ(cost_of(64, true), 8u + 8 + 8);
  EXPECT_EQ(cost_of(2049, false), 8u + 16 + 129);
}

}  // namespace
}  // namespace ladon::qos
