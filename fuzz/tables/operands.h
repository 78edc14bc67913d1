// Addresses, lengths and requesters as a fuzzer's bytes name them: places where something begins, and a
// little around them; or any number, after 0xFF.
#pragma once

#include <cstdint>

#include "fabric/rig.h"
#include "input.h"
#include "tables/model.h"

namespace ladon::fuzz::tables {

inline constexpr unsigned kComputeHosts = 2;

[[nodiscard]] std::uint64_t address(Input& input);
[[nodiscard]] std::uint64_t length(Input& input);
// From the address on, as long as the length says; inside 64 bits.
[[nodiscard]] Span span(Input& input);
[[nodiscard]] pcie::Bdf requester(Input& input);
[[nodiscard]] pcie::AccessSet access(Input& input);
[[nodiscard]] pcie::Domain domain(Input& input);

}  // namespace ladon::fuzz::tables
