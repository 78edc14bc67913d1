// A fault as Ladon prints it, taken back: "ch1/iommu/DMA remapping: not mapped (read at 0x3010000000)".
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "explain/explain.h"

namespace ladon::explain {

// Every component of the rack.
[[nodiscard]] std::vector<fabric::ComponentId> components(const fabric::Tables& tables);

// Looks for "COMPONENT/TABLE: REASON" anywhere in the line, and behind or before it for a requester
// ("0000:02:01.0"), an address ("0x...") and the access ("read", "write"). nullopt: it names no fault of this
// rack.
[[nodiscard]] std::optional<Refused> parse_fault(const fabric::Tables& tables, std::string_view line);

}  // namespace ladon::explain
