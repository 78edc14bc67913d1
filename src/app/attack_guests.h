// ladon attack --guests: from inside the rack's real guests.
#pragma once

#include "app/commands.h"

namespace ladon::app {

[[nodiscard]] int attack_guests(const machine::Rack& rack, const AttackOptions& options,
                                const Common& common);

}  // namespace ladon::app
