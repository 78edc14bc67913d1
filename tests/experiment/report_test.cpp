#include "experiment/report.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace ladon::experiment {
namespace {

using ::testing::HasSubstr;

constexpr Calibration kCalibration{
    .bytes = 400, .frames = 5, .unlimited = 2000, .capacity = 450, .carried = 449};

// VM2 asks for 225 requests a second, gets `replies`, and what it does not get costs the device `cost` bytes.
Series series(double limit, double vm1, double replies, double cost) {
  Outcome outcome;
  outcome[0] = {.asked = vm1, .replies = vm1, .device_bytes = vm1 * kCalibration.bytes};
  outcome[1] = {.asked = 225,
                .replies = replies,
                .refused = 225 - replies,
                .device_bytes = replies * kCalibration.bytes + (225 - replies) * cost};
  return {.x = limit, .outcomes = {outcome, outcome}};
}

Measured measured(double cost) {
  return {.form = "live",
          .calibration = kCalibration,
          .series = {series(25, 225, 25, cost), series(425, 225, 225, cost)}};
}

std::string value_of(const figures::Figure& figure, std::string_view name) {
  const auto fact = std::ranges::find(figure.assumptions, name, &figures::Fact::name);
  return fact != figure.assumptions.end() ? fact->value : "";
}

TEST(Plan, LimitsAndLoadsAreScaledWithTheCapacity) {
  const auto settings = limit_settings(Plan{}, kCalibration);
  ASSERT_EQ(settings.size(), 9u);
  EXPECT_DOUBLE_EQ(settings.front().x, 25);
  EXPECT_DOUBLE_EQ(settings.back().limit->replies, 425);
  EXPECT_DOUBLE_EQ(settings.front().limit->received_packets, 5);
  EXPECT_EQ(settings.front().demands[0].clients, 50u);
  EXPECT_DOUBLE_EQ(settings.front().demands[1].rate, 225);
}

TEST(Plan, AnAggressorsClientsAreItsLoad) {
  const auto settings = aggressor_settings(Plan{}, kCalibration);
  ASSERT_EQ(settings.size(), 5u);
  EXPECT_DOUBLE_EQ(settings.front().demands[1].rate, 30);
  EXPECT_DOUBLE_EQ(settings.back().demands[1].rate, 450);
  for (const Setting& setting : settings) EXPECT_DOUBLE_EQ(setting.demands[0].rate, 150);
}

TEST(Plan, TheCapacityIsOneThatTheMachineCanDoThreeTimesOver) {
  EXPECT_EQ(capacity_for(5000), 900);
  EXPECT_EQ(capacity_for(2699), 720);
  EXPECT_EQ(capacity_for(300), 90);
  EXPECT_EQ(capacity_for(3), 45);
}

TEST(Burnt, IsWhatARefusalCostsBesideAReply) {
  EXPECT_NEAR(burnt(measured(400).series, kCalibration), 1, 1e-9);
  EXPECT_NEAR(burnt(measured(100).series, kCalibration), 0.25, 1e-9);
  EXPECT_EQ(burnt(measured(0).series, kCalibration), 0);
}

TEST(Burnt, WithoutRefusalsIsNothing) {
  const std::vector<Series> none = {series(425, 225, 225, 400)};
  EXPECT_EQ(burnt(none, kCalibration), 0);
  EXPECT_EQ(burnt({}, kCalibration), 0);
}

TEST(LimitFigure, HasLivePointsBesideClosedForms) {
  const auto figure = limit_figure("fig1", Plan{}, measured(400), {});
  const auto live = [](const figures::Point& point) { return point.source == figures::Source::live; };
  EXPECT_EQ(std::ranges::count_if(figure.points, live), 2);
  // Nine limits, and 0; half of the capacity is one of them.
  EXPECT_EQ(std::ranges::count(figure.points, "open loop, measured phi = 1.00", &figures::Point::form), 10);
  EXPECT_EQ(std::ranges::count(figure.points, "closed loop, saturated host path", &figures::Point::form), 10);
  EXPECT_TRUE(figure.feasible());
  EXPECT_EQ(value_of(figure, "phi"), "1.00");
  for (const auto& point : figure.points) {
    if (!point.form.starts_with("open loop, measured")) continue;
    EXPECT_NEAR(point.vm1.mean, 225, 1e-6) << point.x;
  }
}

TEST(LimitFigure, SaysHowMuchOfWhatIsGivenUpIsGained) {
  EXPECT_THAT(limit_figure("fig1", Plan{}, measured(400), {}).remarks.front(),
              HasSubstr("(0 %); published: none"));
  Measured direct = measured(0);
  direct.series.front() = series(25, 425, 25, 0);
  EXPECT_THAT(limit_figure("fig3", Plan{}, direct, {}).remarks.front(), HasSubstr("(100 %); published: all"));
}

TEST(LimitFigure, SaysThatItIsScaledDown) {
  const auto figure = limit_figure("fig3", Plan{}, measured(0), {});
  EXPECT_THAT(figure.remarks.back(), HasSubstr("450 replies/s in place of 900"));
}

TEST(AggressorFigure, SaysHowTheVictimChanges) {
  const auto figure = aggressor_figure(Plan{},
                                       {{.form = "host",
                                         .calibration = kCalibration,
                                         .series = {series(10, 150, 30, 0), series(150, 75, 150, 0)}}},
                                       {});
  ASSERT_EQ(figure.remarks.size(), 1u);
  EXPECT_THAT(figure.remarks.front(),
              HasSubstr("host: the victim changes by -50.0 % from 10 to 150 clients"));
  EXPECT_EQ(figure.x_name, "clients");
}

TEST(MachineFacts, NameTheProcessor) {
  const auto facts = machine_facts({});
  EXPECT_EQ(facts.front().name, "processors");
  EXPECT_FALSE(facts.front().value.empty());
}

}  // namespace
}  // namespace ladon::experiment
