// Closed forms of two virtual machines that share one device, one of them limited (Lakshmi and Nandy's
// experiment): what the free one gets when the other is held to a limit. Rates in replies a second, demands
// in seconds a reply.
#pragma once

#include <string>
#include <vector>

namespace ladon::figures {

// How busy a station is: 1 is all of it.
struct Utilization {
  std::string station;
  double value = 0;
};
[[nodiscard]] bool feasible(const std::vector<Utilization>& utilizations);

struct Rates {
  double vm1 = 0, vm2 = 0;
  std::vector<Utilization> utilizations;
  [[nodiscard]] double total() const { return vm1 + vm2; }
};

// Both machines' clients are so many that the host's path never rests, and are equally many; whoever is
// refused tries again at once. A request costs the host `before` up to the limit and `after` behind it; the
// host serves visits in the order of their arrival (FCFS), two to a reply, one to a refusal.
//
// With p the share of VM2's requests that pass, VM2 makes 2 / (1 + p) requests for each reply of VM1, so that
//   VM1 = 1 / [(before + after) + 2 (before + p after) / (1 + p)],   L = 2 p VM1 / (1 + p).
// p follows from the limit L; for before = after it is L / (C - L) with C = 1 / (before + after), and VM1
// gets C / 2 whatever the limit is.
struct SharedPath {
  double before = 0.5556e-3, after = 0.5556e-3;
  double receive = 0.25e-3, transmit = 0.4444e-3;  // of the NIC
  double guest = 0.60e-3;                          // of each VM, on a core of its own
};
// What VM2 gets is `limit`, or half of the capacity if that is less.
[[nodiscard]] Rates closed_loop(const SharedPath& path, double limit);

// VM2's clients ask for `offered` whether they are answered or not; VM1's take all that is left. A refusal
// uses up `burnt` of what a reply does: 1 is a limit behind the work, 0 one before it.
struct OpenLoop {
  double capacity = 900, offered = 450;
  double burnt = 0;  // phi
};
//   VM1 = capacity - L - burnt (offered - L), not below 0, L the limit or what is offered if that is less
[[nodiscard]] Rates open_loop(const OpenLoop& load, double limit);

}  // namespace ladon::figures
