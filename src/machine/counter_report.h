// Every drop and refusal of a running rack that is not zero: who counted it, why, how often.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "machine/machine.h"

namespace ladon::machine {

struct CounterLine {
  std::string where;   // "nic0/vf3", "fabric", "vm-a/vfio-user"
  std::string reason;  // as the room that counts it names it
  std::uint64_t count = 0;
};

// On the engine's thread.
[[nodiscard]] std::vector<CounterLine> counter_report(Machine& machine);
// As an aligned table, or as the one word that there is none.
[[nodiscard]] std::string format_counters(const std::vector<CounterLine>& lines);

}  // namespace ladon::machine
