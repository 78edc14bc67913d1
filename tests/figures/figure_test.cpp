#include "figures/figure.h"

#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "figures/chart.h"

namespace ladon::figures {
namespace {

using ::testing::HasSubstr;

Figure example() {
  Figure figure{.name = "fig1", .title = "A < B", .x_name = "limit", .x_label = "limit of VM2"};
  figure.assumptions = {{"capacity", "900 replies/s", "what is published"}};
  figure.machine = {{"processors", "2", ""}};
  const std::array vm1 = {440.0, 450.0, 460.0}, vm2 = {49.0, 50.0, 51.0}, total = {489.0, 500.0, 511.0};
  figure.points.push_back({.x = 50,
                           .vm1 = estimate(vm1),
                           .vm2 = estimate(vm2),
                           .total = estimate(total),
                           .form = "live",
                           .counted = {{"refusals_per_s", 400}}});
  const Rates rates = open_loop({.burnt = 1}, 50);
  for (const double x : {50.0, 100.0})
    figure.points.push_back({.x = x,
                             .vm1 = {rates.vm1, rates.vm1, rates.vm1, 1},
                             .vm2 = {rates.vm2, rates.vm2, rates.vm2, 1},
                             .total = {rates.total(), rates.total(), rates.total(), 1},
                             .source = Source::closed_form,
                             .form = "open loop",
                             .utilizations = rates.utilizations});
  return figure;
}

TEST(Estimate, IsStudents) {
  const std::array values = {440.0, 450.0, 460.0};
  const Estimate made = estimate(values);
  EXPECT_DOUBLE_EQ(made.mean, 450);
  EXPECT_NEAR(made.high - made.mean, 4.303 * 10 / std::sqrt(3.0), 1e-9);
  EXPECT_NEAR(made.mean - made.low, made.high - made.mean, 1e-9);
}

TEST(Estimate, OfOneValueIsThatValue) {
  const std::array values = {7.0};
  EXPECT_EQ(estimate(values), (Estimate{7, 7, 7, 1}));
  EXPECT_EQ(estimate({}).repetitions, 0u);
}

TEST(Figure, SaysAllAsJson) {
  const auto json = nlohmann::json::parse(to_json(example()));
  EXPECT_EQ(json["figure"], "fig1");
  EXPECT_EQ(json["assumptions"]["capacity"]["value"], "900 replies/s");
  ASSERT_EQ(json["points"].size(), 3u);
  const auto& live = json["points"][0];
  EXPECT_EQ(live["source"], "live");
  EXPECT_EQ(live["limit"], 50);
  EXPECT_EQ(live["vm1"], 450);
  EXPECT_EQ(live["repetitions"], 3);
  EXPECT_LT(live["intervals"]["vm1"]["low"].get<double>(), 450);
  EXPECT_EQ(json["points"][1]["source"], "closed_form");
  EXPECT_NEAR(json["points"][1]["utilizations"]["device"].get<double>(), 1, 1e-9);
  EXPECT_EQ(json["utilizations_at_most_1"], true);
}

TEST(Figure, SaysWhenAStationIsMoreThanBusy) {
  Figure figure = example();
  figure.points.back().utilizations = {{"device", 1.01}};
  EXPECT_FALSE(figure.feasible());
  EXPECT_THAT(to_json(figure), HasSubstr("\"utilizations_at_most_1\": false"));
}

TEST(Figure, PrintsWhatWasAssumed) {
  EXPECT_THAT(to_text(example()), HasSubstr("capacity: 900 replies/s; what is published"));
  EXPECT_THAT(to_text(example()), HasSubstr("450.0 +- 24.8"));
}

TEST(Figure, DrawsPointsWithTheirIntervalsBesideCurves) {
  const std::string svg = to_svg(example());
  EXPECT_THAT(svg, HasSubstr("A &lt; B"));
  EXPECT_THAT(svg, HasSubstr("<circle class=\"m0\""));
  EXPECT_THAT(svg, HasSubstr("<title>VM1, open loop</title>"));
  EXPECT_THAT(svg, HasSubstr("limit of VM2"));
}

TEST(Chart, StepsAreRoundNumbers) {
  EXPECT_DOUBLE_EQ(step_of(900, 8), 200);
  EXPECT_DOUBLE_EQ(step_of(850, 10), 100);
  EXPECT_DOUBLE_EQ(step_of(0.3, 10), 0.05);
  EXPECT_DOUBLE_EQ(step_of(100, 10), 10);
}

TEST(Chart, WithoutPointsIsStillAPicture) {
  EXPECT_THAT(draw({.title = "empty"}), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace ladon::figures
