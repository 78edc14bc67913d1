// The VFs of a running rack for people and programs: who has them, what they are promised, and what the
// device has refused them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "machine/machine.h"
#include "nic/counters.h"

namespace ladon::app {

// Of one NIC at one moment.
struct DeviceView {
  struct Vf {
    bool link_up = false;
    std::uint64_t memory_used = 0, memory = 0, memory_most = 0;  // bytes: held, guaranteed, with what is lent
    nic::VfStatistics statistics;
    Counters<nic::VfDrop> drops;
  };
  std::vector<Vf> vfs;
  std::uint64_t memory = 0, memory_guaranteed = 0;  // bytes
};
[[nodiscard]] std::vector<DeviceView> device_view(machine::Machine& machine);

// `granted`: what the management host's program shows. {"nics":[{"name":..., "vfs":[...]}]}
[[nodiscard]] nlohmann::json vf_report(const machine::Rack& rack, const nlohmann::json& granted,
                                       const std::vector<DeviceView>& devices);
// An aligned table a NIC.
[[nodiscard]] std::string to_text(const nlohmann::json& report);

}  // namespace ladon::app
