// Addresses, lengths and requesters as a fuzzer's bytes name them: places where something begins, and a
// little around them; or any number, after 0xFF.
#pragma once

#include <cstdint>

#include "fabric/rig.h"
#include "input.h"
#include "tables/model.h"

namespace ladon::fuzz::tables {

inline constexpr unsigned kComputeHosts = 2;

class Script : public Input {
 public:
  using Input::Input;
  std::uint64_t behind = 0;  // the last stretch
};

[[nodiscard]] std::uint64_t address(Script& script);
[[nodiscard]] std::uint64_t length(Script& script);
// From the address on, as long as the length says; inside 64 bits.
[[nodiscard]] Span span(Script& script);
[[nodiscard]] pcie::Bdf requester(Script& script);
[[nodiscard]] pcie::AccessSet access(Script& script);
[[nodiscard]] pcie::Domain domain(Script& script);

}  // namespace ladon::fuzz::tables
