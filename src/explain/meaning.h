// What a refusal means, by the table that refused and its reason: one sentence for each pair.
#pragma once

#include <cstdint>
#include <string_view>

#include "fabric/component.h"

namespace ladon::explain {

enum class Kind : std::uint8_t {
  entry,  // an entry of the table decides: with another one the access would have passed
  form,   // the access itself is wrong, whatever the tables hold: its initiator has to emit another
  rule,   // what no entry of a well-run rack allows
};

struct Meaning {
  Kind kind{};
  std::string_view cause;  // sentences
};

// Of every pair, also of those that resolve() never returns.
[[nodiscard]] Meaning meaning(fabric::Table table, fabric::Reason reason);

}  // namespace ladon::explain
