// Who programs a table, and how what it should hold is had.
#pragma once

#include <string>

#include "fabric/resolve.h"
#include "fabric/tables.h"

namespace ladon::explain {

// "the management host's program".
[[nodiscard]] std::string owner_of(const fabric::Tables& tables, const fabric::Fault& fault);

// A missing entry that the plan has: how it comes back.
[[nodiscard]] std::string restore(const fabric::Tables& tables, const fabric::Fault& fault);

// One that nobody planned: what to write or do to have it.
[[nodiscard]] std::string obtain(const fabric::Tables& tables, const fabric::Fault& fault);

}  // namespace ladon::explain
