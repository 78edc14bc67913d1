// What a set of defences costs: tables on an access's way, the time of one resolution, and how many frames a
// native driver gets from one host to another.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "attack/testbed.h"

namespace ladon::attack {

struct Price {
  OffSet off;
  std::size_t hops = 0;             // of a DMA write
  double cold = 0, cached = 0;      // seconds a resolution: through the tables, and remembered
  double packets_per_second = 0;    // median
  double slowest = 0, fastest = 0;  // of the rounds but the outermost
};

// All on, each one off, all off.
[[nodiscard]] std::vector<OffSet> priced_sets();
// One rack a set; the rounds take turns, so that whatever else the machine does meets all of them. The error
// is a sentence.
[[nodiscard]] std::expected<std::vector<Price>, std::string> measure_prices(const Build& build,
                                                                            const std::vector<OffSet>& sets);

}  // namespace ladon::attack
