// The audit: everything that can be reached, against everything that was granted. Both inputs are plain
// values, so a rack that runs, one that is planned, and one made for a test are audited alike.
//
//   const audit::Report report = audit::audit(*fabric.tables(), grants);
//   report.clean(), report.findings[0].witness ...
#pragma once

#include <cstddef>
#include <vector>

#include "audit/grant.h"
#include "audit/initiator.h"
#include "audit/reach.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::audit {

// Reachable and not granted. One hole is one finding: targets that lie side by side are together.
struct Finding {
  Initiator who;
  Space space;
  Interval targets;
  pcie::AccessSet access;
  pcie::Transaction witness;  // reaches the first target, with a write if any access is one
};

// Granted and not reachable, for the accesses of `access`.
struct Unreachable {
  Initiator who;
  Space space;
  Interval targets;
  pcie::AccessSet access;
  std::optional<pcie::Transaction> tried;  // the first of them, if it is known how it should be emitted
};

struct Report {
  std::vector<Finding> findings;
  std::vector<Unreachable> unreachable;
  std::size_t initiators = 0;
  std::size_t mappings = 0;  // entries of all tables: what the rack's software has programmed
  [[nodiscard]] bool clean() const { return findings.empty() && unreachable.empty(); }
};

struct AuditOptions {
  // Endpoints and NTBs emit any requester ID, not their own functions' alone. An endpoint is one initiator
  // then, granted what all of its functions are; so is each side of an NTB.
  bool lying = false;
};

[[nodiscard]] Report audit(const fabric::Tables& tables, const std::vector<Grant>& grants,
                           const AuditOptions& options = {});

// The entries of all tables: mappings of IOMMUs and second-level tables, interrupt entries, windows, look-up
// entries, BARs, memory ranges.
[[nodiscard]] std::size_t count_mappings(const fabric::Tables& tables);

}  // namespace ladon::audit
