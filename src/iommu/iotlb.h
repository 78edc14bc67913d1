// The IOTLB as an explicit table: which pages of which domain are cached. It holds no translation of its own
// that a strict unmap would not remove; with deferred invalidation its entries outlive the mapping and are
// reach. Entries are as large as the page that was used (4 KiB, 2 MiB or 1 GiB) and leave in the order in
// which they came.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <set>

#include "base/address.h"

namespace ladon::iommu {

enum class DomainId : std::uint32_t {};

class Iotlb {
 public:
  struct Entry {
    DomainId domain{};
    Iova first;               // of the page
    std::uint64_t bytes = 0;  // its size
    auto operator<=>(const Entry&) const = default;
  };

  explicit Iotlb(std::uint32_t capacity) : capacity_(capacity) {}

  // The oldest entry leaves when it is full.
  void insert(const Entry& entry);
  void erase(DomainId domain, const Range<Iova>& range);
  void clear();
  [[nodiscard]] const std::set<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }

 private:
  std::uint32_t capacity_;
  std::set<Entry> entries_;
  std::deque<Entry> order_;
};

}  // namespace ladon::iommu
