// Accesses of a guest and its VF in a rack that carries no traffic.
#pragma once

#include <optional>
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

// The guest of this name that has a VF of its own, or the first one; nullopt after a mistake, in it or in the
// choice, was printed.
[[nodiscard]] std::optional<machine::PlacedGuest> chosen_guest(const machine::Rack& rack,
                                                               const std::string& file,
                                                               const std::string& name,
                                                               const AccessChoice& choice);

[[nodiscard]] std::vector<GuestAccess> guest_accesses(machine::QuietRack& rack,
                                                      const machine::PlacedGuest& guest,
                                                      const AccessChoice& choice);

}  // namespace ladon::app
