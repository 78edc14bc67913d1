#include "figures/figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/table.h"

namespace ladon::figures {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const Estimate& estimate) {
  return {{"low", estimate.low}, {"high", estimate.high}};
}

ordered_json to_json(const Point& point, const std::string& x_name) {
  ordered_json utilizations = ordered_json::object(), counted = ordered_json::object();
  for (const auto& u : point.utilizations) utilizations[u.station] = u.value;
  for (const auto& [key, value] : point.counted) counted[key] = value;
  return {{x_name, point.x},
          {"vm1", point.vm1.mean},
          {"vm2", point.vm2.mean},
          {"total", point.total.mean},
          {"source", name(point.source)},
          {"form", point.form},
          {"repetitions", point.vm1.repetitions},
          {"intervals",
           {{"vm1", to_json(point.vm1)}, {"vm2", to_json(point.vm2)}, {"total", to_json(point.total)}}},
          {"utilizations", utilizations},
          {"counted", counted}};
}

ordered_json to_json(const std::vector<Fact>& facts) {
  ordered_json all = ordered_json::object();
  for (const Fact& fact : facts) {
    all[fact.name] = {{"value", fact.value}};
    if (!fact.why.empty()) all[fact.name]["why"] = fact.why;
  }
  return all;
}

std::string with_interval(const Estimate& estimate) {
  if (estimate.repetitions < 2) return fmt::format("{:.1f}", estimate.mean);
  return fmt::format("{:.1f} +- {:.1f}", estimate.mean, estimate.high - estimate.mean);
}

std::string facts_text(std::string_view title, const std::vector<Fact>& facts) {
  std::string text = fmt::format("{}\n", title);
  for (const Fact& fact : facts)
    text += fmt::format("  {}: {}{}{}\n", fact.name, fact.value, fact.why.empty() ? "" : "; ", fact.why);
  return text;
}

}  // namespace

std::string_view name(Source source) {
  return source == Source::live ? "live" : "closed_form";
}

bool Figure::feasible() const {
  return std::ranges::all_of(points,
                             [](const Point& point) { return figures::feasible(point.utilizations); });
}

std::string to_json(const Figure& figure) {
  ordered_json points = ordered_json::array();
  for (const Point& point : figure.points) points.push_back(to_json(point, figure.x_name));
  const ordered_json all = {{"figure", figure.name},
                            {"title", figure.title},
                            {"unit", "replies a second"},
                            {"interval", "95 % of the mean (Student's t)"},
                            {"assumptions", to_json(figure.assumptions)},
                            {"machine", to_json(figure.machine)},
                            {"utilizations_at_most_1", figure.feasible()},
                            {"remarks", figure.remarks},
                            {"points", points}};
  return all.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string to_text(const Figure& figure) {
  Table table({{figure.x_name, Align::right},
               {"VM1", Align::right},
               {"VM2", Align::right},
               {"total", Align::right},
               {"from"}});
  for (const Point& point : figure.points)
    table.add_row({fmt::format("{:g}", point.x), with_interval(point.vm1), with_interval(point.vm2),
                   with_interval(point.total), point.form});
  std::string text = fmt::format("{}: {} (replies a second, +-: 95 % of the mean)\n{}", figure.name,
                                 figure.title, table.to_string());
  text += facts_text("assumed:", figure.assumptions);
  for (const auto& remark : figure.remarks) text += fmt::format("note: {}\n", remark);
  return text;
}

}  // namespace ladon::figures
