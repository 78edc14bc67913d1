// From a refused access to its cause and its mend: which table refused and why, whether the plan wants it to
// pass, whose the entry would have to be, who can program it, and how it is had.
//
// The judgement is resolve()'s and the grants': an access that the planned tables carry to something granted,
// and the running ones refuse, lacks an entry; one that nobody granted is refused as it should be.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/grant.h"
#include "audit/initiator.h"
#include "fabric/resolve.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::explain {

enum class Verdict : std::uint8_t {
  missing,    // the plan wants it, and the table does not have the entry: to be mended
  isolation,  // nobody has granted it: refused as it should be
  form,       // no table could let it pass: its initiator has to emit another
  passes,     // refused then; the tables of now let it pass
  unknown,    // it is not said whose access it was, which is what it depends on
  count_
};
[[nodiscard]] std::string_view name(Verdict verdict);
[[nodiscard]] std::string_view text(Verdict verdict);  // the same as a sentence: "isolation: nobody ..."

// What is known of a refused access.
struct Refused {
  fabric::Fault fault;
  std::optional<pcie::Access> access;  // nullopt: a line of a log that does not say it
  // As it was emitted; nullopt: only its fault is known, and the entry of that one table is judged.
  std::optional<pcie::Transaction> transaction;
  // Of a line of a log: the running tables are not those of then, and who it was may not be said.
  bool of_log = false, requester_known = true;
};

// What it is judged by.
struct Rack {
  const fabric::Tables& running;
  const fabric::Tables& wanted;  // with all that is planned, and all guests there
  const std::vector<audit::Grant>& grants;
  std::function<std::string(const audit::Initiator&)> name;
};

struct Explanation {
  Verdict verdict{};
  std::string fault;               // "ch1/iommu/DMA remapping: not mapped"
  std::string who;                 // "VF 1 of nic0 (vm-a)"; empty: not known
  std::string cause;               // sentences, as are owner and mend
  std::string entry;               // that is missing, or would have to be there; empty where none would help
  std::string owner;               // who programs that table
  std::string mend;                // what to do
  std::vector<std::string> notes;  // what `who` may reach, and whose the address is
};

[[nodiscard]] Explanation explain(const Rack& rack, const Refused& refused);

}  // namespace ladon::explain
