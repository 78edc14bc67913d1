#include "experiment/plan.h"

#include <algorithm>
#include <array>

namespace ladon::experiment {

Plan Plan::quick() {
  Plan plan;
  plan.limits = {150, 300, 600};
  plan.aggressors = {10, 150};
  plan.repetitions = 2;
  plan.clients = 20;
  plan.seconds = 1.2;
  plan.settle_seconds = 0.3;
  return plan;
}

double capacity_for(double unlimited) {
  // So that the device is what is short, and not the processors that all share.
  constexpr double kTimesOver = 3;
  // Parts of 900 at which the limits are whole numbers, or nearly.
  constexpr std::array kRound = {900.0, 720.0, 540.0, 360.0, 270.0, 180.0, 90.0, 45.0};
  for (const double capacity : kRound)
    if (kTimesOver * capacity <= unlimited) return capacity;
  return kRound.back();
}

std::vector<Setting> limit_settings(const Plan& plan, const Calibration& calibration) {
  const auto scaled = [&](double of_900) { return plan.scaled(of_900, calibration.capacity); };
  std::vector<Setting> settings;
  for (const double limit : plan.limits)
    settings.push_back(
        {.x = scaled(limit),
         .limit = Limit{.replies = scaled(limit), .received_packets = calibration.frames},
         .demands = {Demand{.clients = plan.clients},
                     Demand{.rate = scaled(plan.offered), .timeout_seconds = plan.timeout_seconds}}});
  return settings;
}

std::vector<Setting> aggressor_settings(const Plan& plan, const Calibration& calibration) {
  const auto scaled = [&](double of_900) { return plan.scaled(of_900, calibration.capacity); };
  std::vector<Setting> settings;
  for (const unsigned clients : plan.aggressors)
    settings.push_back(
        {.x = static_cast<double>(clients),
         .limit = Limit{.replies = scaled(plan.aggressor_limit), .received_packets = calibration.frames},
         .demands = {
             Demand{.rate = scaled(plan.victim), .timeout_seconds = plan.victim_timeout_seconds},
             Demand{.rate = scaled(plan.per_client * clients), .timeout_seconds = plan.timeout_seconds}}});
  return settings;
}

double burnt(const std::vector<Series>& series, const Calibration& calibration) {
  // Where next to nothing is refused, what is left of the bytes is of requests under way.
  constexpr double kEnough = 0.1;
  double wasted = 0, refusals = 0;
  for (const Series& at : series)
    for (const Outcome& outcome : at.outcomes) {
      const Served& limited = outcome[1];
      if (limited.refused < kEnough * limited.asked) continue;
      wasted += limited.device_bytes - limited.replies * calibration.bytes;
      refusals += limited.refused;
    }
  return refusals > 0 ? std::max(0.0, wasted / (refusals * calibration.bytes)) : 0;
}

double offered(const std::vector<Series>& series) {
  double sum = 0;
  unsigned runs = 0;
  for (const Series& at : series)
    for (const Outcome& outcome : at.outcomes) {
      sum += outcome[1].asked;
      ++runs;
    }
  return runs != 0 ? sum / runs : 0;
}

}  // namespace ladon::experiment
