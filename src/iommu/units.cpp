#include "iommu/units.h"

#include <algorithm>

namespace ladon::iommu {

std::expected<DomainId, TableError> Units::create_domain() {
  std::expected<DomainId, TableError> created = std::unexpected(TableError::limit);
  for (Unit& unit : units_) created = unit.create_domain();
  return created;
}

std::expected<void, TableError> Units::destroy_domain(DomainId id) {
  if (std::ranges::any_of(units_, [id](const Unit& unit) { return unit.in_use(id); }))
    return std::unexpected(TableError::busy);
  std::expected<void, TableError> done;
  for (Unit& unit : units_) done = unit.destroy_domain(id);
  return done;
}

std::expected<void, TableError> Units::map(DomainId id, const Mapping<Iova>& mapping) {
  std::expected<void, TableError> done;
  for (Unit& unit : units_) done = unit.map(id, mapping);
  return done;
}

std::expected<void, TableError> Units::unmap(DomainId id, const Range<Iova>& range) {
  std::expected<void, TableError> done;
  for (Unit& unit : units_) done = unit.unmap(id, range);
  return done;
}

void Units::flush() {
  for (Unit& unit : units_) unit.flush();
}

void Units::fill(DomainId id, Iova at) {
  for (Unit& unit : units_)
    if (unit.in_use(id)) unit.fill(id, at);
}

}  // namespace ladon::iommu
