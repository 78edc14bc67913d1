// How a configuration space is built: headers, BARs and capabilities with their masks.
#include <bit>
#include <stdexcept>

#include "pcie/config_space.h"
#include "spec/pci.h"

namespace ladon::pcie {

namespace pci = spec::pci;

namespace {

constexpr std::uint16_t at(std::uint16_t base, unsigned offset) {
  return static_cast<std::uint16_t>(base + offset);
}

// What a link of eight lanes at 8 GT/s says of itself (PCIe 6.0, 7.5.3.6 to 7.5.3.8).
constexpr std::uint16_t kLinkSpeed8 = 3, kLinkWidth8 = 8 << 4;

}  // namespace

ConfigSpace ConfigSpace::header(const Identity& identity, std::uint8_t layout) {
  ConfigSpace space;
  space.initial(pci::kVendorId, 2, identity.vendor);
  space.initial(pci::kDeviceId, 2, identity.device);
  space.initial(pci::kRevision, 1, identity.revision);
  space.initial(pci::kClassCode, 1, identity.class_code & 0xFF);
  space.initial(at(pci::kClassCode, 1), 2, (identity.class_code >> 8) & 0xFFFF);
  space.initial(pci::kHeaderType, 1, layout);
  // Parity error response and SERR enable have no effect and are kept for software that sets them.
  space.writable(pci::kCommand, 2,
                 pci::kCommandMemory | pci::kCommandBusMaster | pci::kCommandIntxDisable | 0x0140u);
  space.write_one_clears(pci::kStatus, 2, 0xF900);
  space.writable(0x0C, 1, 0xFF);  // cache line size: kept, without effect (PCIe 6.0, 7.5.1.1.7)
  space.writable(pci::kInterruptLine, 1, 0xFF);
  return space;
}

ConfigSpace ConfigSpace::endpoint(const Identity& identity) {
  ConfigSpace space = header(identity, 0);
  space.initial(pci::kSubsystemVendor, 2, identity.subsystem_vendor);
  space.initial(pci::kSubsystem, 2, identity.subsystem);
  return space;
}

ConfigSpace ConfigSpace::bridge(const Identity& identity) {
  ConfigSpace space = header(identity, 1);
  space.writable(pci::kPrimaryBus, 1, 0xFF);
  space.writable(pci::kSecondaryBus, 1, 0xFF);
  space.writable(pci::kSubordinateBus, 1, 0xFF);
  // Both windows start closed: base above limit. No I/O window (both its registers read as zero).
  space.initial(pci::kMemoryBase, 2, 0xFFF0);
  space.writable(pci::kMemoryBase, 4, 0xFFF0'FFF0);
  space.initial(pci::kPrefetchableBase, 4, 0x0001'FFF1);  // bit 0: 64-bit addresses
  space.writable(pci::kPrefetchableBase, 4, 0xFFF0'FFF0);
  space.writable(pci::kPrefetchableBaseUpper, 4, 0xFFFF'FFFF);
  space.writable(pci::kPrefetchableLimitUpper, 4, 0xFFFF'FFFF);
  space.writable(pci::kBridgeControl, 2, 0x0043);  // parity, SERR, secondary bus reset
  return space;
}

void ConfigSpace::set_multi_function() {
  initial(pci::kHeaderType, 1, read(pci::kHeaderType, 1) | pci::kHeaderMultiFunction);
}

ConfigSpace ConfigSpace::virtual_function(const Identity& identity) {
  Identity shown = identity;
  shown.vendor = shown.device = 0xFFFF;
  ConfigSpace space = endpoint(shown);
  // SR-IOV 1.1, table 3-3: of the command register a VF has bus mastering only; its memory is enabled by the
  // PF.
  space.writable(pci::kCommand, 2, pci::kCommandBusMaster);
  space.writable(pci::kInterruptLine, 1, 0);
  space.writable(0x0C, 1, 0);
  return space;
}

void ConfigSpace::add_bar(unsigned index, BarKind kind, std::uint64_t size) {
  const bool wide = kind != BarKind::memory32;
  if (index + (wide ? 2 : 1) > bars_.size()) throw std::logic_error("BAR index");
  if (size < 4096 || !std::has_single_bit(size) || (!wide && size > 0x8000'0000u))
    throw std::logic_error("BAR size");
  if (is_virtual()) throw std::logic_error("a virtual function has no BARs of its own");
  bars_[index] = {size, kind};
  const auto offset = at(pci::kBar0, 4 * index);
  const std::uint64_t mask = ~(size - 1);
  initial(offset, 4, kind == BarKind::memory32 ? 0x0 : kind == BarKind::memory64 ? 0x4 : 0xC);
  writable(offset, 4, static_cast<std::uint32_t>(mask) & ~std::uint32_t{0xF});
  if (wide) writable(at(offset, 4), 4, static_cast<std::uint32_t>(mask >> 32));
}

std::uint16_t ConfigSpace::append_capability(std::uint8_t id, std::uint16_t length) {
  const std::uint16_t here = next_capability_;
  next_capability_ = static_cast<std::uint16_t>((here + length + 3u) & ~3u);
  if (next_capability_ > 0x100) throw std::logic_error("capabilities do not fit");
  initial(here, 1, id);
  initial(last_capability_ == 0 ? pci::kCapabilityPointer : at(last_capability_, 1), 1, here);
  initial(pci::kStatus, 2, pci::kStatusCapabilities);
  last_capability_ = here;
  return here;
}

std::uint16_t ConfigSpace::append_extended(std::uint16_t id, std::uint8_t version, std::uint16_t length) {
  const std::uint16_t here = next_extended_;
  next_extended_ = static_cast<std::uint16_t>((here + length + 3u) & ~3u);
  if (next_extended_ > 0x1000) throw std::logic_error("extended capabilities do not fit");
  initial(here, 4, id | static_cast<std::uint32_t>(version) << 16);
  if (last_extended_ != 0)
    initial(last_extended_, 4, read(last_extended_, 4) | static_cast<std::uint32_t>(here) << 20);
  last_extended_ = here;
  return here;
}

std::uint16_t ConfigSpace::add_express(PortType type, bool flr) {
  const std::uint16_t cap = append_capability(pci::kCapExpress, 0x3C);
  const bool is_port = type != PortType::endpoint;
  const bool forwards_ari = type == PortType::root_port || type == PortType::downstream;
  initial(at(cap, pci::kExpressCapabilities), 2, 2u | static_cast<std::uint32_t>(type) << 4);
  // Payloads of up to 512 bytes, extended tags, role-based error reporting (required, PCIe 6.0, 7.5.3.3).
  initial(at(cap, pci::kExpressDeviceCapabilities), 4,
          2u | 1u << 5 | 1u << 15 | (flr ? pci::kDeviceCapabilitiesFlr : 0));
  initial(at(cap, 0x0C), 4, kLinkSpeed8 | kLinkWidth8);
  initial(at(cap, 0x24), 4, forwards_ari ? 1u << 5 : 0);
  initial(at(cap, 0x2C), 4, 0x0E);  // 2.5, 5 and 8 GT/s
  // A VF has function-level reset and "transactions pending" alone; the rest is the PF's (SR-IOV 1.1, 3.5).
  if (is_virtual()) return cap;
  initial(at(cap, pci::kExpressDeviceControl), 2, 0x2810);  // relaxed ordering, no snoop, 512-byte reads
  writable(at(cap, pci::kExpressDeviceControl), 2, 0x79FF);
  write_one_clears(at(cap, pci::kExpressDeviceStatus), 2, 0x000F);
  writable(at(cap, 0x10), 2, is_port ? 0x00F3 : 0x00C3);
  initial(at(cap, 0x12), 2, kLinkSpeed8 | kLinkWidth8 | (is_port ? 1u << 13 : 0));  // data link layer active
  writable(at(cap, pci::kExpressDeviceControl2), 2, forwards_ari ? pci::kDeviceControl2AriForwarding : 0);
  initial(at(cap, 0x30), 2, kLinkSpeed8);
  return cap;
}

std::uint16_t ConfigSpace::add_msix(const MsixShape& shape) {
  if (shape.vectors == 0 || shape.vectors > 2048) throw std::logic_error("MSI-X vectors");
  if (shape.table_offset % 8 != 0 || shape.pba_offset % 8 != 0) throw std::logic_error("MSI-X alignment");
  const std::uint16_t cap = append_capability(pci::kCapMsix, 12);
  initial(at(cap, pci::kMsixControl), 2, shape.vectors - 1u);
  writable(at(cap, pci::kMsixControl), 2, pci::kMsixControlEnable | pci::kMsixControlFunctionMask);
  initial(at(cap, pci::kMsixTable), 4, shape.table_offset | shape.table_bar);
  initial(at(cap, pci::kMsixPending), 4, shape.pba_offset | shape.pba_bar);
  return cap;
}

std::uint16_t ConfigSpace::add_aer() {
  const std::uint16_t cap = append_extended(pci::kExtAer, 2, 0x48);
  constexpr std::uint32_t kUncorrectable = 0x047F'F030, kCorrectable = 0x0000'F1C1;  // PCIe 6.0, 7.8.4
  write_one_clears(at(cap, 0x04), 4, kUncorrectable);
  if (!is_virtual()) {  // masks and severity are the PF's
    writable(at(cap, 0x08), 4, kUncorrectable);
    initial(at(cap, 0x0C), 4, 0x0046'2030);
    writable(at(cap, 0x0C), 4, kUncorrectable);
    initial(at(cap, 0x14), 4, 0x0000'2000);
    writable(at(cap, 0x14), 4, kCorrectable);
  }
  write_one_clears(at(cap, 0x10), 4, kCorrectable);
  return cap;
}

std::uint16_t ConfigSpace::add_acs() {
  const std::uint16_t cap = append_extended(pci::kExtAcs, 1, 8);
  constexpr std::uint16_t kAll = pci::kAcsSourceValidation | pci::kAcsTranslationBlocking |
                                 pci::kAcsRequestRedirect | pci::kAcsCompletionRedirect |
                                 pci::kAcsUpstreamForwarding;
  initial(at(cap, pci::kAcsCapabilities), 2, kAll);
  writable(at(cap, pci::kAcsControl), 2, kAll);
  return cap;
}

std::uint16_t ConfigSpace::add_ari(std::uint8_t next_function) {
  const std::uint16_t cap = append_extended(pci::kExtAri, 1, 8);
  initial(at(cap, 4), 2, static_cast<std::uint32_t>(next_function) << 8);
  return cap;
}

std::uint16_t ConfigSpace::add_sriov(const SriovShape& shape) {
  const std::uint16_t cap = append_extended(pci::kExtSriov, 1, 0x40);
  initial(at(cap, pci::kSriovCapabilities), 4, 1u << 1);  // ARI capable hierarchy preserved
  writable(at(cap, pci::kSriovControl), 2,
           pci::kSriovControlVfEnable | pci::kSriovControlVfMemory | pci::kSriovControlAriHierarchy);
  initial(at(cap, pci::kSriovInitialVfs), 2, shape.total_vfs);
  initial(at(cap, pci::kSriovTotalVfs), 2, shape.total_vfs);
  writable(at(cap, pci::kSriovNumVfs), 2, 0xFFFF);
  initial(at(cap, pci::kSriovFirstOffset), 2, shape.first_offset);
  initial(at(cap, pci::kSriovStride), 2, shape.stride);
  initial(at(cap, pci::kSriovVfDevice), 2, shape.vf_device);
  // 4 KiB pages alone, so the page size register holds its one value.
  initial(at(cap, pci::kSriovSupportedPageSizes), 4, 1);
  initial(at(cap, pci::kSriovSystemPageSize), 4, 1);
  for (std::uint16_t i = 0; i < shape.vf_bar_sizes.size(); ++i) {
    const std::uint64_t size = shape.vf_bar_sizes[i];
    if (size == 0) continue;
    if (size < 4096 || !std::has_single_bit(size) || i + 1u >= shape.vf_bar_sizes.size())
      throw std::logic_error("VF BAR");
    vf_bars_[i] = {size, BarKind::memory64_prefetchable};
    const auto bar = at(cap, pci::kSriovVfBar0 + 4u * i);
    initial(bar, 4, 0xC);
    writable(bar, 4, static_cast<std::uint32_t>(~(size - 1)) & ~std::uint32_t{0xF});
    writable(at(bar, 4), 4, static_cast<std::uint32_t>(~(size - 1) >> 32));
  }
  return cap;
}

std::uint16_t ConfigSpace::add_serial_number(std::uint64_t serial) {
  const std::uint16_t cap = append_extended(pci::kExtSerialNumber, 1, 12);
  initial(at(cap, 4), 4, static_cast<std::uint32_t>(serial));
  initial(at(cap, 8), 4, static_cast<std::uint32_t>(serial >> 32));
  return cap;
}

}  // namespace ladon::pcie
