#include "audit/messages.h"

#include <algorithm>

namespace ladon::audit {

namespace {

constexpr std::uint32_t kRemappable = 1u << 4, kSubhandleValid = 1u << 3, kHandleTop = 1u << 2;
constexpr std::uint32_t kHandleShift = 5, kHandleBits = 0x7FFF, kMaxSubhandle = 0xFFFF;
constexpr unsigned kPageShift = 12;

std::optional<std::uint32_t> inside(std::uint64_t address, const Interval& area) {
  if (address < area.first || address + 3 > area.last) return std::nullopt;
  return static_cast<std::uint32_t>(address);
}

}  // namespace

std::optional<iommu::Message> message_for(std::uint32_t index, const Interval& area) {
  const std::uint64_t direct = iommu::kInterruptFirst | (index & kHandleBits) << kHandleShift | kRemappable |
                               (index > kHandleBits ? kHandleTop : 0);
  if (const auto at = inside(direct, area)) return iommu::Message{.address = *at, .data = 0};
  // The lowest handle that the area can name, and the rest as the subhandle.
  constexpr std::uint64_t kStep = std::uint64_t{1} << kHandleShift;
  std::uint64_t lowest = (area.first & ~(kStep - 1)) | kRemappable | kSubhandleValid;
  if (lowest < area.first) lowest += kStep;
  const auto at = inside(lowest, area);
  if (!at) return std::nullopt;
  const std::uint32_t handle = (*at >> kHandleShift) & kHandleBits;
  if (index < handle || index - handle > kMaxSubhandle) return std::nullopt;
  return iommu::Message{.address = *at, .data = index - handle};
}

std::optional<Interval> unremapped_vectors(const Interval& area) {
  const std::uint64_t first = (area.first + 3) & ~std::uint64_t{3};
  if (first + 3 > area.last || first + 3 < first) return std::nullopt;
  const auto destination = [](std::uint64_t at) { return (at >> kPageShift & 0xFF) << 8; };
  return Interval{destination(first), destination(area.last - 3) | 0xFF};
}

EntriesByRequester::EntriesByRequester(const iommu::InterruptTable& table) : mode_(table.mode) {
  if (mode_ == iommu::InterruptMode::off) return;
  for (std::uint32_t i = 0; i < table.entries.size(); ++i) {
    if (!table.entries[i].present) continue;
    if (mode_ == iommu::InterruptMode::unchecked)
      all_.push_back(i);
    else
      by_source_[table.entries[i].source].push_back(i);
  }
}

const std::vector<std::uint32_t>& EntriesByRequester::of(pcie::Bdf rid) const {
  if (mode_ == iommu::InterruptMode::unchecked) return all_;
  const auto found = by_source_.find(rid);
  return found == by_source_.end() ? none_ : found->second;
}

}  // namespace ladon::audit
