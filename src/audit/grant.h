// What software has allowed, as plain values: made from what it was asked for and answered, never from the
// hardware's tables, which are what is audited.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "audit/initiator.h"
#include "audit/interval.h"
#include "audit/reach.h"
#include "pcie/transaction.h"

namespace ladon::audit {

struct Grant {
  Initiator to;
  Space space;
  Interval targets;        // addresses of that domain, or vectors
  pcie::AccessSet access;  // interrupts: pcie::kWriteOnly
  // What `to` emits to reach the first of them, where software has said so: shows which table refuses it.
  std::optional<std::uint64_t> emitted;
};

}  // namespace ladon::audit
