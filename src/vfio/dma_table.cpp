#include "vfio/dma_table.h"

namespace ladon::vfio {

std::expected<Range<Gpa>, Refusal> DmaTable::check(std::uint64_t address, std::uint64_t size,
                                                   std::uint64_t file_offset) const {
  if (size == 0) return std::unexpected(Refusal::dma_empty);
  if (((address | size | file_offset) & (kPageBytes - 1)) != 0)
    return std::unexpected(Refusal::dma_unaligned);
  const auto range = Range<Gpa>::of(Gpa(address), size);
  if (!range) return std::unexpected(Refusal::dma_wraps);
  if (size > limits_.bytes) return std::unexpected(Refusal::dma_too_large);
  // Only the last entry that begins at or before the range's end can reach into it.
  auto after = entries_.upper_bound(range->last());
  if (after != entries_.begin() && std::prev(after)->second.range.overlaps(*range))
    return std::unexpected(Refusal::dma_exists);
  if (entries_.size() >= limits_.maps) return std::unexpected(Refusal::dma_limit);
  return *range;
}

void DmaTable::add(Range<Gpa> range, bool reachable) {
  entries_.emplace(range.first(), Entry{range, reachable});
}

std::expected<std::vector<DmaTable::Entry>, Refusal> DmaTable::inside(std::uint64_t address,
                                                                      std::uint64_t size) const {
  if (size == 0) return std::unexpected(Refusal::dma_empty);
  const auto range = Range<Gpa>::of(Gpa(address), size);
  if (!range) return std::unexpected(Refusal::dma_wraps);
  auto at = entries_.lower_bound(range->first());
  if (at != entries_.begin() && std::prev(at)->second.range.overlaps(*range))
    return std::unexpected(Refusal::dma_cuts_a_map);
  std::vector<Entry> found;
  for (; at != entries_.end() && at->first <= range->last(); ++at) {
    if (!range->contains(at->second.range)) return std::unexpected(Refusal::dma_cuts_a_map);
    found.push_back(at->second);
  }
  if (found.empty()) return std::unexpected(Refusal::dma_no_such_map);
  return found;
}

std::vector<DmaTable::Entry> DmaTable::all() const {
  std::vector<Entry> entries;
  entries.reserve(entries_.size());
  for (const auto& [first, entry] : entries_) entries.push_back(entry);
  return entries;
}

void DmaTable::remove(Range<Gpa> range) {
  entries_.erase(range.first());
}

}  // namespace ladon::vfio
