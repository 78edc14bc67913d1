// How long memory that a guest has given back can still be written by its VF: the distribution of that window
// over many unmaps, in the rack's own time.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "attack/testbed.h"
#include "base/time.h"

namespace ladon::attack {

struct WindowMeasurement {
  bool deferred = false;             // else every unmap takes its IOTLB entries with it
  Duration every{};                  // between two unmaps, on average
  std::size_t unmaps = 0, open = 0;  // of so many memory went on while the VF could write it for so many
  // From the unmap's answer to the last write that landed with the next owner; 0: none did.
  Duration shortest{}, median{}, percentile_99{}, longest{};
};

inline constexpr std::size_t kMeasuredUnmaps = 300;
inline constexpr Duration kWindowStep = std::chrono::microseconds(20);  // writes are tried so often

// In both modes and at several rates. The error is a sentence.
[[nodiscard]] std::expected<std::vector<WindowMeasurement>, std::string> measure_windows(const Build& build);

}  // namespace ladon::attack
