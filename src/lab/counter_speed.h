// The speed of this machine's time-stamp counter.
#pragma once

#include <cstdint>

namespace ladon::lab {

// In kHz, measured over some milliseconds; 0 where there is no such counter. An emulated guest takes its time
// from it, and would measure its speed by an emulated timer: wrong by far, now and then, on a busy machine.
[[nodiscard]] std::uint64_t counter_khz();

}  // namespace ladon::lab
