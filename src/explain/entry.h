// The entry that would have let an access pass, as one state of the tables has it.
#pragma once

#include <optional>
#include <string>

#include "fabric/resolve.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::explain {

// What is known of a refused access beside its fault.
struct Seen {
  std::optional<pcie::Access> access;  // nullopt: a line of a log that does not say it
  std::uint32_t data = 0;              // of a write of four bytes
};

// In `tables`, the entry by which the table that refused would have let this access on; nullopt if `tables`
// have none. As text, for a person: "requester 02:01.0 -> proxy 01:01.0".
[[nodiscard]] std::optional<std::string> entry_for(const fabric::Tables& tables, const fabric::Fault& fault,
                                                   const Seen& seen);

// What such an entry would have to say, where nobody has one: "an entry for requester 02:01.0".
[[nodiscard]] std::string needed_entry(const fabric::Fault& fault);

}  // namespace ladon::explain
