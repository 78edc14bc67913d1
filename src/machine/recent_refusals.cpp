#include "machine/recent_refusals.h"

#include <algorithm>

namespace ladon::machine {

void RecentRefusals::add(Instant now, const pcie::Transaction& transaction, const fabric::Fault& fault) {
  const auto same = [&](const RecentRefusal& kept) {
    return kept.transaction.origin == transaction.origin && kept.transaction.domain == transaction.domain &&
           kept.transaction.rid == transaction.rid && kept.transaction.access == transaction.access &&
           kept.fault.component == fault.component && kept.fault.table == fault.table &&
           kept.fault.reason == fault.reason;
  };
  RecentRefusal next{.last = now, .count = 1, .transaction = transaction, .fault = fault};
  // A flood's is the newest.
  if (const auto found = std::find_if(kept_.rbegin(), kept_.rend(), same); found != kept_.rend()) {
    next.count += found->count;
    kept_.erase(std::prev(found.base()));
  } else if (kept_.size() == kKept) {
    kept_.erase(kept_.begin());
  }
  kept_.push_back(next);
}

}  // namespace ladon::machine
