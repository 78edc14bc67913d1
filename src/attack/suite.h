// The suite: every attack on a rack of its own, judged, attributed, and with its neighbours counted.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "attack/attack.h"

namespace ladon::attack {

struct Result {
  const Attack* attack = nullptr;
  Outcome outcome{};
  std::string by;             // what refused it, as recorded; empty if nothing was
  std::string attributed_to;  // the tenant that the record names
  std::uint64_t collateral_packets = 0;
  std::string reason;
};

// One attack on a rack that is built for it. The error is a sentence for a person: the rack did not come up.
[[nodiscard]] std::expected<Result, std::string> try_attack(const Build& build, const Attack& attack,
                                                            OffSet off = {}, Mutant mutant = Mutant::none);

}  // namespace ladon::attack
