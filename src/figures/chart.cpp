#include "figures/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/svg.h"

namespace ladon::figures {
namespace {

constexpr double kWidth = 760, kLeft = 70, kTop = 56, kPlotWidth = 660, kPlotHeight = 360;
constexpr double kLegendRow = 18, kNoteRow = 15, kBelowAxis = 56, kTick = 5, kSample = 26, kAside = 5;

// Okabe and Ito's palette, which colour-blind people tell apart. The card is opaque: it looks the same on a
// dark page.
constexpr std::string_view kStyle =
    R"(text { font-family: system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: 12px; fill: #24292f }
.card { fill: #ffffff; stroke: #d0d7de }
.title { font-size: 17px; font-weight: 600 }
.note { font-size: 11px; fill: #57606a }
.axis { stroke: #24292f; stroke-width: 1.2 }
.grid { stroke: #e7eaee; stroke-width: 1 }
.c0 { stroke: #0072B2; stroke-width: 1.8 } .m0 { fill: #0072B2 }
.c1 { stroke: #D55E00; stroke-width: 1.8 } .m1 { fill: #D55E00 }
.c2 { stroke: #24292f; stroke-width: 1.8 } .m2 { fill: #24292f }
.c3 { stroke: #009E73; stroke-width: 1.8 } .m3 { fill: #009E73 }
.dashed { stroke-dasharray: 2 3; stroke-width: 1.2 })";
constexpr unsigned kColours = 4;

std::string line_class(const Series& series) {
  return fmt::format("c{}{}", series.colour % kColours, series.dashed ? " dashed" : "");
}
std::string mark_class(const Series& series) {
  return fmt::format("m{}", series.colour % kColours);
}

struct Axis {
  double step = 1, end = 1;
};
Axis axis_for(double largest, unsigned most_steps) {
  const double step = step_of(std::max(largest, 1e-9), most_steps);
  return {.step = step, .end = step * std::ceil(largest / step * (1 - 1e-9))};
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart), svg_(kWidth, height(chart), chart.title, kStyle) {
    double x = 0, y = 0;
    for (const Series& series : chart.series)
      for (const Mark& mark : series.marks) {
        x = std::max(x, mark.x);
        y = std::max({y, mark.y, mark.high});
      }
    x_ = axis_for(x, 10);
    y_ = axis_for(y, 8);
  }

  std::string run() {
    svg_.rect({0.5, 0.5, kWidth - 1, height(chart_) - 1}, "card");
    svg_.text(kLeft, 30, chart_.title, "title");
    axes();
    for (const Series& series : chart_.series) draw(series);
    legend();
    return svg_.finish();
  }

 private:
  static double height(const Chart& chart) {
    const std::size_t legend_rows = (chart.series.size() + 1) / 2;
    return kTop + kPlotHeight + kBelowAxis + kLegendRow * static_cast<double>(legend_rows) +
           kNoteRow * static_cast<double>(chart.notes.size()) + 12;
  }
  [[nodiscard]] double at_x(double x) const { return kLeft + kPlotWidth * x / x_.end; }
  [[nodiscard]] double at_y(double y) const {
    return kTop + kPlotHeight * (1 - std::clamp(y / y_.end, 0.0, 1.0));
  }

  void axes() {
    const double bottom = kTop + kPlotHeight, right = kLeft + kPlotWidth;
    for (int i = 0; i * y_.step <= y_.end * (1 + 1e-9); ++i) {
      const double value = i * y_.step, y = at_y(value);
      svg_.line(kLeft, y, right, y, "grid");
      svg_.text(kLeft - 8, y + 4, svg_number(value), "", Svg::Anchor::end);
    }
    for (int i = 0; i * x_.step <= x_.end * (1 + 1e-9); ++i) {
      const double value = i * x_.step, x = at_x(value);
      svg_.line(x, bottom, x, bottom + kTick, "axis");
      svg_.text(x, bottom + 19, svg_number(value), "", Svg::Anchor::middle);
    }
    svg_.line(kLeft, bottom, right, bottom, "axis");
    svg_.line(kLeft, kTop, kLeft, bottom, "axis");
    svg_.text(kLeft + kPlotWidth / 2, bottom + 38, chart_.x_label, "", Svg::Anchor::middle);
    svg_.text(kLeft - 54, kTop - 10, chart_.y_label, "");
  }

  void draw(const Series& series) {
    svg_.open_group(series.label);
    for (std::size_t i = 0; i < series.marks.size(); ++i) {
      const Mark& mark = series.marks[i];
      if (!series.curve)
        point(mark, series);
      else if (i > 0)
        svg_.line(at_x(series.marks[i - 1].x), at_y(series.marks[i - 1].y), at_x(mark.x), at_y(mark.y),
                  line_class(series));
    }
    svg_.close_group();
  }

  void point(const Mark& mark, const Series& series) {
    // Side by side, so that bars of the same x can be told apart.
    const double aside = (static_cast<double>(series.colour % kColours) - 1) * kAside;
    const double x = at_x(mark.x) + aside, low = at_y(mark.low), high = at_y(mark.high);
    if (mark.low < mark.high) {
      svg_.line(x, low, x, high, line_class(series));
      for (const double end : {low, high}) svg_.line(x - 4, end, x + 4, end, line_class(series));
    }
    svg_.circle(x, at_y(mark.y), 4, mark_class(series));
  }

  void legend() {
    double y = kTop + kPlotHeight + kBelowAxis;
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      const Series& series = chart_.series[i];
      const double x = i % 2 == 0 ? kLeft : kLeft + kPlotWidth / 2;
      if (series.curve)
        svg_.line(x, y, x + kSample, y, line_class(series));
      else
        svg_.circle(x + kSample / 2, y, 4, mark_class(series));
      svg_.text(x + kSample + 8, y + 4, series.label, "");
      if (i % 2 == 1 || i + 1 == chart_.series.size()) y += kLegendRow;
    }
    y += 4;
    for (const auto& note : chart_.notes) {
      svg_.text(kLeft, y + 2, note, "note");
      y += kNoteRow;
    }
  }

  const Chart& chart_;
  Svg svg_;
  Axis x_, y_;
};

}  // namespace

double step_of(double span, unsigned most) {
  const double least = span / most;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0})
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

std::string draw(const Chart& chart) {
  return Drawing(chart).run();
}

}  // namespace ladon::figures
