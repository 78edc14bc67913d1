// A line chart as SVG: marks with interval bars, and curves.
#pragma once

#include <string>
#include <vector>

namespace ladon::figures {

struct Mark {
  double x = 0, y = 0;
  double low = 0, high = 0;  // of its interval; equal: no bar
};

struct Series {
  std::string label;        // in the legend
  unsigned colour = 0;      // of the palette, in turn
  bool curve = false;       // marks joined by a line and not shown; otherwise circles with bars
  bool dashed = false;      // of a curve
  std::vector<Mark> marks;  // by x
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::vector<std::string> notes;  // below the picture, a line each
};

// The least of 1, 2, 2.5 and 5 times a power of ten that divides `span` > 0 into at most `most` steps.
[[nodiscard]] double step_of(double span, unsigned most);

// Both axes begin at 0 and end at a step above the largest value.
[[nodiscard]] std::string draw(const Chart& chart);

}  // namespace ladon::figures
