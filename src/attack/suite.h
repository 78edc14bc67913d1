// The suite: every attack on a rack of its own, judged, attributed, and with its neighbours counted.
#pragma once

#include <expected>
#include <map>
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
  Scene::Latency latency;  // of the neighbours' frames
  std::string reason;
};

// What is there when the attacker has gone that is not there when it has gone without an attack.
struct LeftBehind {
  std::size_t findings = 0, unreachable = 0;     // of an exact audit
  std::map<std::string, std::uint64_t> entries;  // as in Remains
  [[nodiscard]] bool nothing() const { return findings == 0 && unreachable == 0 && entries.empty(); }
};

struct Examined {
  Result result;
  LeftBehind left;  // nothing, if the attack was skipped
};

// One attack on a rack that is built for it. The error is a sentence for a person: the rack did not come up.
[[nodiscard]] std::expected<Result, std::string> try_attack(const Build& build, const Attack& attack,
                                                            OffSet off = {}, Mutant mutant = Mutant::none);

// The same under the conditions of the rack file, and what it has left behind: a second rack is built, whose
// attacker does nothing.
[[nodiscard]] std::expected<Examined, std::string> examine_attack(const Build& build, const Attack& attack);

}  // namespace ladon::attack
