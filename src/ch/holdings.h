// What a host's part has given away, as a plain value: what its guests asked for and the host answered. Taken
// on the part's own thread, read on any; the host's tables are not looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ch/guest_memory.h"
#include "host/control.h"
#include "host/enumeration.h"

namespace ladon::ch {

struct SlotHoldings {
  std::optional<host::control::Assign> assignment;
  bool attached = false;   // a guest is there
  bool connected = false;  // its VF may reach its memory
  std::vector<GuestMemory::Granted> memory;
  std::vector<std::uint32_t> vectors;  // of this host, that the VF may raise
};

struct PartHoldings {
  std::optional<host::PciFunction> ntb;  // nullopt on the management host
  std::vector<SlotHoldings> slots;
  // No guest's memory is being mapped or taken away: a mapping on its way is in the tables or in what was
  // granted, and not yet in both.
  bool settled = true;
};

}  // namespace ladon::ch
