// From what a rack file says to what the rooms want: pure.
#pragma once

#include <string>
#include <vector>

#include "fabric/fabric.h"
#include "host/messages.h"
#include "machine/host_memory.h"
#include "machine/rack_file.h"
#include "mh/intent.h"
#include "nic/options.h"

namespace ladon::machine {

// `devices`: one endpoint a NIC, in the order of the rack.
[[nodiscard]] fabric::Options fabric_options(const Rack& rack, const std::vector<pcie::Endpoint*>& devices);
[[nodiscard]] fabric::Defences fabric_defences(const Defences& defences);
[[nodiscard]] nic::NicOptions nic_options(const Rack& rack, std::size_t nic);
// The address map of host `domain`.
[[nodiscard]] host::Description describe_host(const Rack& rack, std::size_t domain);
// The addresses that guests' memory may take there.
[[nodiscard]] Range<BusAddr> guest_memory(const Rack& rack, std::size_t domain);
// Where the rack file puts guests' memory there, by slot.
[[nodiscard]] HostMemory::Reservations reserved_memory(const Rack& rack, std::size_t domain);

// A guest with a virtual function, and which interface slot of its host it has.
struct PlacedGuest {
  const HostSpec* host = nullptr;
  const GuestSpec* guest = nullptr;
  pcie::Domain domain{};
  std::uint8_t slot = 0;
  bool software = false;  // the host's own, for those of its guests that share a function: no VM
};
// The host's software comes after all guests of its host.
[[nodiscard]] std::vector<PlacedGuest> placed_guests(const Rack& rack);
// Where the host of a guest that shares a function listens for its QEMU.
[[nodiscard]] std::string vhost_socket(const std::string& directory, const GuestSpec& guest);
[[nodiscard]] mh::Intent intent_of(const Rack& rack);

}  // namespace ladon::machine
