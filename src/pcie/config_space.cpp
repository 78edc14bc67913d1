#include "pcie/config_space.h"

#include <stdexcept>

#include "spec/pci.h"

namespace ladon::pcie {

namespace pci = spec::pci;

namespace {

bool is_access(std::uint16_t offset, unsigned width) {
  return (width == 1 || width == 2 || width == 4) && offset % width == 0 && offset + width <= 4096;
}

template <class Bytes>
void store(Bytes& bytes, std::uint16_t offset, unsigned width, std::uint32_t value) {
  if (!is_access(offset, width)) throw std::logic_error("configuration field outside the space");
  for (unsigned i = 0; i < width; ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

std::uint32_t ConfigSpace::read(std::uint16_t offset, unsigned width) const {
  if (!is_access(offset, width)) return ~std::uint32_t{0};
  std::uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= std::uint32_t{bytes_[offset + i]} << (8 * i);
  return value;
}

bool ConfigSpace::write(std::uint16_t offset, unsigned width, std::uint32_t value) {
  if (!is_access(offset, width)) return false;
  const auto before = bytes_;
  const auto express = capability(pci::kCapExpress);
  const auto sriov_at = extended_capability(pci::kExtSriov);
  const auto vfs_before =
      sriov_at ? static_cast<std::uint16_t>(read(*sriov_at + pci::kSriovNumVfs, 2)) : std::uint16_t{0};
  for (unsigned i = 0; i < width; ++i) {
    const std::size_t at = offset + i;
    const auto written = static_cast<std::uint8_t>(value >> (8 * i));
    const bool frozen = is_frozen(static_cast<std::uint16_t>(at));
    const std::uint8_t mask = frozen ? std::uint8_t{0} : writable_[at];
    bytes_[at] = static_cast<std::uint8_t>((bytes_[at] & ~mask) | (written & mask));
    bytes_[at] = static_cast<std::uint8_t>(bytes_[at] & ~(written & w1c_[at]));
    const bool can_flr =
        express && (read(*express + pci::kExpressDeviceCapabilities, 4) & pci::kDeviceCapabilitiesFlr) != 0;
    if (can_flr && at == *express + pci::kExpressDeviceControl + 1u &&
        (written & (pci::kDeviceControlFlr >> 8)) != 0)
      flr_requested_ = true;
  }
  check_vf_count(vfs_before);
  return bytes_ != before;
}

// While VFs are enabled their number and numbering stand still (SR-IOV 1.1, 3.3.3.1 and 3.3.7).
bool ConfigSpace::is_frozen(std::uint16_t offset) const {
  const auto at = extended_capability(pci::kExtSriov);
  if (!at || (read(*at + pci::kSriovControl, 2) & pci::kSriovControlVfEnable) == 0) return false;
  return offset == *at + pci::kSriovNumVfs || offset == *at + pci::kSriovNumVfs + 1;
}

// More VFs than there are is undefined by SR-IOV 1.1, 3.3.7, and has been a hole elsewhere (CVE-2024-26327):
// the write changes nothing here.
void ConfigSpace::check_vf_count(std::uint16_t before) {
  const auto at = extended_capability(pci::kExtSriov);
  if (at && read(*at + pci::kSriovNumVfs, 2) > read(*at + pci::kSriovTotalVfs, 2))
    set(static_cast<std::uint16_t>(*at + pci::kSriovNumVfs), 2, before);
}

void ConfigSpace::set(std::uint16_t offset, unsigned width, std::uint32_t value) {
  store(bytes_, offset, width, value);
}

void ConfigSpace::initial(std::uint16_t offset, unsigned width, std::uint32_t value) {
  store(bytes_, offset, width, value);
  store(reset_, offset, width, value);
}

void ConfigSpace::writable(std::uint16_t offset, unsigned width, std::uint32_t mask) {
  store(writable_, offset, width, mask);
}

void ConfigSpace::write_one_clears(std::uint16_t offset, unsigned width, std::uint32_t mask) {
  store(w1c_, offset, width, mask);
}

void ConfigSpace::reset() {
  bytes_ = reset_;
  flr_requested_ = false;
}

bool ConfigSpace::memory_enabled() const {
  return (read(pci::kCommand, 2) & pci::kCommandMemory) != 0;
}

bool ConfigSpace::bus_master() const {
  return (read(pci::kCommand, 2) & pci::kCommandBusMaster) != 0;
}

bool ConfigSpace::take_flr_request() {
  const bool requested = flr_requested_;
  flr_requested_ = false;
  return requested;
}

std::optional<std::uint16_t> ConfigSpace::capability(std::uint8_t id) const {
  // The list is ours and ends; it is bounded all the same, as software bounds it.
  std::uint8_t at = bytes_[pci::kCapabilityPointer];
  for (int i = 0; i < 48 && at != 0; ++i, at = bytes_[at + 1u])
    if (bytes_[at] == id) return at;
  return std::nullopt;
}

std::optional<std::uint16_t> ConfigSpace::extended_capability(std::uint16_t id) const {
  std::uint16_t at = 0x100;
  for (int i = 0; i < 64 && at != 0; ++i) {
    const std::uint32_t header = read(at, 4);
    if (header == 0) return std::nullopt;
    if ((header & 0xFFFF) == id) return at;
    at = static_cast<std::uint16_t>(header >> 20);
  }
  return std::nullopt;
}

std::optional<BusAddr> ConfigSpace::bar_base(std::uint16_t offset, const BarShape& bar) const {
  std::uint64_t base = read(offset, 4) & ~std::uint32_t{0xF};
  if (bar.kind != BarKind::memory32)
    base |= static_cast<std::uint64_t>(read(static_cast<std::uint16_t>(offset + 4), 4)) << 32;
  if (bar.size == 0 || base == 0) return std::nullopt;
  return BusAddr(base);
}

std::vector<BarRange> ConfigSpace::decoded() const {
  std::vector<BarRange> ranges;
  if (!memory_enabled()) return ranges;
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(bars_.size()); ++i) {
    const auto base = bar_base(static_cast<std::uint16_t>(pci::kBar0 + 4 * i), bars_[i]);
    if (!base) continue;
    if (const auto range = Range<BusAddr>::of(*base, bars_[i].size)) ranges.push_back({i, *range});
  }
  return ranges;
}

std::optional<ConfigSpace::Sriov> ConfigSpace::sriov() const {
  const auto found = extended_capability(pci::kExtSriov);
  if (!found) return std::nullopt;
  const auto field = [&](std::uint16_t offset) {
    return static_cast<std::uint16_t>(read(static_cast<std::uint16_t>(*found + offset), 2));
  };
  const std::uint16_t control = field(pci::kSriovControl);
  Sriov state;
  state.enabled = (control & pci::kSriovControlVfEnable) != 0;
  state.memory_enabled = (control & pci::kSriovControlVfMemory) != 0;
  state.ari_hierarchy = (control & pci::kSriovControlAriHierarchy) != 0;
  state.vfs = field(pci::kSriovNumVfs);
  state.first_offset = field(pci::kSriovFirstOffset);
  state.stride = field(pci::kSriovStride);
  for (std::uint16_t i = 0; i < vf_bars_.size(); ++i) {
    state.vf_bar_sizes[i] = vf_bars_[i].size;
    state.vf_bars[i] = bar_base(static_cast<std::uint16_t>(*found + pci::kSriovVfBar0 + 4 * i), vf_bars_[i]);
  }
  return state;
}

ConfigSpace::BridgeWindows ConfigSpace::bridge_windows() const {
  BridgeWindows windows{.primary = bytes_[pci::kPrimaryBus],
                        .secondary = bytes_[pci::kSecondaryBus],
                        .subordinate = bytes_[pci::kSubordinateBus],
                        .memory = {},
                        .prefetchable = {}};
  if (!memory_enabled()) return windows;
  // Bits 31:20 of an address; the window's granularity is 1 MiB (PCI-to-PCI Bridge 1.2, 3.2.5.6 and 3.2.5.8).
  const auto bits = [&](std::uint16_t offset) {
    return static_cast<std::uint64_t>(read(offset, 2) & 0xFFF0u) << 16;
  };
  const auto upper = [&](std::uint16_t offset) { return static_cast<std::uint64_t>(read(offset, 4)) << 32; };
  windows.memory =
      Range<BusAddr>::between(BusAddr(bits(pci::kMemoryBase)), BusAddr(bits(pci::kMemoryLimit) | 0xF'FFFF));
  windows.prefetchable = Range<BusAddr>::between(
      BusAddr(upper(pci::kPrefetchableBaseUpper) | bits(pci::kPrefetchableBase)),
      BusAddr(upper(pci::kPrefetchableLimitUpper) | bits(pci::kPrefetchableLimit) | 0xF'FFFF));
  return windows;
}

ConfigSpace::Acs ConfigSpace::acs() const {
  const auto at = extended_capability(pci::kExtAcs);
  const std::uint32_t control = at ? read(static_cast<std::uint16_t>(*at + pci::kAcsControl), 2) : 0;
  return {.source_validation = (control & pci::kAcsSourceValidation) != 0,
          .translation_blocking = (control & pci::kAcsTranslationBlocking) != 0,
          .request_redirect = (control & pci::kAcsRequestRedirect) != 0,
          .completion_redirect = (control & pci::kAcsCompletionRedirect) != 0,
          .upstream_forwarding = (control & pci::kAcsUpstreamForwarding) != 0};
}

}  // namespace ladon::pcie
