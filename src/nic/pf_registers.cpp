// The PF's register block as tables: one of the device, one of what is there for every virtual function.
#include <algorithm>

#include "base/register_map.h"
#include "nic/config.h"
#include "nic/pf.h"
#include "nic/vf_admin.h"
#include "spec/pf.h"

namespace ladon::nic {

namespace reg = spec::pf;

struct Pf::Map {
  static constexpr auto kTable = make_register_map<Pf, reg::kBarSize>(std::to_array<Register<Pf>>({
      {reg::kId, 1, 4, "ID", &Pf::read_id},
      {reg::kVersion, 1, 4, "VERSION", &Pf::read_version},
      {reg::kControl, 1, 4, "CONTROL", &Pf::read_control, &Pf::write_control},
      {reg::kStatus, 1, 4, "STATUS", &Pf::read_status},
      {reg::kVfCount, 1, 4, "VF_COUNT", &Pf::read_vf_count},
      {reg::kCapacityReceive, 1, 4, "CAPACITY_RECEIVE", &Pf::read_capacity_receive,
       &Pf::write_capacity_receive},
      {reg::kCapacityTransmit, 1, 4, "CAPACITY_TRANSMIT", &Pf::read_capacity_transmit,
       &Pf::write_capacity_transmit},
      {reg::kMemoryPool, 1, 4, "MEMORY_POOL", &Pf::read_memory_pool},
      {reg::kMemoryFree, 1, 4, "MEMORY_FREE", &Pf::read_memory_free},
      {reg::kMemoryLent, 1, 4, "MEMORY_LENT", &Pf::read_memory_lent},
      {reg::kMemoryLentOfGuarantees, 1, 4, "MEMORY_LENT_OF_GUARANTEES", &Pf::read_memory_lent_of_guarantees},
      {reg::kCause, 1, 4, "CAUSE", &Pf::read_cause, &Pf::write_cause},
      {reg::kMask, 1, 4, "MASK", &Pf::read_mask, &Pf::write_mask},
      {reg::kMailboxPending, 2, 4, "MAILBOX_PENDING", &Pf::read_mailbox_pending},
      {reg::kFlrPending, 2, 4, "FLR_PENDING", &Pf::read_reset_pending, &Pf::write_reset_pending},
      {reg::kFaultPending, 2, 4, "FAULT_PENDING", &Pf::read_fault_pending, &Pf::write_fault_pending},
      {reg::kPageTables, reg::kMaxVfs* reg::kPageTableStride / 4, 4, "PAGE_TABLE", &Pf::read_page_table,
       &Pf::write_page_table},
      {reg::kFilters + reg::kFilterMacLow, reg::kFilterCount, reg::kFilterStride, "FILTER_MAC_LOW",
       &Pf::read_filter_low, &Pf::write_filter_low},
      {reg::kFilters + reg::kFilterMacHigh, reg::kFilterCount, reg::kFilterStride, "FILTER_MAC_HIGH",
       &Pf::read_filter_high, &Pf::write_filter_high},
      {reg::kFilters + reg::kFilterVf, reg::kFilterCount, reg::kFilterStride, "FILTER_VF",
       &Pf::read_filter_vf, &Pf::write_filter_vf},
  }));
};

namespace {

constexpr std::uint32_t kPageWords = reg::kPageTableStride / 4;
static_assert(kPageWords == 2 * spec::ixgbevf::kPageExtents);

// The function whose block `offset` lies in; nullopt outside all of them.
struct VfOffset {
  std::uint16_t vf;
  std::uint32_t offset;
};
std::optional<VfOffset> vf_block(std::uint64_t offset) {
  if (offset < reg::kVf || offset >= reg::kVf + reg::kMaxVfs * reg::kVfStride) return std::nullopt;
  const auto within = static_cast<std::uint32_t>(offset - reg::kVf);
  return VfOffset{static_cast<std::uint16_t>(within / reg::kVfStride), within % reg::kVfStride};
}

bool in_level_window(std::uint64_t offset) {
  return offset >= reg::kLevel && offset < reg::kLevel + reg::kLevelSize;
}

std::uint32_t word_of(VfMask mask, std::uint32_t word) {
  return static_cast<std::uint32_t>(mask >> (32 * word));
}
std::uint32_t saturated(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, ~std::uint32_t{0}));
}
VfMask mask_of(std::uint32_t value, std::uint32_t word) {
  return VfMask{value} << (32 * word);
}

}  // namespace

