// All IOMMUs of one host: a remapping unit for each of its PCI segments (VT-d 3.x, 8.3: a unit's scope is one
// segment), and the I/O address spaces, which are the host's: several units may use the same one. A unit has
// its own context entries, IOTLB and interrupt table, and knows requesters by 16 bits.
#pragma once

#include <cstddef>
#include <vector>

#include "iommu/unit.h"

namespace ladon::iommu {

class Units {
 public:
  Units(const UnitOptions& options, std::size_t count) : units_(count, Unit(options)) {}

  [[nodiscard]] std::size_t size() const { return units_.size(); }
  // For what concerns one unit alone: attach, detach, interrupts. I/O domains come and go here.
  [[nodiscard]] Unit& operator[](std::size_t index) { return units_[index]; }
  [[nodiscard]] const Unit& operator[](std::size_t index) const { return units_[index]; }

  // How many I/O domains there are.
  [[nodiscard]] std::size_t domains() const { return units_.front().domains(); }
  // As of a Unit, in all of them.
  [[nodiscard]] std::expected<DomainId, TableError> create_domain();
  [[nodiscard]] std::expected<void, TableError> destroy_domain(DomainId id);
  [[nodiscard]] std::expected<void, TableError> map(DomainId id, const Mapping<Iova>& mapping);
  [[nodiscard]] std::expected<void, TableError> unmap(DomainId id, const Range<Iova>& range);
  void flush();
  // Only where the domain has requesters.
  void fill(DomainId id, Iova at);

 private:
  std::vector<Unit> units_;  // they hold the same domains: every change is made in all or in none
};

}  // namespace ladon::iommu
