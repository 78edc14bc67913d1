// The demonstration's attack: one guest turns its VF against memory that is not its own, while the others
// talk.
#pragma once

#include <string>
#include <vector>

#include "app/demo_lab.h"

namespace ladon::app {

// `others`: guests that ping one another meanwhile; lost packets are the collateral.
[[nodiscard]] lab::AttackReport attack(machine::Runner& runner, RunningGuest& attacker,
                                       std::vector<RunningGuest*> others);

}  // namespace ladon::app