std::uint64_t Pf::register_read(std::uint8_t bar, std::uint64_t offset, unsigned width) {
  return split_read(offset, width, [&](std::uint64_t word) { return read_register(bar, word); });
}

void Pf::register_write(std::uint8_t bar, std::uint64_t offset, unsigned width, std::uint64_t value) {
  if (engine_.defer([=, this] { register_write(bar, offset, width, value); })) return;
  (void)split_write(offset, width, value,
                    [&](std::uint64_t word, std::uint32_t part) { write_register(bar, word, part); });
  engine_.settle();
}

std::uint32_t Pf::read_register(std::uint8_t bar, std::uint64_t offset) {
  if (bar == kPfMsixBar) {
    return offset < kPfMsixPendingOffset ? engine_.pf_msix().read_table(offset)
                                         : engine_.pf_msix().read_pending(offset - kPfMsixPendingOffset);
  }
  if (bar != kPfRegisterBar) return 0;
  if (in_level_window(offset)) return levels_.read(static_cast<std::uint32_t>(offset - reg::kLevel));
  const auto block = vf_block(offset);
  if (!block) return Map::kTable.read(*this, offset);
  if (block->vf >= engine_.vfs()) return 0;
  return VfAdmin(engine_, engine_.vf(block->vf)).read(block->offset);
}

void Pf::write_register(std::uint8_t bar, std::uint64_t offset, std::uint32_t value) {
  if (bar == kPfMsixBar && offset < kPfMsixPendingOffset)
    engine_.pf_msix().write_table(offset, value, engine_.pf_port());
  if (bar != kPfRegisterBar) return;
  if (in_level_window(offset)) return levels_.write(static_cast<std::uint32_t>(offset - reg::kLevel), value);
  const auto block = vf_block(offset);
  if (!block)
    Map::kTable.write(*this, offset, value);
  else if (block->vf < engine_.vfs())
    VfAdmin(engine_, engine_.vf(block->vf)).write(block->offset, value);
}

// ---- handlers

std::uint32_t Pf::read_id(std::uint32_t) {
  return reg::kMagic;
}
std::uint32_t Pf::read_version(std::uint32_t) {
  return 1;
}

std::uint32_t Pf::read_control(std::uint32_t) {
  return engine_.wire().enabled ? reg::kControlWire : 0;
}
void Pf::write_control(std::uint32_t, std::uint32_t value) {
  if ((value & reg::kControlReset) != 0) return reset();
  engine_.wire().enabled = (value & reg::kControlWire) != 0;
  engine_.check_carrier();
}

std::uint32_t Pf::read_status(std::uint32_t) {
  return engine_.carrier() ? 1 : 0;
}
std::uint32_t Pf::read_vf_count(std::uint32_t) {
  return engine_.vfs_enabled();
}

std::uint32_t Pf::read_capacity_receive(std::uint32_t) {
  return static_cast<std::uint32_t>(engine_.services().capacity().receive / reg::kRateUnit);
}
void Pf::write_capacity_receive(std::uint32_t, std::uint32_t value) {
  Capacity capacity = engine_.services().capacity();
  capacity.receive = std::uint64_t{value} * reg::kRateUnit;
  (void)engine_.set_capacity(capacity);  // what is refused is seen by reading it again
}
std::uint32_t Pf::read_capacity_transmit(std::uint32_t) {
  return static_cast<std::uint32_t>(engine_.services().capacity().transmit / reg::kRateUnit);
}
void Pf::write_capacity_transmit(std::uint32_t, std::uint32_t value) {
  Capacity capacity = engine_.services().capacity();
  capacity.transmit = std::uint64_t{value} * reg::kRateUnit;
  (void)engine_.set_capacity(capacity);
}
std::uint32_t Pf::read_memory_pool(std::uint32_t) {
  return saturated(engine_.services().memory().pool());
}
std::uint32_t Pf::read_memory_free(std::uint32_t) {
  const qos::Partitions& memory = engine_.services().memory();
  return saturated(memory.pool() - memory.guaranteed());
}

