// What is wanted of the rack: which virtual function belongs to which guest. A plain value, made from the
// rack file, and JSON on its way to the management host's process.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac.h"
#include "mh/service_level.h"
#include "pcie/transaction.h"

namespace ladon::mh {

// What is done when a VF violates something.
enum class OnFault : std::uint8_t { log, reset, quarantine };
inline constexpr std::array kOnFaults = {OnFault::log, OnFault::reset, OnFault::quarantine};
[[nodiscard]] std::string_view name(OnFault on_fault);

// One virtual function for one guest. Slots number the interfaces of a host from 0 and stay the same from one
// intent to the next, so that what one guest gets does not move when another goes.
struct Grant {
  std::uint16_t nic = 0;  // in the order of the inventory
  std::uint16_t vf = 0;
  pcie::Domain host{};  // kManagementDomain: a VM of the management host itself
  std::uint8_t slot = 0;
  pcie::Vm vm{};
  std::string guest = {};  // for people
  MacAddress mac;
  std::optional<std::uint16_t> vlan;  // 1..4094
  bool spoof_check = true, trust = false;
  bool link_forced = true;    // up without a carrier too: VFs reach one another when the wire is gone
  bool disabled = false;      // link down, and nothing passes; stronger than link_forced
  bool backpressure = false;  // frames for other VFs wait for a descriptor instead of being dropped
  bool coalesce = false;      // TCP segments that follow one another are received as one frame
  bool unsegmented = false;   // what other VFs have segmented for this one comes uncut
  OnFault on_fault = OnFault::log;
  ServiceLevel level = {};
  bool operator==(const Grant&) const = default;
};

struct ComputeHost {
  pcie::Domain domain{};
  // How far the addresses go that its guests' devices emit, from 0: its DRAM, or more if a guest's memory
  // reaches higher. Bytes, a multiple of 4 KiB.
  std::uint64_t dma_span = 0;
  std::string name = {};  // for people
  bool operator==(const ComputeHost&) const = default;
};

// What a NIC takes on in each direction, bits a second, multiples of 1000; 0: as much as it is able to.
struct NicCapacity {
  std::uint64_t receive = 0, transmit = 0;
  bool operator==(const NicCapacity&) const = default;
};

struct Intent {
  std::vector<ComputeHost> hosts;
  std::uint8_t local_slots = 0;  // slots of the management host's own part
  std::vector<Grant> grants;
  std::vector<NicCapacity> capacities =
      {};  // in the order of the inventory; of the NICs beyond: nothing stated
  bool operator==(const Intent&) const = default;
};

[[nodiscard]] std::string to_json(const Intent& intent);
// The error is a sentence for a person.
[[nodiscard]] std::expected<Intent, std::string> intent_from_json(std::string_view text);

}  // namespace ladon::mh
