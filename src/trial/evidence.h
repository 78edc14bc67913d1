// Who refused an attack, and who is said to have made it: what the rack itself recorded of it.
#pragma once

#include "trial/trial.h"

namespace ladon::trial {

// Fills in by and attributed_to, unless the attack has, and log. Waits until the management host has had
// the time to hear of it.
void collect_evidence(AttackResult& result, Stage& stage);

}  // namespace ladon::trial
