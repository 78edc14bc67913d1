#include "goals.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/table.h"

namespace ladon::bench {

namespace {

struct Measured {
  Goal goal;
  double value = 0;
  std::optional<Interval> interval = std::nullopt;
  [[nodiscard]] bool met() const { return goal.most ? value <= goal.bound : value >= goal.bound; }
};

std::vector<Measured>& all() {
  static std::vector<Measured> goals;
  return goals;
}

std::string text(const Goal& goal, double value) {
  if (goal.unit == "%") return fmt::format("{:.4g} %", 100 * value);
  return fmt::format("{:.4g}{}{}", value, goal.unit.empty() ? "" : " ", goal.unit);
}

std::string text(const Measured& each) {
  const std::string value = text(each.goal, each.value);
  if (!each.interval) return value;
  return fmt::format("{} ({} to {})", value, text(each.goal, each.interval->low),
                     text(each.goal, each.interval->high));
}

}  // namespace

void report_goal(benchmark::State& state, const Goal& goal, double measured,
                 const std::optional<Interval>& interval) {
  const Measured now{goal, measured, interval};
  state.counters["goal"] = goal.bound;
  state.counters["measured"] = measured;
  state.counters["met"] = now.met() ? 1 : 0;
  if (interval) {
    state.counters["low"] = interval->low;
    state.counters["high"] = interval->high;
  }
  const auto before =
      std::ranges::find(all(), goal.what, [](const Measured& each) { return each.goal.what; });
  if (before != all().end())
    *before = now;
  else
    all().push_back(now);
}

std::string goal_table() {
  if (all().empty()) return {};
  Table table({{"goal"}, {"bound", Align::right}, {"measured", Align::right}, {""}});
  for (const Measured& each : all())
    table.add_row({each.goal.what,
                   fmt::format("{} {}", each.goal.most ? "<=" : ">=", text(each.goal, each.goal.bound)),
                   text(each), each.met() ? "met" : "NOT MET"});
  return table.to_string();
}

}  // namespace ladon::bench
