// Goals that were set beforehand, each beside what was measured: counters of a benchmark's report, and one
// table in the end.
#pragma once

#include <benchmark/benchmark.h>

#include <optional>
#include <string>

namespace ladon::bench {

// `most`: the goal is an upper bound, otherwise a lower one.
struct Goal {
  std::string what;
  double bound = 0;
  bool most = true;
  std::string unit = "";  // "%": shares of one are printed as per cent
};

// In which the measured value lies with 95 %.
struct Interval {
  double low = 0, high = 0;
};

// Counters goal, measured and met (1 or 0) of `state`, low and high if there is an interval, and a line of
// the table. The last one counts if a goal is measured again.
void report_goal(benchmark::State& state, const Goal& goal, double measured,
                 const std::optional<Interval>& interval = std::nullopt);

// The table of all goals reported so far; empty if there are none.
[[nodiscard]] std::string goal_table();

}  // namespace ladon::bench
