#include "iommu/unit.h"

#include <algorithm>

namespace ladon::iommu {

namespace {

void set_base(DomainTable& domain) {
  const auto& all = domain.mappings.mappings();
  const auto largest = std::max_element(
      all.begin(), all.end(), [](const auto& a, const auto& b) { return a.from.span() < b.from.span(); });
  domain.distance = 0;
  domain.downwards = false;
  if (largest == all.end()) return;
  const std::uint64_t from = largest->from.first().bits(), to = largest->to.bits();
  domain.downwards = to < from;
  domain.distance = domain.downwards ? from - to : to - from;
}

// `table` with `mapping` where it has nothing yet: what is stale already stays as it is.
AddressSpaceTable with_rest(AddressSpaceTable table, const Mapping<Iova>& mapping) {
  Iova at = mapping.from.first();
  for (;;) {
    const auto here = table.lookup(at, std::nullopt);
    const Iova last = std::min(here.extent.last(), mapping.from.last());
    if (!here.to) {
      const auto to = mapping.to.plus(*at.minus(mapping.from.first()));
      if (auto grown = table.with({*Range<Iova>::between(at, last), *to, mapping.access}))
        table = std::move(*grown);
    }
    if (last == mapping.from.last()) return table;
    at = *last.plus(1);
  }
}

}  // namespace

Unit::Unit(const UnitOptions& options)
    : options_(options),
      iotlb_(options.iotlb_entries),
      interrupts_(options.interrupts, options.max_interrupts) {}

std::expected<DomainId, TableError> Unit::create_domain() {
  if (domains_.size() >= options_.max_domains) return std::unexpected(TableError::limit);
  const DomainId id{next_domain_++};
  auto table = std::make_shared<DomainTable>();
  table->id = id;
  domains_.emplace(id, Domain{std::move(table)});
  return id;
}

std::expected<void, TableError> Unit::destroy_domain(DomainId id) {
  const auto it = domains_.find(id);
  if (it == domains_.end()) return std::unexpected(TableError::no_such_thing);
  if (it->second.requesters != 0) return std::unexpected(TableError::busy);
  domains_.erase(it);
  iotlb_.erase(id, Range<Iova>::everything());
  return {};
}

std::expected<void, TableError> Unit::attach(DomainId id, pcie::Bdf rid, Grants grants) {
  const auto it = domains_.find(id);
  if (it == domains_.end()) return std::unexpected(TableError::no_such_thing);
  if (!attachments_.try_emplace(rid, Attachment{id, grants}).second) return std::unexpected(TableError::busy);
  ++it->second.requesters;
  return {};
}

std::expected<void, TableError> Unit::detach(pcie::Bdf rid) {
  const auto it = attachments_.find(rid);
  if (it == attachments_.end()) return std::unexpected(TableError::no_such_thing);
  --domains_.at(it->second.domain).requesters;
  attachments_.erase(it);
  return {};
}

std::expected<void, TableError> Unit::map(DomainId id, const Mapping<Iova>& mapping) {
  const auto it = domains_.find(id);
  if (it == domains_.end()) return std::unexpected(TableError::no_such_thing);
  if (it->second.table->mappings.mappings().size() >= options_.max_mappings)
    return std::unexpected(TableError::limit);
  auto mappings = it->second.table->mappings.with(mapping);
  if (!mappings) return std::unexpected(mappings.error());
  auto next = std::make_shared<DomainTable>(*it->second.table);
  next->mappings = std::move(*mappings);
  set_base(*next);
  it->second.table = std::move(next);
  return {};
}

std::expected<void, TableError> Unit::unmap(DomainId id, const Range<Iova>& range) {
  const auto it = domains_.find(id);
  if (it == domains_.end()) return std::unexpected(TableError::no_such_thing);
  auto mappings = it->second.table->mappings.without(range);
  if (!mappings) return std::unexpected(mappings.error());
  auto next = std::make_shared<DomainTable>(*it->second.table);
  if (options_.invalidation == Invalidation::deferred)
    next->stale = left_stale(*it->second.table, range);
  else
    iotlb_.erase(id, range);
  next->mappings = std::move(*mappings);
  set_base(*next);
  it->second.table = std::move(next);
  return {};
}

AddressSpaceTable Unit::left_stale(const DomainTable& domain, const Range<Iova>& range) const {
  AddressSpaceTable stale = domain.stale;
  for (const auto& mapping : domain.mappings.mappings()) {
    if (!range.contains(mapping.from)) continue;
    if (options_.iotlb_entries == 0) {
      stale = with_rest(std::move(stale), mapping);
      continue;
    }
    for (const auto& entry : iotlb_.entries()) {
      const auto page = Range<Iova>::of(entry.first, entry.bytes);
      const auto cached = entry.domain == domain.id && page ? page->intersect(mapping.from) : std::nullopt;
      if (cached)
        stale = with_rest(
            std::move(stale),
            {*cached, *mapping.to.plus(*cached->first().minus(mapping.from.first())), mapping.access});
    }
  }
  return stale;
}

void Unit::flush() {
  iotlb_.clear();
  for (auto& [id, domain] : domains_) {
    if (domain.table->stale.mappings().empty()) continue;
    auto next = std::make_shared<DomainTable>(*domain.table);
    next->stale = {};
    domain.table = std::move(next);
  }
}

void Unit::fill(DomainId id, Iova at) {
  const auto it = domains_.find(id);
  if (it == domains_.end()) return;
  if (const auto bytes = it->second.table->mappings.page_size(at))
    iotlb_.insert({.domain = id, .first = at.align_down(*bytes), .bytes = *bytes});
}

std::vector<pcie::Bdf> Unit::requesters(DomainId id) const {
  std::vector<pcie::Bdf> rids;
  for (const auto& [rid, attachment] : attachments_)
    if (attachment.domain == id) rids.push_back(rid);
  return rids;
}

bool Unit::in_use(DomainId id) const {
  const auto it = domains_.find(id);
  return it != domains_.end() && it->second.requesters != 0;
}

std::shared_ptr<const UnitTable> Unit::table() const {
  auto table = std::make_shared<UnitTable>();
  table->enforcement = options_.enforcement;
  table->devices.reserve(attachments_.size());
  for (const auto& [rid, attachment] : attachments_)
    table->devices.push_back({rid, attachment.grants, domains_.at(attachment.domain).table});
  table->interrupts = interrupts_.table();
  return table;
}

}  // namespace ladon::iommu
