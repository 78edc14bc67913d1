// What becomes of a guest whose VF did something refused: `on_fault` of the rack file.
#pragma once

#include "trial/trial.h"

namespace ladon::trial {

// `guest` misuses its VF beside its own driver, and what follows is checked; `neighbour` is who it talks to.
// Under log and reset the guest works when this returns.
[[nodiscard]] PolicyResult try_policy(machine::Runner& runner, Witness& witness, ManagementLog& log,
                                      RunningGuest& guest, RunningGuest& neighbour);

}  // namespace ladon::trial
