#include "iommu/interrupts.h"

#include <algorithm>

namespace ladon::iommu {

namespace {

// VT-d 3.x, 5.1.2.2: address [19:5] handle [14:0], [4] remappable format, [3] subhandle valid, [2] handle
// [15].
constexpr std::uint32_t kFormatRemappable = 1u << 4, kSubhandleValid = 1u << 3;

constexpr std::uint32_t handle_of(std::uint32_t address) {
  return ((address >> 5) & 0x7FFF) | ((address >> 2) & 1) << 15;
}

constexpr std::uint32_t compatible_vector(std::uint32_t address, std::uint32_t data) {
  return ((address >> 12) & 0xFF) << 8 | (data & 0xFF);
}

}  // namespace

std::string_view name(InterruptReason reason) {
  switch (reason) {
    case InterruptReason::not_four_bytes:
      return "interrupt write is not four aligned bytes";
    case InterruptReason::compatibility:
      return "compatibility-format interrupt";
    case InterruptReason::reserved_bits:
      return "reserved bits of the interrupt request are set";
    case InterruptReason::beyond_table:
      return "interrupt index beyond the table";
    case InterruptReason::not_present:
      return "interrupt entry not present";
    case InterruptReason::wrong_source:
      return "interrupt entry belongs to another requester";
    case InterruptReason::count_:
      break;
  }
  return "unknown";
}

std::expected<std::uint32_t, InterruptReason> InterruptTable::lookup(pcie::Bdf rid, std::uint64_t address,
                                                                     std::uint32_t length,
                                                                     std::uint32_t data) const {
  if (length != 4 || address % 4 != 0) return std::unexpected(InterruptReason::not_four_bytes);
  const auto low = static_cast<std::uint32_t>(address);
  if (mode == InterruptMode::off) return compatible_vector(low, data);
  if ((low & kFormatRemappable) == 0) return std::unexpected(InterruptReason::compatibility);
  if ((data >> 16) != 0) return std::unexpected(InterruptReason::reserved_bits);
  const std::uint32_t index = handle_of(low) + ((low & kSubhandleValid) != 0 ? data & 0xFFFF : 0);
  if (index >= entries.size()) return std::unexpected(InterruptReason::beyond_table);
  const Irte& entry = entries[index];
  if (!entry.present) return std::unexpected(InterruptReason::not_present);
  if (mode == InterruptMode::checked && entry.source != rid)
    return std::unexpected(InterruptReason::wrong_source);
  return entry.vector;
}

InterruptRemapper::InterruptRemapper(InterruptMode mode, std::uint32_t max_entries)
    : max_entries_(std::min(max_entries, 65536u)), table_(std::make_shared<InterruptTable>(mode)) {}

std::expected<Message, TableError> InterruptRemapper::route(pcie::Bdf rid, std::uint32_t vector) {
  if (table_->mode == InterruptMode::off && vector > 0xFFFF) return std::unexpected(TableError::limit);
  const auto& entries = table_->entries;
  std::size_t free = entries.size();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].present && entries[i].source == rid && entries[i].vector == vector) return message(i);
    if (!entries[i].present && i < free) free = i;
  }
  if (free >= max_entries_) return std::unexpected(TableError::limit);
  auto next = std::make_shared<InterruptTable>(*table_);
  if (free == entries.size()) next->entries.emplace_back();
  next->entries[free] = {.present = true, .vector = vector, .source = rid};
  table_ = std::move(next);
  return message(free);
}

std::expected<void, TableError> InterruptRemapper::unroute(pcie::Bdf rid, std::uint32_t vector) {
  auto next = std::make_shared<InterruptTable>(*table_);
  for (Irte& entry : next->entries) {
    if (!entry.present || entry.source != rid || entry.vector != vector) continue;
    entry = {};
    table_ = std::move(next);
    return {};
  }
  return std::unexpected(TableError::no_such_thing);
}

Message InterruptRemapper::message(std::size_t index) const {
  constexpr auto kBase = static_cast<std::uint32_t>(kInterruptFirst);
  if (table_->mode == InterruptMode::off) {
    const std::uint32_t vector = table_->entries[index].vector;
    return {.address = kBase | (vector >> 8) << 12, .data = vector & 0xFF};
  }
  const auto handle = static_cast<std::uint32_t>(index);
  return {.address = kBase | (handle & 0x7FFF) << 5 | kFormatRemappable | (handle >> 15) << 2, .data = 0};
}

}  // namespace ladon::iommu
