// The demonstration's attack: one guest turns its VF against memory that is not its own, while the others
// talk.
#pragma once

#include <string>
#include <vector>

#include "trial/guests.h"

namespace ladon::app {

// `others`: guests that ping one another meanwhile; lost packets are the collateral.
[[nodiscard]] lab::AttackReport attack(machine::Runner& runner, trial::RunningGuest& attacker,
                                       std::vector<trial::RunningGuest*> others);

}  // namespace ladon::app
