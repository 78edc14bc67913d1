// From what was measured to figures: points with their intervals, closed forms beside them, what was assumed.
#pragma once

#include <string>
#include <vector>

#include "experiment/plan.h"
#include "figures/figure.h"
#include "lab/qemu.h"

namespace ladon::experiment {

// One live series under a name, with the calibration of its testbed.
struct Measured {
  std::string form;
  Calibration calibration;
  std::vector<Series> series;
};

[[nodiscard]] std::vector<figures::Fact> machine_facts(const lab::Assets& assets);

// "fig1": limited in the host; "fig3": limited on the device.
[[nodiscard]] figures::Figure limit_figure(const std::string& name, const Plan& plan,
                                           const Measured& measured, std::vector<figures::Fact> machine);
[[nodiscard]] figures::Figure aggressor_figure(const Plan& plan, const std::vector<Measured>& measured,
                                               std::vector<figures::Fact> machine);

}  // namespace ladon::experiment
