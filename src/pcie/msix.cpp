#include "pcie/msix.h"

#include "spec/pci.h"

namespace ladon::pcie {

namespace {
constexpr std::uint32_t kMasked = 1;
constexpr std::uint64_t kEntryBytes = 16;
}  // namespace

MsixTable::MsixTable(std::uint16_t vectors) : entries_(vectors) {}

std::uint32_t MsixTable::read_table(std::uint64_t offset) const {
  if (offset / kEntryBytes >= entries_.size()) return 0;
  const Entry& entry = entries_[offset / kEntryBytes];
  switch (offset % kEntryBytes / 4) {
    case 0:
      return entry.address_low;
    case 1:
      return entry.address_high;
    case 2:
      return entry.data;
    default:
      return entry.control;
  }
}

void MsixTable::write_table(std::uint64_t offset, std::uint32_t value, MsiPort& port) {
  if (offset / kEntryBytes >= entries_.size()) return;
  Entry& entry = entries_[offset / kEntryBytes];
  switch (offset % kEntryBytes / 4) {
    case 0:
      entry.address_low = value & ~std::uint32_t{3};
      return;
    case 1:
      entry.address_high = value;
      return;
    case 2:
      entry.data = value;
      return;
    default:
      entry.control = value & kMasked;
      if (entry.pending && enabled_ && !function_masked_ && entry.control == 0) send(entry, port);
  }
}

std::uint32_t MsixTable::read_pending(std::uint64_t offset) const {
  std::uint32_t word = 0;
  for (std::uint64_t bit = 0; bit < 32; ++bit) {
    const std::uint64_t vector = offset * 8 + bit;
    if (vector < entries_.size() && entries_[vector].pending) word |= std::uint32_t{1} << bit;
  }
  return word;
}

void MsixTable::set_control(bool enabled, bool function_masked, MsiPort& port) {
  enabled_ = enabled;
  function_masked_ = function_masked;
  if (!enabled_ || function_masked_) return;
  for (Entry& entry : entries_)
    if (entry.pending && entry.control == 0) send(entry, port);
}

DmaStatus MsixTable::raise(std::uint16_t vector, MsiPort& port) {
  if (!enabled_ || vector >= entries_.size()) return DmaStatus::done;
  Entry& entry = entries_[vector];
  if (function_masked_ || entry.control != 0) {
    entry.pending = true;
    return DmaStatus::done;
  }
  return send(entry, port);
}

void MsixTable::withdraw(std::uint16_t vector) {
  if (vector < entries_.size()) entries_[vector].pending = false;
}

void MsixTable::reset() {
  for (Entry& entry : entries_) entry = Entry{};
  enabled_ = function_masked_ = false;
}

DmaStatus MsixTable::send(Entry& entry, MsiPort& port) {
  entry.pending = false;
  const std::uint64_t address = static_cast<std::uint64_t>(entry.address_high) << 32 | entry.address_low;
  return port.send_msi(Iova(address), entry.data);
}

bool apply_msix_control(const ConfigSpace& config, MsixTable& table, MsiPort& port) {
  const auto at = config.capability(spec::pci::kCapMsix);
  if (!at) return false;
  const std::uint32_t control = config.read(static_cast<std::uint16_t>(*at + spec::pci::kMsixControl), 2);
  const bool enabled = (control & spec::pci::kMsixControlEnable) != 0;
  table.set_control(enabled, (control & spec::pci::kMsixControlFunctionMask) != 0, port);
  return enabled;
}

}  // namespace ladon::pcie
