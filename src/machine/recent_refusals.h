// The latest refused accesses of a rack, for `ladon explain --live`: each as it was emitted, with its fault.
// Bounded: the same fault of the same initiator again counts up, and the one that is longest ago makes room.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "fabric/resolve.h"
#include "pcie/transaction.h"

namespace ladon::machine {

struct RecentRefusal {
  Instant last;
  std::uint64_t count = 0;
  pcie::Transaction transaction;  // the latest
  fabric::Fault fault;
};

class RecentRefusals {
 public:
  static constexpr std::size_t kKept = 64;

  void add(Instant now, const pcie::Transaction& transaction, const fabric::Fault& fault);
  [[nodiscard]] std::vector<RecentRefusal> newest_first() const { return {kept_.rbegin(), kept_.rend()}; }

 private:
  std::vector<RecentRefusal> kept_;  // oldest first
};

}  // namespace ladon::machine
