#include "iommu/fault_log.h"

#include <algorithm>

namespace ladon::iommu {

bool FaultLog::record(FaultRecord record) {
  ++recorded_;
  if (!spend(record.rid, record.at)) {
    ++suppressed_;
    return false;
  }
  if (records_.size() >= options_.capacity) {
    ++overflowed_;
    return false;
  }
  records_.push_back(std::move(record));
  return true;
}

std::vector<FaultRecord> FaultLog::take() {
  std::vector<FaultRecord> taken(std::make_move_iterator(records_.begin()),
                                 std::make_move_iterator(records_.end()));
  records_.clear();
  return taken;
}

bool FaultLog::spend(const pcie::Rid& rid, Instant now) {
  const bool tracked = budgets_.contains(rid) || budgets_.size() < options_.max_requesters;
  // No function has this ID on a segment that exists, so it can stand for all who are not tracked.
  constexpr pcie::Rid kOthers{pcie::Segment{0xFFFF}, pcie::Bdf{0xFFFF}};
  auto [it, is_new] =
      budgets_.try_emplace(tracked ? rid : kOthers, Budget{.left = options_.burst, .since = now});
  Budget& budget = it->second;
  const auto earned = (now - budget.since) / options_.refill;
  if (earned > 0) {
    budget.left = static_cast<std::uint32_t>(std::min<std::int64_t>(options_.burst, budget.left + earned));
    budget.since += earned * options_.refill;
  }
  if (budget.left == 0) return false;
  --budget.left;
  return true;
}

}  // namespace ladon::iommu
