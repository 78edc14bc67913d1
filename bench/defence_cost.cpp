#include "defence_cost.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "disturbance.h"
#include "figures/statistics.h"
#include "goals.h"
#include "stream.h"

namespace ladon::bench {
namespace {

constexpr std::size_t kBatches = 201;  // of each rack, a round
constexpr std::size_t kWarm = 8;       // batches before that

// A rack, its stream, and what disturbs it.
class Side {
 public:
  Side(Layout layout, Before before, std::size_t bytes)
      : bed_({.layout = layout, .neighbour = before == Before::thrashing}),
        stream_(bed_, bytes),
        disturbance_(bed_, before) {
    for (std::size_t i = 0; i < kWarm; ++i) (void)batch();
    batches_ = followed_ = 0;
  }
  void measure() {
    const double seconds = batch();
    if (seconds != 0) seconds_.push_back(seconds / Stream::kBatch);
  }
  // Ways followed, a batch.
  [[nodiscard]] double followed() const {
    return static_cast<double>(followed_) / static_cast<double>(batches_);
  }
  // Of a frame.
  [[nodiscard]] double seconds() {
    if (seconds_.empty()) throw std::runtime_error("no batch went through whole");
    return median(seconds_);
  }

 private:
  // 0 for one that was not whole.
  double batch() {
    disturbance_.run();
    const std::uint64_t before = bed_.machine().live().followed();
    const Stream::Batch made = stream_.batch();
    followed_ += bed_.machine().live().followed() - before;
    ++batches_;
    return made.sent == Stream::kBatch && made.received == Stream::kBatch ? made.seconds : 0;
  }

  RackBed bed_;
  Stream stream_;
  Disturbance disturbance_;
  std::vector<double> seconds_;
  std::uint64_t batches_ = 0, followed_ = 0;
};

struct Cost {
  std::vector<double> costs, local, defended;  // by round
  double followed_local = 0, followed_defended = 0;
};

void add_round(Cost& cost, Before before, std::size_t bytes) {
  Side local(Layout::local, before, bytes), defended(Layout::across_hosts, before, bytes);
  // Either goes first as often as the other.
  for (std::size_t i = 0; i < kBatches; ++i) {
    (i % 2 == 0 ? local : defended).measure();
    (i % 2 == 0 ? defended : local).measure();
  }
  cost.local.push_back(local.seconds());
  cost.defended.push_back(defended.seconds());
  cost.followed_local = local.followed();
  cost.followed_defended = defended.followed();
  cost.costs.push_back(cost.defended.back() / cost.local.back() - 1);
}

void report(benchmark::State& state, const std::string& what, const Cost& cost) {
  const figures::Estimate estimate = figures::estimate(cost.costs);
  state.counters["least"] = std::ranges::min(cost.costs);
  state.counters["most"] = std::ranges::max(cost.costs);
  state.counters["rounds"] = estimate.repetitions;
  state.counters["nanoseconds_local"] = 1e9 * figures::estimate(cost.local).mean;
  state.counters["nanoseconds_defended"] = 1e9 * figures::estimate(cost.defended).mean;
  state.counters["resolutions_local"] = cost.followed_local;
  state.counters["resolutions_defended"] = cost.followed_defended;
  report_goal(state, {what, 0.03, true, "%"}, estimate.mean, Interval{estimate.low, estimate.high});
}

}  // namespace

unsigned take_rounds(int& argc, char** argv) {
  unsigned rounds = kFewestRounds;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--rounds" && i + 1 < argc)
      rounds = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
    else if (argument.starts_with("--rounds="))
      rounds =
          static_cast<unsigned>(std::strtoul(argv[i] + std::string_view("--rounds=").size(), nullptr, 10));
    else
      argv[kept++] = argv[i];
  }
  argc = kept;
  return std::max(rounds, kFewestRounds);
}

void register_defence_costs(unsigned rounds) {
  struct State {
    const char* name;
    Before before;
    const char* words;
  };
  for (const State& each : {State{"cached", Before::nothing, "cached"},
                            State{"cold", Before::remapping, "each batch of 128 with a cold cache"},
                            State{"thrashed", Before::thrashing, "beside a neighbour that thrashes"}})
    for (const std::size_t bytes : kFrameSizes) {
      const auto measure = [=](benchmark::State& state) {
        Cost cost;
        for (auto _ : state)
          for (unsigned round = 0; round < rounds; ++round) add_round(cost, each.before, bytes);
        report(state, fmt::format("all defences against local SR-IOV, {} bytes, {}", bytes, each.words),
               cost);
      };
      benchmark::RegisterBenchmark(fmt::format("cost/{}/{}", each.name, bytes).c_str(), measure)
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
    }
}

}  // namespace ladon::bench
