// Which findings are there because of which of several defences that are off: found by turning them on in the
// tables, of a plan or of a rack that runs.
#pragma once

#include <cstddef>
#include <vector>

#include "audit/audit.h"
#include "machine/found_reach.h"
#include "machine/rack_file.h"

namespace ladon::machine {

// What was audited.
struct AuditInput {
  const fabric::Tables& tables;
  const std::vector<audit::Grant>& grants;
  audit::AuditOptions options;
};
using DefenceList = std::vector<const DefenceSwitch*>;

class Blame {
 public:
  // `off`: defences that are off in the tables. Audits them once with all of these on, and once for each with
  // the others on.
  Blame(const AuditInput& input, const DefenceList& off);

  // Nobody could reach any of it if they were all on.
  [[nodiscard]] bool explains(const audit::Finding& finding) const { return !rest_.meets(finding); }
  // Those of which each alone lets it through; all, if it takes several. Indices in `off`, ascending.
  [[nodiscard]] std::vector<std::size_t> whose(const audit::Finding& finding) const;

 private:
  FoundReach rest_;
  std::vector<FoundReach> alone_;  // by defence
};

}  // namespace ladon::machine
