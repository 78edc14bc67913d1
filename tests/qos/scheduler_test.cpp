#include "qos/scheduler.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "qos/link.h"

namespace ladon::qos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Link;

constexpr std::uint64_t kGigabit = 1'000'000'000;
constexpr std::uint32_t kLargest = 1514;

// Queues that never run empty, of frames of changing lengths.
struct Flood {
  explicit Flood(std::uint16_t flows) : frames(flows) {
    for (auto& frame : frames) frame = length();
  }
  std::uint32_t length() { return std::uniform_int_distribution<std::uint32_t>(60, kLargest)(random); }
  void feed(Link& link) {
    link.frame_sent = [this](std::uint16_t flow) { frames[flow] = length(); };
  }
  std::minstd_rand random{7};
  std::vector<std::uint32_t> frames;
};

struct Bench {
  explicit Bench(std::uint16_t flows, std::uint64_t capacity = 10 * kGigabit,
                 std::uint32_t starvation = std::uint32_t{8} << 20)
      : scheduler({.flows = flows, .quantum = kLargest, .starvation = starvation}, Instant{}),
        flood(flows),
        link(scheduler, capacity, flows, [this](std::uint16_t flow) { return flood.frames[flow]; }) {
    flood.feed(link);
  }
  void share(std::uint16_t flow, const Share& share) { scheduler.set_share(flow, share, link.now); }
  void start_all() {
    for (std::uint16_t flow = 0; flow < link.sent.size(); ++flow) link.start(flow);
  }
  double rate(std::uint16_t flow) const { return bits_per_second(link.sent[flow]); }
  double bits_per_second(std::uint64_t bytes) const {
    return static_cast<double>(bytes) * 8 / std::chrono::duration<double>(link.now - Instant{}).count();
  }
  Scheduler scheduler;
  Flood flood;
  Link link;
};

// At every moment, not only in the end: served bytes by weight differ by no more than a quantum and a frame
// each.
RC_GTEST_PROP(Scheduler, WeightedSharesHoldWithinOneQuantum, ()) {
  const auto flows = *rc::gen::inRange<std::uint16_t>(2, 12);
  Bench bench(flows);
  std::vector<double> weights;
  for (std::uint16_t flow = 0; flow < flows; ++flow) {
    const auto weight = *rc::gen::inRange<std::uint16_t>(1, kMostWeight + 1);
    bench.share(flow, {.weight = weight});
    weights.push_back(weight);
  }
  bench.link.on_sent = [&](std::uint16_t flow, std::uint32_t, Instant) {
    for (std::uint16_t other = 0; other < flows; ++other) {
      const double mine = static_cast<double>(bench.link.sent[flow]) / weights[flow];
      const double others = static_cast<double>(bench.link.sent[other]) / weights[other];
      RC_ASSERT(mine - others <= kLargest * (1 + 1 / weights[flow] + 1 / weights[other]));
    }
  };
  bench.start_all();
  bench.link.run(Instant(milliseconds(20)));
  RC_ASSERT(bench.link.idle == Duration::zero());
}

TEST(Scheduler, AMinimumRateIsHeldUnderFlood) {
  Bench bench(64);
  constexpr std::uint64_t kMinimum = 3 * kGigabit;
  bench.share(5, {.guaranteed = kMinimum, .guaranteed_burst = 2 * kLargest});
  for (std::uint16_t flow = 10; flow < 20; ++flow) bench.share(flow, {.priority = 7, .weight = 100});
  bench.start_all();
  bench.link.run(Instant(seconds(1)));
  EXPECT_GE(bench.rate(5), 0.99 * kMinimum);
  EXPECT_LE(bench.rate(5), 1.01 * kMinimum);  // its class gets nothing beside the flood of higher priority
}

TEST(Scheduler, MinimumRatesThatFillTheLinkAreAllHeld) {
  Bench bench(10);
  for (std::uint16_t flow = 0; flow < 9; ++flow)
    bench.share(flow, {.priority = static_cast<std::uint8_t>(flow % 8),
                       .guaranteed = kGigabit / 2 + flow * (kGigabit / 8),
                       .guaranteed_burst = 4 * kLargest});
  bench.share(9, {.priority = 7});
  bench.start_all();
  bench.link.run(Instant(seconds(1)));
  for (std::uint16_t flow = 0; flow < 9; ++flow)
    EXPECT_GE(bench.rate(flow), 0.99 * (kGigabit / 2 + flow * (kGigabit / 8.0))) << flow;
  EXPECT_EQ(bench.link.idle, Duration::zero());
}

