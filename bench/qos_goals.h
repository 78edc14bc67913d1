// The goals of quality of service, measured. All but the cost of a refusal run in simulated time: they are
// exact, and the same on every machine.
#pragma once

namespace ladon::bench {

void register_qos_goals();

}  // namespace ladon::bench
