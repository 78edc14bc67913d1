#include "qos/level.h"

#include <gmock/gmock.h>

#include "qos/offload_contexts.h"

namespace ladon::qos {
namespace {

constexpr std::uint64_t kGigabit = 1'000'000'000;
constexpr Headroom kLeft{.receive = 4 * kGigabit, .transmit = 2 * kGigabit, .memory = 1 << 20};

LevelRefusal refusal_of(const ServiceLevel& level) {
  return refuse(level, kLeft, 1514).value_or(LevelRefusal{});
}

TEST(ServiceLevel, NothingPromisedIsAlwaysPossible) {
  EXPECT_FALSE(refuse({}, {}, 9728));
  EXPECT_FALSE(Limiter(limiter_rates({}), {}).limits());
}

TEST(ServiceLevel, WhatFitsIsAccepted) {
  ServiceLevel level;
  level.receive = {.guaranteed = 4 * kGigabit, .most = 8 * kGigabit, .burst = 1514};
  level.transmit = {.guaranteed = 2 * kGigabit};
  level.memory = {.guaranteed = 1 << 20, .most = 1 << 21};
  EXPECT_EQ(refusal_of(level).error, LevelError::none);
}

TEST(ServiceLevel, RefusalsNameWhatIsShort) {
  const auto with = [](auto change) {
    ServiceLevel level;
    change(level);
    return refusal_of(level);
  };
  const auto receive = with([](ServiceLevel& l) { l.receive.guaranteed = 4 * kGigabit + 1; });
  EXPECT_EQ(receive.error, LevelError::receive_rate_short);
  EXPECT_EQ(receive.wanted, 4 * kGigabit + 1);
  EXPECT_EQ(receive.left, 4 * kGigabit);
  EXPECT_EQ(with([](ServiceLevel& l) { l.transmit.guaranteed = 3 * kGigabit; }).error,
            LevelError::transmit_rate_short);
  const auto memory = with([](ServiceLevel& l) { l.memory = {.guaranteed = 2 << 20, .most = 2 << 20}; });
  EXPECT_EQ(memory.error, LevelError::memory_short);
  EXPECT_EQ(memory.left, std::uint64_t{1} << 20);
  EXPECT_EQ(with([](ServiceLevel& l) { l.memory = {.guaranteed = 4096, .most = 4095}; }).error,
            LevelError::memory_cap_below_guarantee);
  EXPECT_EQ(with([](ServiceLevel& l) { l.memory = {4096, 4096, 4097}; }).error,
            LevelError::memory_lend_above_guarantee);
  const auto reserve = with([](ServiceLevel& l) { l.memory = {4096, 4096, 4096 - 1513}; });
  EXPECT_EQ(reserve.error, LevelError::memory_reserve_below_frame);
  EXPECT_EQ(reserve.left, 1514u);
  EXPECT_EQ(with([](ServiceLevel& l) { l.memory = {4096, 4096, 4096 - 1514}; }).error, LevelError::none);
  EXPECT_EQ(with([](ServiceLevel& l) { l.memory = {.guaranteed = 0, .most = 1513}; }).error,
            LevelError::memory_below_frame);
  EXPECT_EQ(with([](ServiceLevel& l) { l.receive = {.guaranteed = 2, .most = 1}; }).error,
            LevelError::maximum_below_guarantee);
  const auto burst = with([](ServiceLevel& l) { l.transmit = {.most = kGigabit, .burst = 1513}; });
  EXPECT_EQ(burst.error, LevelError::burst_below_frame);
  EXPECT_EQ(burst.left, 1514u);
  EXPECT_EQ(with([](ServiceLevel& l) { l.receive_cost = {.most = 1000, .burst = 10}; }).error,
            LevelError::burst_below_frame);
  EXPECT_EQ(with([](ServiceLevel& l) { l.receive = {.most = 1, .burst = std::uint64_t{1} << 40}; }).error,
            LevelError::burst_too_large);
  EXPECT_EQ(with([](ServiceLevel& l) { l.transmit_turns.weight = 0; }).error,
            LevelError::weight_out_of_range);
  EXPECT_EQ(with([](ServiceLevel& l) { l.receive_turns.priority = 8; }).error,
            LevelError::priority_out_of_range);
}

TEST(ServiceLevel, EveryErrorHasAName) {
  for (int error = 0; error < static_cast<int>(LevelError::count_); ++error)
    EXPECT_NE(name(static_cast<LevelError>(error)), "?") << error;
}

TEST(ServiceLevel, TheLimiterHasCommittedAndExcess) {
  ServiceLevel level;
  level.receive = {.guaranteed = 1000, .most = 3000, .burst = 2000};
  const auto bits = limiter_rates(level)[0].value();
  EXPECT_EQ(bits.committed, 1000u);
  EXPECT_EQ(bits.excess, 2000u);
  EXPECT_EQ(bits.committed_burst, 16'000u);
  EXPECT_EQ(bits.excess_burst, 16'000u);
  level.receive.guaranteed = 0;
  EXPECT_EQ(limiter_rates(level)[0]->committed_burst, 0u);
  level.receive.guaranteed = level.receive.most;
  EXPECT_EQ(limiter_rates(level)[0]->excess_burst, 0u);
}

TEST(ServiceLevel, TheDefaultBurstIsAboutFiveMilliseconds) {
  EXPECT_EQ(default_burst({.most = 4 * kGigabit}, Measure::bits), 2'500'000u);
  EXPECT_EQ(default_burst({.most = 1'000'000}, Measure::bits), 65'536u);
  EXPECT_EQ(default_burst({.most = 1'000'000}, Measure::packets), 5000u);
}

TEST(OffloadContexts, AreSizedFromThePartition) {
  Partitions memory(1 << 20, 2);
  OffloadContexts contexts(memory, 1);
  EXPECT_EQ(contexts.take(ContextKind::segmentation), OffloadContexts::Taken::never);
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 32 << 10, .most = 32 << 10}));
  EXPECT_EQ(contexts.most(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(contexts.take(ContextKind::segmentation), OffloadContexts::Taken::yes);
  EXPECT_EQ(contexts.take(ContextKind::segmentation), OffloadContexts::Taken::later);
  EXPECT_EQ(contexts.take(ContextKind::coalescing), OffloadContexts::Taken::yes);
  EXPECT_EQ(memory.held(1), 5u * kContextBytes);
  contexts.give_back(ContextKind::segmentation);
  EXPECT_EQ(contexts.take(ContextKind::segmentation), OffloadContexts::Taken::yes);
  ASSERT_TRUE(memory.resize(1, {.guaranteed = 1 << 20, .most = 1 << 20}));
  EXPECT_EQ(contexts.most(), kMostContexts);
}

TEST(OffloadContexts, WaitWhileFramesFillThePartition) {
  Partitions memory(1 << 20, 1);
  ASSERT_TRUE(memory.resize(0, {.guaranteed = 16 << 10, .most = 16 << 10}));
  OffloadContexts contexts(memory, 0);
  memory.hold(0, (16 << 10) - kContextBytes + 1);
  EXPECT_EQ(contexts.take(ContextKind::segmentation), OffloadContexts::Taken::later);
  memory.release(0, 1);
  EXPECT_EQ(contexts.take(ContextKind::segmentation), OffloadContexts::Taken::yes);
  EXPECT_EQ(memory.held(0), memory.size(0).most);
}

}  // namespace
}  // namespace ladon::qos
