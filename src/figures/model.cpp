#include "figures/model.h"

#include <algorithm>

namespace ladon::figures {
namespace {

// Of what is exactly 1 by construction.
constexpr double kRounding = 1e-9;

struct Flow {
  double vm1 = 0, requests = 0, passed = 0;  // requests, passed: of VM2
};

Flow flow_at(const SharedPath& path, double pass) {
  const double vm1 = 1 / ((path.before + path.after) + 2 * (path.before + pass * path.after) / (1 + pass));
  const double requests = 2 * vm1 / (1 + pass);
  return {.vm1 = vm1, .requests = requests, .passed = pass * requests};
}

}  // namespace

bool feasible(const std::vector<Utilization>& utilizations) {
  return std::ranges::all_of(utilizations,
                             [](const Utilization& u) { return u.value >= 0 && u.value <= 1 + kRounding; });
}

Rates closed_loop(const SharedPath& path, double limit) {
  // What passes grows with the share that passes.
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (flow_at(path, middle).passed < limit ? low : high) = middle;
  }
  const Flow flow = flow_at(path, high);
  const double replies = flow.vm1 + flow.passed, requests = flow.vm1 + flow.requests;
  return {.vm1 = flow.vm1,
          .vm2 = flow.passed,
          .utilizations = {{"host path", requests * path.before + replies * path.after},
                           {"NIC receive", requests * path.receive},
                           {"NIC transmit", replies * path.transmit},
                           {"VM1", flow.vm1 * path.guest},
                           {"VM2", flow.passed * path.guest}}};
}

Rates open_loop(const OpenLoop& load, double limit) {
  const double vm2 = std::clamp(limit, 0.0, load.offered);
  const double refused = load.burnt * (load.offered - vm2);
  const double vm1 = std::max(0.0, load.capacity - vm2 - refused);
  return {.vm1 = vm1, .vm2 = vm2, .utilizations = {{"device", (vm1 + vm2 + refused) / load.capacity}}};
}

}  // namespace ladon::figures
