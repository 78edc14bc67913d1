// A figure as data: what was assumed, what was measured, what the closed forms say; for a program as JSON,
// for a person as a table and a picture.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "figures/model.h"
#include "figures/statistics.h"

namespace ladon::figures {

enum class Source : unsigned char { live, closed_form };
[[nodiscard]] std::string_view name(Source source);

// Rates in replies a second. Closed forms have intervals of one value.
struct Point {
  double x = 0;  // what the figure varies
  Estimate vm1, vm2, total;
  Source source = Source::live;
  std::string form;  // "live, limit in the host", "open loop, phi = 0.93"
  std::vector<Utilization> utilizations;
  // What else was counted in a live point: "refused_frames_per_s".
  std::vector<std::pair<std::string, double>> counted;
};

// One assumption or fact, with its unit in its name or text.
struct Fact {
  std::string name, value, why;
};

struct Figure {
  std::string name;     // "fig1": of its files
  std::string title;    // of the picture
  std::string x_name;   // key in the JSON: "limit"
  std::string x_label;  // of the axis
  std::vector<Fact> assumptions, machine;
  std::vector<Point> points;
  std::vector<std::string> remarks;  // what came out differently, and why

  // Every utilization of every point is feasible.
  [[nodiscard]] bool feasible() const;
};

[[nodiscard]] std::string to_json(const Figure& figure);
[[nodiscard]] std::string to_text(const Figure& figure);
[[nodiscard]] std::string to_svg(const Figure& figure);

}  // namespace ladon::figures
