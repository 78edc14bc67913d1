// When a driver that invalidates in batches empties the IOTLB: some time after the first unmap of a batch, or
// as soon as a batch is full. Numbers as Linux has them (drivers/iommu/dma-iommu.c: IOVA_FQ_TIMEOUT and
// IOVA_DEFAULT_FQ_SIZE).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "iommu/iotlb.h"

namespace ladon::iommu {

class FlushQueue {
 public:
  static constexpr Duration kTimeout = std::chrono::milliseconds(10);
  static constexpr std::size_t kEntries = 256;

  explicit FlushQueue(Duration timeout = kTimeout) : timeout_(timeout) {}

  // Something was unmapped whose entries are still in the IOTLB.
  void add(DomainId domain, const Range<Iova>& range, Instant now) {
    if (waiting_.empty()) first_ = now;
    waiting_.push_back({domain, range});
  }
  // When the IOTLB has to be emptied; nullopt if nothing waits.
  [[nodiscard]] std::optional<Instant> deadline() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.size() < kEntries ? first_ + timeout_ : first_;
  }
  // Some address of the range may still have an entry: it must not get another translation before a flush.
  [[nodiscard]] bool holds(DomainId domain, const Range<Iova>& range) const {
    return std::ranges::any_of(
        waiting_, [&](const Entry& entry) { return entry.domain == domain && entry.range.overlaps(range); });
  }
  // The IOTLB was emptied.
  void clear() { waiting_.clear(); }

 private:
  struct Entry {
    DomainId domain{};
    Range<Iova> range;
  };
  Duration timeout_;
  std::vector<Entry> waiting_;
  Instant first_{};
};

}  // namespace ladon::iommu
