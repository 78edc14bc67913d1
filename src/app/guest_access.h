// Accesses of a guest and its VF in a rack that carries no traffic.
#pragma once

#include <string>
#include <vector>

#include "app/commands.h"
#include "machine/quiet_rack.h"
#include "machine/rack_build.h"
#include "pcie/transaction.h"

namespace ladon::app {

struct GuestAccess {
  std::string title;
  pcie::Transaction transaction;
};

// The guests that have a VF of their own, in the order of the file.
[[nodiscard]] std::vector<machine::PlacedGuest> guests_with_vf(const machine::Rack& rack);

[[nodiscard]] std::vector<GuestAccess> guest_accesses(machine::QuietRack& rack,
                                                      const machine::PlacedGuest& guest,
                                                      const AccessChoice& choice);

}  // namespace ladon::app
