// What all defences together cost: forwarding across hosts with every defence on, against local SR-IOV, in
// pairs of batches that follow one another.
#pragma once

namespace ladon::bench {

inline constexpr unsigned kFewestRounds = 1;

// Takes "--rounds N" and "--rounds=N" out of the arguments; kFewestRounds without one.
[[nodiscard]] unsigned take_rounds(int& argc, char** argv);

// "cost/STATE/BYTES" for each state of a port's memory: cached, cold and thrashed (Before). A round builds
// both racks anew, as where their memory lies matters as much as what is measured, and compares the medians
// of their batches; the cost is the mean over the rounds, with the interval that has it at 95 %. Counters:
//   goal, measured, low, high, met            shares of the time of a frame
//   least, most, rounds                       of single rounds
//   nanoseconds_local, nanoseconds_defended   of a frame, mean over the rounds
//   resolutions_local, resolutions_defended   ways followed through the tables, a batch
void register_defence_costs(unsigned rounds);

}  // namespace ladon::bench
