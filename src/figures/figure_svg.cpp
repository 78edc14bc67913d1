#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "figures/chart.h"
#include "figures/figure.h"

namespace ladon::figures {
namespace {

Mark mark_of(double x, const Estimate& estimate) {
  return {.x = x, .y = estimate.mean, .low = estimate.low, .high = estimate.high};
}

// The points of one form in the order of x, as three series.
void add_form(Chart& chart, const Figure& figure, const std::string& form, unsigned nth) {
  std::vector<const Point*> points;
  for (const Point& point : figure.points)
    if (point.form == form) points.push_back(&point);
  std::ranges::sort(points, {}, [](const Point* point) { return point->x; });
  const bool curve = points.front()->source == Source::closed_form;
  constexpr std::array<std::pair<std::string_view, Estimate Point::*>, 3> kParts = {
      {{"VM1", &Point::vm1}, {"VM2", &Point::vm2}, {"both", &Point::total}}};
  for (unsigned part = 0; part < kParts.size(); ++part) {
    // Beyond the first form only what differs from form to form is shown.
    if (figure.x_name != "limit" && part != 0) continue;
    Series series{.label = fmt::format("{}, {}", kParts[part].first, form),
                  .colour = figure.x_name != "limit" ? nth : part,
                  .curve = curve,
                  .dashed = curve && nth > 1};
    for (const Point* point : points) series.marks.push_back(mark_of(point->x, point->*kParts[part].second));
    chart.series.push_back(std::move(series));
  }
}

}  // namespace

std::string to_svg(const Figure& figure) {
  Chart chart{.title = figure.title, .x_label = figure.x_label, .y_label = "replies a second"};
  std::vector<std::string> forms;
  for (const Point& point : figure.points)
    if (std::ranges::find(forms, point.form) == forms.end()) forms.push_back(point.form);
  for (unsigned i = 0; i < forms.size(); ++i) add_form(chart, figure, forms[i], i);
  for (const auto* facts : {&figure.assumptions, &figure.machine})
    for (const Fact& fact : *facts) chart.notes.push_back(fmt::format("{}: {}", fact.name, fact.value));
  return draw(chart);
}

}  // namespace ladon::figures