std::uint32_t Pf::read_memory_lent(std::uint32_t) {
  return saturated(engine_.services().memory().lent());
}
std::uint32_t Pf::read_memory_lent_of_guarantees(std::uint32_t) {
  return saturated(engine_.services().memory().lent_of_guarantees());
}

std::uint32_t Pf::read_cause(std::uint32_t) {
  return engine_.events().cause();
}
void Pf::write_cause(std::uint32_t, std::uint32_t value) {
  engine_.events().clear_cause(value);
}
std::uint32_t Pf::read_mask(std::uint32_t) {
  return engine_.events().mask();
}
void Pf::write_mask(std::uint32_t, std::uint32_t value) {
  engine_.events().set_mask(value);
}

std::uint32_t Pf::read_mailbox_pending(std::uint32_t word) {
  return word_of(engine_.events().mailbox_pending(), word);
}
std::uint32_t Pf::read_reset_pending(std::uint32_t word) {
  return word_of(engine_.events().reset_pending(), word);
}
void Pf::write_reset_pending(std::uint32_t word, std::uint32_t value) {
  engine_.events().clear_reset_pending(mask_of(value, word));
}
std::uint32_t Pf::read_fault_pending(std::uint32_t word) {
  return word_of(engine_.events().fault_pending(), word);
}
void Pf::write_fault_pending(std::uint32_t word, std::uint32_t value) {
  const VfMask cleared = mask_of(value, word);
  engine_.events().clear_fault_pending(cleared);
  for (std::uint16_t i = 0; i < engine_.vfs(); ++i)
    if ((cleared >> i & 1) != 0) engine_.vf(i).clear_fault();
}

std::uint32_t Pf::read_page_table(std::uint32_t word) {
  const auto vf = static_cast<std::uint16_t>(word / kPageWords);
  return vf < engine_.vfs() ? engine_.page_tables().word(vf, word % kPageWords) : 0;
}
void Pf::write_page_table(std::uint32_t word, std::uint32_t value) {
  const auto vf = static_cast<std::uint16_t>(word / kPageWords);
  // What is refused is seen by reading it again.
  if (vf < engine_.vfs()) (void)engine_.page_tables().set_word(vf, word % kPageWords, value);
}

std::uint32_t Pf::read_filter_low(std::uint32_t i) {
  return static_cast<std::uint32_t>(engine_.filters[i].mac.bits());
}
void Pf::write_filter_low(std::uint32_t i, std::uint32_t value) {
  MacAddress& mac = engine_.filters[i].mac;
  mac = MacAddress::from_bits((mac.bits() & ~std::uint64_t{0xFFFF'FFFF}) | value);
  engine_.addresses_changed();
}
std::uint32_t Pf::read_filter_high(std::uint32_t i) {
  return static_cast<std::uint32_t>(engine_.filters[i].mac.bits() >> 32);
}
void Pf::write_filter_high(std::uint32_t i, std::uint32_t value) {
  MacAddress& mac = engine_.filters[i].mac;
  mac = MacAddress::from_bits((mac.bits() & 0xFFFF'FFFF) | std::uint64_t{value & 0xFFFF} << 32);
  engine_.addresses_changed();
}
std::uint32_t Pf::read_filter_vf(std::uint32_t i) {
  const AddressFilter& filter = engine_.filters[i];
  return filter.vf | (filter.valid ? 1u << 31 : 0);
}
void Pf::write_filter_vf(std::uint32_t i, std::uint32_t value) {
  engine_.filters[i].vf = value & 0x3F;
  engine_.filters[i].valid = (value >> 31) != 0;
  engine_.addresses_changed();
}

}  // namespace ladon::nic
