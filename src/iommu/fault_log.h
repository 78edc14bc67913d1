// Refused accesses, attributed: what VT-d's fault recording registers hold (7.2), bounded and rate limited a
// requester, so that one requester's flood neither fills the log nor hides another's fault.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "pcie/id.h"
#include "pcie/transaction.h"

namespace ladon::iommu {

struct FaultRecord {
  Instant at;
  pcie::Rid rid;
  std::uint64_t address = 0;
  pcie::Access access{};
  std::string reason;  // "component/table: reason"
};

struct FaultLogOptions {
  std::size_t capacity = 256;  // records kept; a full log drops new ones, as the hardware's does
  std::uint32_t burst = 8;     // records that one requester may add at once
  Duration refill = std::chrono::milliseconds(100);  // until it may add one more
  std::size_t max_requesters = 1024;                 // tracked one by one; the rest share one budget
};

class FaultLog {
 public:
  explicit FaultLog(const FaultLogOptions& options = {}) : options_(options) {}

  // True if kept. Whether kept or not, it is counted.
  bool record(FaultRecord record);
  // Oldest first; the log is empty afterwards.
  [[nodiscard]] std::vector<FaultRecord> take();

  [[nodiscard]] std::size_t kept() const { return records_.size(); }  // that wait to be taken
  [[nodiscard]] std::uint64_t recorded() const { return recorded_; }
  [[nodiscard]] std::uint64_t suppressed() const { return suppressed_; }  // by the rate limit
  [[nodiscard]] std::uint64_t overflowed() const { return overflowed_; }  // the log was full

 private:
  struct Budget {
    std::uint32_t left = 0;
    Instant since;
  };
  [[nodiscard]] bool spend(const pcie::Rid& rid, Instant now);

  FaultLogOptions options_;
  std::deque<FaultRecord> records_;
  std::map<pcie::Rid, Budget> budgets_;
  std::uint64_t recorded_ = 0, suppressed_ = 0, overflowed_ = 0;
};

}  // namespace ladon::iommu
