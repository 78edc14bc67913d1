#include "ch/guest_config.h"

#include "spec/ixgbevf.h"
#include "spec/pci.h"

namespace ladon::ch {

namespace pci = spec::pci;
namespace vf = spec::ixgbevf;

GuestConfig::GuestConfig(std::uint16_t device, std::uint64_t serial)
    : space_(pcie::ConfigSpace::endpoint({.vendor = pci::kIntelVendor,
                                          .device = device,
                                          .subsystem_vendor = pci::kIntelVendor,
                                          .subsystem = 0,
                                          .class_code = 0x02'0000,  // Ethernet controller
                                          .revision = 1})) {
  space_.add_bar(vf::kRegisterBar, pcie::BarKind::memory64_prefetchable, vf::kBarSize);
  space_.add_bar(vf::kMsixBar, pcie::BarKind::memory64_prefetchable, vf::kMsixBarSize);
  space_.add_express(pcie::PortType::endpoint, true);
  space_.add_msix({.vectors = vf::kVectors,
                   .table_bar = vf::kMsixBar,
                   .table_offset = 0,
                   .pba_bar = vf::kMsixBar,
                   .pba_offset = vf::kMsixPendingOffset});
  space_.add_aer();
  space_.add_serial_number(serial);
}

bool GuestConfig::write(std::uint16_t offset, unsigned width, std::uint32_t value) {
  space_.write(offset, width, value);
  return space_.take_flr_request();
}

bool GuestConfig::msix_enabled() const {
  const auto at = space_.capability(pci::kCapMsix);
  return at &&
         (space_.read(static_cast<std::uint16_t>(*at + pci::kMsixControl), 2) & pci::kMsixControlEnable) != 0;
}

}  // namespace ladon::ch
