// An audit as people and programs read it: of a rack file, of a running rack, of a plan that is refused.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "audit/audit.h"
#include "machine/plan_audit.h"

namespace ladon::app {

// Refers to what was audited and found.
struct Audited {
  const machine::Rack& rack;
  const fabric::Tables& tables;
  const audit::Report& report;
  const machine::AcceptedBy& accepted;  // by finding
  double seconds = 0;                   // of the audit alone

  // Nothing that the owner of the rack does not know of.
  [[nodiscard]] bool passes() const { return machine::all_accepted(accepted) && report.unreachable.empty(); }
};

// Every finding with its way.
[[nodiscard]] nlohmann::json to_json(const Audited& audited);
// The first few ways; JSON has all.
[[nodiscard]] std::string to_text(const Audited& audited);

}  // namespace ladon::app
