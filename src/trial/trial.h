// Attacks from inside real guests: on a rack that runs, with its stock guests up, one guest after another
// attacks while all others talk; then what becomes of an attacker under each policy of the rack file.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attack/suite.h"
#include "trial/attacks.h"
#include "trial/talk.h"

namespace ladon::trial {

struct AttackResult {
  GuestAttack attack;
  std::string attacker;
  attack::Outcome outcome{};
  std::string by, attributed_to;         // as the rack recorded it: see attack::Result
  std::uint64_t collateral_packets = 0;  // of all others
  std::string reason;
  // Lines of the management host's log that name the attacker and say what it did; one names the address
  // where a table of an IOMMU refused.
  std::vector<std::string> log;
  bool log_matches = true;  // what a table refused is in the log, under the attacker's name and the address
  double seconds = 0;
  [[nodiscard]] bool ok() const;
};

// What one guest went through under its policy.
struct PolicyResult {
  machine::OnFault policy{};
  std::string guest;
  struct Check {
    std::string what;
    bool held = false;
  };
  std::vector<Check> checks;
  std::vector<std::string> log;
  std::uint64_t collateral_packets = 0;
  double seconds = 0;
  [[nodiscard]] bool ok() const;
};

struct Report {
  std::vector<AttackResult> attacks;
  std::vector<PolicyResult> policies;
  std::vector<PairCount> traffic;     // of those who had nothing to do with it
  std::vector<std::string> failures;  // what kept it from going on
  double boot_seconds = 0, seconds = 0;
  [[nodiscard]] bool ok() const;
  [[nodiscard]] bool any_succeeded() const;
};

struct Options {
  std::vector<GuestAttack> attacks;
  bool policies = true;
  std::function<void(const std::string& what)> progress;
  std::function<bool()> stopped;
};

// `guests`: all of the rack's, up. `management_log`: file of the management host's program.
[[nodiscard]] Report attempt(machine::Runner& runner, std::vector<RunningGuest>& guests,
                             const std::string& management_log, const Options& options);

}  // namespace ladon::trial
