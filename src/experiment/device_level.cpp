#include "experiment/device_level.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace ladon::experiment {

double burst_of(const Limit& limit) {
  return std::max(2.0, limit.replies / 50);
}

void limit_device(nic::Nic& nic, const DeviceCapacity& capacity) {
  if (!nic.set_capacity({.receive = capacity.receive_bits}))
    throw std::logic_error("the device has promised more than this capacity");
}

void limit_function(nic::Nic& nic, std::uint16_t vf, const std::optional<Limit>& limit,
                    const DeviceCapacity& capacity) {
  qos::ServiceLevel level = nic.level(vf);
  level.receive_packets = {};
  if (limit) {
    const auto units = [&](double replies) {
      return static_cast<std::uint64_t>(std::llround(std::max(1.0, replies * limit->received_packets)));
    };
    level.receive_packets = {.most = units(limit->replies), .burst = units(burst_of(*limit))};
  }
  if (capacity.packet_memory != 0)
    level.memory = {.guaranteed = capacity.packet_memory, .most = capacity.packet_memory};
  if (const auto refusal = nic.set_level(vf, level))
    throw std::logic_error("the device refuses a level: " + std::string(qos::name(refusal->error)));
}

void count_drops(const nic::Nic& nic, std::uint16_t vf, VmCounters& into) {
  const auto& drops = nic.drops(vf);
  into.refused_by_device = drops[nic::VfDrop::rx_over_rate] + drops[nic::VfDrop::rx_over_packet_rate] +
                           drops[nic::VfDrop::rx_over_cost];
  into.without_memory = drops[nic::VfDrop::rx_no_memory];
  into.without_descriptor = drops[nic::VfDrop::rx_no_descriptor];
}

}  // namespace ladon::experiment
