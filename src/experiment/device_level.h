// The limits of an experiment as a device takes them, and what it counts.
#pragma once

#include <optional>

#include "experiment/testbed.h"
#include "nic/nic.h"

namespace ladon::experiment {

// Requests that may come at once: a fiftieth of a second's worth, two at least.
[[nodiscard]] double burst_of(const Limit& limit);

void limit_device(nic::Nic& nic, const DeviceCapacity& capacity);
// The function's packets; nullopt: no limit. `capacity` with a size of partitions gives the function that
// one. Throws std::logic_error if the device refuses.
void limit_function(nic::Nic& nic, std::uint16_t vf, const std::optional<Limit>& limit,
                    const DeviceCapacity& capacity);
void count_drops(const nic::Nic& nic, std::uint16_t vf, VmCounters& into);

}  // namespace ladon::experiment
