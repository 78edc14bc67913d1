#include "config/space.h"

#include "input.h"
#include "spec/pci.h"

namespace ladon::fuzz::config {

namespace pci = spec::pci;

Space::Space(Read read) : read_(std::move(read)), built_(words()), capabilities_(walk()) {
  allow_header();
  for (const Capability& one : capabilities_) one.at < 0x100 ? allow_capability(one) : allow_extended(one);
}

std::vector<std::uint32_t> Space::words(std::uint16_t end) const {
  std::vector<std::uint32_t> all(end / 4u);
  for (std::uint16_t i = 0; i < all.size(); ++i) all[i] = read_(static_cast<std::uint16_t>(4 * i), 4);
  return all;
}

// Both lists, which must end and have no capability outside their part of the space.
std::vector<Space::Capability> Space::walk() const {
  std::vector<Capability> all;
  for (auto at = static_cast<std::uint16_t>(read_(pci::kCapabilityPointer, 1)); at != 0;) {
    require(at >= 0x40 && at % 4 == 0 && all.size() < 48);
    all.push_back({static_cast<std::uint16_t>(read_(at, 1)), at});
    at = static_cast<std::uint16_t>(read_(static_cast<std::uint16_t>(at + 1), 1));
  }
  for (std::uint16_t at = 0x100; at != 0;) {
    require(at >= 0x100 && at % 4 == 0 && all.size() < 96);
    const std::uint32_t header = read_(at, 4);
    if (header == 0) break;
    all.push_back({static_cast<std::uint16_t>(header), at});
    at = static_cast<std::uint16_t>(header >> 20);
  }
  return all;
}

void Space::allow(std::uint16_t at, std::uint32_t bits) {
  mask_[at / 4u] |= bits << (at % 4 * 8);
}

// A BAR's type bits stand still.
void Space::allow_bars(std::uint16_t first, std::uint16_t end) {
  for (std::uint16_t at = first; at < end; at = static_cast<std::uint16_t>(at + 4)) {
    const bool upper = at > first && (built_[at / 4u - 1] & 6) == 4;
    allow(at, upper ? ~0u : ~0xFu);
  }
}

void Space::allow_header() {
  const bool bridge = (read_(pci::kHeaderType, 1) & 0x7F) == 1, is_virtual = read_(0, 2) == 0xFFFF;
  allow(pci::kCommand,
        pci::kCommandBusMaster | pci::kCommandIntxDisable | 0x140 | (is_virtual ? 0 : pci::kCommandMemory));
  allow(0x0C, 0xFF);
  allow(pci::kInterruptLine, 0xFF);
  if (is_virtual) return;
  if (!bridge) return allow_bars(pci::kBar0, pci::kBar0 + 24);
  allow(pci::kPrimaryBus, 0xFF'FFFF);
  allow(pci::kMemoryBase, 0xFFF0'FFF0);
  allow(pci::kPrefetchableBase, 0xFFF0'FFF0);
  allow(pci::kPrefetchableBaseUpper, ~0u);
  allow(pci::kPrefetchableLimitUpper, ~0u);
  allow(pci::kBridgeControl, 0x0043);
}

void Space::allow_capability(const Capability& capability) {
  const auto field = [&](unsigned offset) { return static_cast<std::uint16_t>(capability.at + offset); };
  if (capability.id == pci::kCapMsix)
    allow(field(pci::kMsixControl), pci::kMsixControlEnable | pci::kMsixControlFunctionMask);
  if (capability.id != pci::kCapExpress || read_(0, 2) == 0xFFFF) return;
  allow(field(pci::kExpressDeviceControl), 0x79FF);
  allow(field(0x10), 0xF3);
  allow(field(pci::kExpressDeviceControl2), pci::kDeviceControl2AriForwarding);
}

void Space::allow_extended(const Capability& capability) {
  const auto field = [&](unsigned offset) { return static_cast<std::uint16_t>(capability.at + offset); };
  switch (capability.id) {
    case pci::kExtAer:
      for (const unsigned offset : {0x08u, 0x0Cu, 0x14u}) allow(field(offset), ~0u);  // masks, severity
      break;
    case pci::kExtAcs:
      allow(field(pci::kAcsControl), 0x1F);
      break;
    case pci::kExtSriov:
      sriov_ = capability.at;
      allow(field(pci::kSriovControl),
            pci::kSriovControlVfEnable | pci::kSriovControlVfMemory | pci::kSriovControlAriHierarchy);
      allow(field(pci::kSriovNumVfs), 0xFFFF);
      allow_bars(field(pci::kSriovVfBar0), field(pci::kSriovVfBar0 + 24));
      break;
    default:
      break;
  }
}

void Space::check(const std::vector<std::uint32_t>& before, const std::vector<std::uint32_t>& now) const {
  for (std::size_t i = 0; i < now.size() && i < built_.size(); ++i)
    require(((now[i] ^ built_[i]) & ~mask_[i]) == 0);
  for (std::size_t i = built_.size(); i < now.size(); ++i) require(now[i] == 0);
  require(walk() == capabilities_);
  if (sriov_ != 0) check_sriov(before, now);
}

// Never more VFs than there are, and their number stands still while they are enabled.
void Space::check_sriov(const std::vector<std::uint32_t>& before,
                        const std::vector<std::uint32_t>& now) const {
  const auto field = [&](const std::vector<std::uint32_t>& words, unsigned offset) {
    return words[(sriov_ + offset) / 4] >> (offset % 4 * 8) & 0xFFFF;
  };
  const auto enabled = [&](const std::vector<std::uint32_t>& words) {
    return (field(words, pci::kSriovControl) & pci::kSriovControlVfEnable) != 0;
  };
  require(field(now, pci::kSriovNumVfs) <= field(now, pci::kSriovTotalVfs));
  if (enabled(before) && enabled(now))
    require(field(before, pci::kSriovNumVfs) == field(now, pci::kSriovNumVfs));
}

}  // namespace ladon::fuzz::config
