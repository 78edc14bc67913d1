#include "iommu/translation_table.h"

#include <algorithm>

namespace ladon::iommu {

namespace {

// The first element that starts after `at`.
template <class From, class Element>
std::size_t after(const std::vector<Element>& elements, From at) {
  const auto it = std::upper_bound(elements.begin(), elements.end(), at,
                                   [](From value, const Element& e) { return value < e.from.first(); });
  return static_cast<std::size_t>(it - elements.begin());
}

// Where no element is: the gap between elements[next - 1] and elements[next].
template <class From, class Element>
Range<From> gap(const std::vector<Element>& elements, std::size_t next) {
  const Range<From> all = Range<From>::everything();
  const From first = next == 0 ? all.first() : *elements[next - 1].from.last().plus(1);
  const From last = next == elements.size() ? all.last() : From(elements[next].from.first().bits() - 1);
  return *Range<From>::between(first, last);
}

}  // namespace

std::string_view name(TableError error) {
  switch (error) {
    case TableError::unaligned:
      return "not on a 4 KiB boundary";
    case TableError::wraps:
      return "past the end of the address space";
    case TableError::overlap:
      return "overlaps";
    case TableError::cuts_mapping:
      return "would cut a mapping";
    case TableError::no_such_thing:
      return "does not exist";
    case TableError::busy:
      return "in use";
    case TableError::limit:
      return "limit reached";
  }
  return "unknown";
}

template <class From>
std::expected<TranslationTable<From>, TableError> TranslationTable<From>::with(const Entry& mapping) const {
  const auto& from = mapping.from;
  if (!from.first().is_aligned(kPage4K) || (from.span() & (kPage4K - 1)) != kPage4K - 1 ||
      !mapping.to.is_aligned(kPage4K))
    return std::unexpected(TableError::unaligned);
  if (!mapping.to.plus(from.span())) return std::unexpected(TableError::wraps);
  const std::size_t next = after(mappings_, from.first());
  if ((next > 0 && mappings_[next - 1].from.overlaps(from)) ||
      (next < mappings_.size() && mappings_[next].from.overlaps(from)))
    return std::unexpected(TableError::overlap);
  TranslationTable table;
  table.mappings_.reserve(mappings_.size() + 1);
  const auto middle = mappings_.begin() + static_cast<std::ptrdiff_t>(next);
  table.mappings_.assign(mappings_.begin(), middle);
  table.mappings_.push_back(mapping);
  table.mappings_.insert(table.mappings_.end(), middle, mappings_.end());
  table.rebuild_runs();
  return table;
}

template <class From>
std::expected<TranslationTable<From>, TableError> TranslationTable<From>::without(
    const Range<From>& range) const {
  TranslationTable table;
  table.mappings_.reserve(mappings_.size());
  for (const Entry& entry : mappings_) {
    if (range.contains(entry.from)) continue;
    if (range.overlaps(entry.from)) return std::unexpected(TableError::cuts_mapping);
    table.mappings_.push_back(entry);
  }
  table.rebuild_runs();
  return table;
}

template <class From>
void TranslationTable<From>::rebuild_runs() {
  for (int view = 0; view < kViews; ++view) {
    auto& reached = runs_[view];
    reached.clear();
    for (const Entry& entry : mappings_) {
      if (view == kRead && !entry.access.allows(pcie::Access::read)) continue;
      if (view == kWrite && !entry.access.allows(pcie::Access::write)) continue;
      const bool continues = !reached.empty() && reached.back().from.last().plus(1) == entry.from.first() &&
                             entry.to.bits() - reached.back().to.bits() ==
                                 entry.from.first().bits() - reached.back().from.first().bits();
      if (continues)
        reached.back().from = *Range<From>::between(reached.back().from.first(), entry.from.last());
      else
        reached.push_back({entry.from, entry.to});
    }
  }
}

template <class From>
Answer<From> TranslationTable<From>::lookup(From at, std::optional<pcie::Access> access) const {
  const auto& reached = runs(access);
  const std::size_t next = after(reached, at);
  if (next > 0 && reached[next - 1].from.contains(at)) {
    const Run& run = reached[next - 1];
    return {.to = run.to.plus(*at.minus(run.from.first())), .mapped = true, .extent = run.from};
  }
  if (const Entry* entry = find(at)) return {.to = {}, .mapped = true, .extent = entry->from};
  return {.to = {}, .mapped = false, .extent = gap<From>(mappings_, after(mappings_, at))};
}

template <class From>
Range<From> TranslationTable<From>::unreached(From at, std::optional<pcie::Access> access) const {
  return gap<From>(runs(access), after(runs(access), at));
}

template <class From>
std::optional<std::uint64_t> TranslationTable<From>::page_size(From at) const {
  const Entry* entry = find(at);
  if (entry == nullptr) return std::nullopt;
  for (const std::uint64_t size : {kPage1G, kPage2M}) {
    if (((entry->from.first().bits() ^ entry->to.bits()) & (size - 1)) != 0) continue;
    const auto page = Range<From>::of(at.align_down(size), size);
    if (page && entry->from.contains(*page)) return size;
  }
  return kPage4K;
}

template <class From>
auto TranslationTable<From>::find(From at) const -> const Entry* {
  const std::size_t next = after(mappings_, at);
  return next > 0 && mappings_[next - 1].from.contains(at) ? &mappings_[next - 1] : nullptr;
}

template class TranslationTable<Iova>;
template class TranslationTable<Gpa>;

}  // namespace ladon::iommu
