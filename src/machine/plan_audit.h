// The audit of a rack file before anything of it runs, judged by what the file accepts: what `ladon audit`
// prints, and what `ladon up` wants to see without a finding before it hands out a virtual function.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "audit/audit.h"
#include "machine/acceptance.h"
#include "machine/rack_file.h"

namespace ladon::machine {

struct PlanAudit {
  std::shared_ptr<const fabric::Tables> tables;
  std::vector<audit::Grant> grants;
  audit::Report report;
  double seconds = 0;  // of the audit alone
  AcceptedBy accepted;
  std::vector<RackError> stale;  // entries that accept nothing
};

// The error is a sentence: the rack cannot be built.
[[nodiscard]] std::expected<PlanAudit, std::string> audit_plan(const Rack& rack,
                                                               const audit::AuditOptions& options = {});

// What to write under `accept:` for the findings that nothing accepts, ready but for each `why`.
struct Suggestion {
  std::string yaml;      // lines
  std::size_t left = 0;  // findings that are too many to list
};
[[nodiscard]] Suggestion suggest(const Rack& rack, const PlanAudit& audited);

}  // namespace ladon::machine
