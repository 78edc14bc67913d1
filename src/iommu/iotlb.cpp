#include "iommu/iotlb.h"

namespace ladon::iommu {

void Iotlb::insert(const Entry& entry) {
  if (capacity_ == 0 || !entries_.insert(entry).second) return;
  order_.push_back(entry);
  if (order_.size() <= capacity_) return;
  entries_.erase(order_.front());
  order_.pop_front();
}

void Iotlb::erase(DomainId domain, const Range<Iova>& range) {
  std::erase_if(order_, [&](const Entry& entry) {
    const auto page = Range<Iova>::of(entry.first, entry.bytes);
    const bool gone = entry.domain == domain && page && page->overlaps(range);
    if (gone) entries_.erase(entry);
    return gone;
  });
}

void Iotlb::clear() {
  entries_.clear();
  order_.clear();
}

}  // namespace ladon::iommu