RC_GTEST_PROP(Scheduler, AMaximumIsNeverExceeded, ()) {
  const auto flows = *rc::gen::inRange<std::uint16_t>(1, 6);
  Bench bench(flows);
  struct Passed {
    std::int64_t at;
    std::uint64_t bits;
  };
  std::vector<std::vector<Passed>> passed(flows);
  std::vector<Share> shares(flows);
  for (std::uint16_t flow = 0; flow < flows; ++flow) {
    shares[flow].most = *rc::gen::inRange<std::uint64_t>(100'000'000, 4 * kGigabit);
    shares[flow].most_burst = *rc::gen::inRange<std::uint64_t>(kLargest, 20'000);
    shares[flow].guaranteed = *rc::gen::element<std::uint64_t>(0, shares[flow].most / 2);
    shares[flow].guaranteed_burst = 2 * kLargest;
    shares[flow].priority = *rc::gen::inRange<std::uint8_t>(0, 8);
    bench.share(flow, shares[flow]);
  }
  bench.link.on_sent = [&](std::uint16_t flow, std::uint32_t bytes, Instant at) {
    passed[flow].push_back({at.time_since_epoch().count(), std::uint64_t{bytes} * 8});
  };
  bench.start_all();
  bench.link.run(Instant(milliseconds(2)));
  for (std::uint16_t flow = 0; flow < flows; ++flow)
    for (std::size_t first = 0; first < passed[flow].size(); ++first) {
      std::uint64_t sum = 0;
      for (std::size_t last = first; last < passed[flow].size(); ++last) {
        sum += passed[flow][last].bits;
        const auto time = static_cast<std::uint64_t>(passed[flow][last].at - passed[flow][first].at);
        RC_ASSERT(sum * kGigabit <= shares[flow].most * time + shares[flow].most_burst * 8 * kGigabit);
      }
    }
}

TEST(Scheduler, WhatOneMayNotHaveTheOthersGet) {
  for (const std::uint64_t limit : {1u, 10u, 100u, 300u, 500u, 700u, 900u}) {
    Bench bench(2, kGigabit);
    bench.share(1, {.most = limit * 1'000'000, .most_burst = 4 * kLargest});
    bench.start_all();
    bench.link.run(Instant(seconds(1)));
    EXPECT_GE(bench.bits_per_second(bench.link.total), 0.99 * kGigabit) << limit;
    const double limited = std::min(static_cast<double>(limit) * 1e6, kGigabit / 2.0);
    EXPECT_NEAR(bench.rate(1), limited, 0.01 * limited + 8.0 * 4 * kLargest) << limit;
  }
}

TEST(Scheduler, AMaximumIsReachedWhenTheLinkHasNothingElseToDo) {
  Bench bench(1);
  bench.share(0, {.most = 3 * kGigabit, .most_burst = 4 * kLargest});
  bench.start_all();
  bench.link.run(Instant(seconds(1)));
  EXPECT_GE(bench.rate(0), 0.99 * 3 * kGigabit);
}

TEST(Scheduler, PrioritiesAreStrictButNobodyStarves) {
  constexpr std::uint32_t kStarvation = 400'000;
  Bench bench(24, 10 * kGigabit, kStarvation);
  for (std::uint16_t flow = 0; flow < 24; ++flow)
    bench.share(flow, {.priority = static_cast<std::uint8_t>(flow % 8)});
  bench.start_all();
  // No priority waits for more than the bound and one quantum of each of the others.
  bench.link.on_sent = [&](std::uint16_t, std::uint32_t, Instant) {
    for (std::uint8_t priority = 0; priority < 8; ++priority)
      ASSERT_LE(bench.scheduler.passed(priority), kStarvation + 8 * kLargest);
  };
  bench.link.run(Instant(seconds(1)));
  std::uint64_t highest = 0;
  for (std::uint16_t flow = 0; flow < 24; ++flow) {
    EXPECT_GT(bench.link.sent[flow], 0u) << flow;
    if (flow % 8 == 7) highest += bench.link.sent[flow];
  }
  EXPECT_GE(static_cast<double>(highest), 0.97 * static_cast<double>(bench.link.total));
}

// A thousand of them with everything at once: nobody is forgotten, and the link is never idle.
TEST(Scheduler, ServesAThousandVnics) {
  constexpr std::uint16_t kFlows = 1024;
  Bench bench(kFlows, 100 * kGigabit, 1 << 20);
  for (std::uint16_t flow = 0; flow < kFlows; ++flow) {
    Share share{.priority = static_cast<std::uint8_t>(flow % 3),
                .weight = static_cast<std::uint16_t>(1 + flow % 4)};
    if (flow % 5 == 0) share.guaranteed = 40'000'000, share.guaranteed_burst = 2 * kLargest;
    if (flow % 7 == 0) share.most = 50'000'000, share.most_burst = 2 * kLargest;
    bench.share(flow, share);
  }
  bench.start_all();
  bench.link.run(Instant(seconds(1)));
  for (std::uint16_t flow = 0; flow < kFlows; ++flow) {
    EXPECT_GT(bench.link.sent[flow], 0u) << flow;
    EXPECT_GE(bench.rate(flow), flow % 5 == 0 ? 0.99 * 40e6 - 8.0 * kLargest : 0) << flow;
    EXPECT_LE(bench.rate(flow), flow % 7 == 0 ? 50e6 + 8.0 * 2 * kLargest : 1e12) << flow;
  }
  EXPECT_EQ(bench.link.idle, Duration::zero());
}

TEST(Scheduler, KeepsToTheCapacityAndUsesIt) {
  constexpr std::uint64_t kCapacity = 2 * kGigabit;
  Bench bench(3);  // on a faster link
  bench.scheduler.set_capacity(kCapacity, std::uint64_t{8} * 4 * kLargest, Instant{});
  bench.share(2, {.guaranteed = kGigabit, .guaranteed_burst = 2 * kLargest});
  bench.start_all();
  bench.link.run(Instant(seconds(1)));
  const double total = bench.bits_per_second(bench.link.total);
  EXPECT_LE(total, kCapacity + 8.0 * 4 * kLargest);
  EXPECT_GE(total, 0.99 * kCapacity);
  EXPECT_GE(bench.rate(2), 0.99 * kGigabit);
}

// Flows come and go, and their shares change, at any time; those that have something are served, and nobody
// else is named.
RC_GTEST_PROP(Scheduler, NamesOnlyThoseWhoHaveSomething, ()) {
  constexpr std::uint16_t kFlows = 6;
  Scheduler scheduler({.flows = kFlows, .quantum = kLargest, .starvation = 10'000}, Instant{});
  std::array<std::vector<std::uint32_t>, kFlows> queues;
  Instant now{};
  for (int step = 0; step < 300; ++step) {
    const auto flow = *rc::gen::inRange<std::uint16_t>(0, kFlows);
    auto& queue = queues[flow];
    switch (*rc::gen::inRange(0, 6)) {
      case 0: {
        Share share{.priority = *rc::gen::inRange<std::uint8_t>(0, 8), .weight = 2};
        share.guaranteed = *rc::gen::element<std::uint64_t>(0, 1'000'000, kGigabit);
        share.most = *rc::gen::element<std::uint64_t>(0, 2'000'000, kGigabit);
        share.guaranteed_burst = share.most_burst = 2 * kLargest;
        scheduler.set_share(flow, share, now);
        break;
      }
      case 1:
        scheduler.deactivate(flow);
        queue.clear();
        break;
      case 2:
      case 3: {
        const auto frame = *rc::gen::inRange<std::uint32_t>(60, kLargest + 1);
        queue.push_back(frame);
        if (queue.size() == 1) scheduler.activate(flow, *rc::gen::element<std::uint32_t>(1, frame), now);
        break;
      }
      default: {
        now += Duration(*rc::gen::inRange(0, 100'000));
        const auto turn = scheduler.next(now);
        if (!turn) break;
        auto& frames = queues[turn->flow];
        RC_ASSERT(!frames.empty());
        std::uint32_t bytes = 0;
        while (!frames.empty() && bytes + frames.front() <= turn->bytes) {
          bytes += frames.front();
          frames.erase(frames.begin());
        }
        scheduler.served(*turn, bytes, frames.empty() ? 0 : frames.front(), now);
      }
    }
    for (std::uint16_t i = 0; i < kFlows; ++i) RC_ASSERT(scheduler.active(i) == !queues[i].empty());
  }
  // In the end everything is sent, in the time that the slowest maximum rate takes.
  for (int turns = 0; scheduler.deadline(now) && turns < 100'000; ++turns) {
    now = std::max(now, *scheduler.deadline(now));
    const auto turn = scheduler.next(now);
    if (!turn) continue;
    auto& frames = queues[turn->flow];
    std::uint32_t bytes = 0;
    while (!frames.empty() && bytes + frames.front() <= turn->bytes) {
      bytes += frames.front();
      frames.erase(frames.begin());
    }
    scheduler.served(*turn, bytes, frames.empty() ? 0 : frames.front(), now);
  }
  for (const auto& queue : queues) RC_ASSERT(queue.empty());
}

}  // namespace
}  // namespace ladon::qos
