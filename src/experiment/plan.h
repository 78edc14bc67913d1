// What an experiment does, and how long it takes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "experiment/load.h"

namespace ladon::experiment {

// The published device carries 900 replies a second; limits and loads are stated for that one, and scaled to
// the capacity that this machine can show.
inline constexpr double kPublishedCapacity = 900;

struct Plan {
  double capacity = 0;  // replies a second, both machines together; 0: what the machine can show
  std::vector<double> limits = {50, 150, 250, 350, 450, 550, 650, 750, 850};  // of 900
  std::vector<unsigned> aggressors = {10, 45, 80, 115, 150};                  // clients of VM2
  unsigned repetitions = 3;
  double seconds = 6, settle_seconds = 1;  // of each run; of the run before it that is not counted
  unsigned clients = 50;                   // of VM1, closed
  double offered = 450;                    // of 900: what VM2's clients ask for
  double timeout_seconds = 0.4;            // of VM2's clients
  // The aggressor experiment, of 900 again.
  double victim = 300, victim_timeout_seconds = 1, aggressor_limit = 300, per_client = 6;

  // A few points in a few seconds, to see that all of it works.
  [[nodiscard]] static Plan quick();
  [[nodiscard]] double scaled(double of_900, double to_capacity) const {
    return of_900 * to_capacity / kPublishedCapacity;
  }
};

// Says what is done now, and whether to end.
struct Watch {
  std::function<void(const std::string&)> progress;
  std::function<bool()> stopped;
};

// What a reply takes of the device when nobody is in its way, and what the machine can do without a limit.
struct Calibration {
  double bytes = 0, frames = 0;  // received for a reply
  double unlimited = 0;          // replies a second, both machines
  double capacity = 0;           // replies a second that the device is limited to
  bool chosen = false;           // by what the machine can do; otherwise it was given
  double carried = 0;            // replies a second that it then carries for VM1 alone
};

// Measures, and limits the device; `capacity` 0: the largest of a few round numbers that the machine can do
// three times over.
[[nodiscard]] std::expected<Calibration, std::string> calibrate(Testbed& testbed, const Plan& plan,
                                                                double capacity, const Watch& watch);
[[nodiscard]] double capacity_for(double unlimited);

// One value of what is varied: an outcome for each repetition.
struct Series {
  double x = 0;
  std::vector<Outcome> outcomes;
};
// A point of an experiment: how the testbed is set up, and who asks for what.
struct Setting {
  double x = 0;
  std::optional<Limit> limit;
  Demands demands;
};
// Every setting once, then all of them again, in turn forwards and backwards.
[[nodiscard]] std::expected<std::vector<Series>, std::string> run_settings(
    Testbed& testbed, const std::vector<Setting>& settings, const Plan& plan, const Watch& watch);

[[nodiscard]] std::vector<Setting> limit_settings(const Plan& plan, const Calibration& calibration);
[[nodiscard]] std::vector<Setting> aggressor_settings(const Plan& plan, const Calibration& calibration);

// phi: what a refusal costs the device, as a share of what a reply does, over all runs in which a tenth of
// VM2's requests or more were refused. 0 without refusals.
[[nodiscard]] double burnt(const std::vector<Series>& series, const Calibration& calibration);
// What VM2's clients asked for a second, on average.
[[nodiscard]] double offered(const std::vector<Series>& series);

}  // namespace ladon::experiment
