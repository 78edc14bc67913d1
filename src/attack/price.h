// What a set of defences costs: tables on an access's way, the time of one resolution, and how many frames a
// native driver gets from one host to another.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "attack/testbed.h"

namespace ladon::attack {

// Of so many rounds the median, and an interval that has the true median in it with 96 % (the rounds without
// the outermost two: 1 - 20 / 512), however they are distributed.
inline constexpr int kPriceRounds = 9;
struct Estimate {
  double median = 0, low = 0, high = 0;
};

struct Price {
  OffSet off;
  Hops hops;
  double cold = 0, cached = 0;  // seconds a resolution: through the tables, and remembered
  Estimate packets_per_second;  // frames of 64 bytes, in processor time of the one thread
  Estimate ratio;               // to the median of all sets in the same round
};

// Of the first set with the defence on and the second with it off, for every such pair of `prices` (all 64
// sets, in any order): packets/s of the second to the first. The interval has the true median with 98 %: the
// tenth of 32 pairs from either end.
[[nodiscard]] Estimate price_of(const std::vector<Price>& prices, Defence defence);

// All on first; then by how many are off.
[[nodiscard]] std::vector<OffSet> ordered_sets();
// Of an attacker's accesses under each set.
[[nodiscard]] std::expected<std::vector<Hops>, std::string> count_hops(const Build& build,
                                                                       const std::vector<OffSet>& sets);
// In every round a new rack for each set, one after the other, there and back: whatever else the machine
// does, and where a rack lies in its memory, meets all of them. The error is a sentence.
[[nodiscard]] std::expected<std::vector<Price>, std::string> measure_prices(const Build& build,
                                                                            const std::vector<OffSet>& sets);

}  // namespace ladon::attack
