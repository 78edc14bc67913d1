#include "nic/config.h"

#include "spec/ixgbevf.h"
#include "spec/pci.h"
#include "spec/pf.h"

namespace ladon::nic {

namespace pci = spec::pci;
namespace reg = spec::ixgbevf;

namespace {
constexpr std::uint32_t kEthernetController = 0x02'0000;  // class code
}

pcie::ConfigSpace make_pf_config(const NicOptions& options) {
  auto config = pcie::ConfigSpace::endpoint({.vendor = pci::kLadonVendor,
                                             .device = pci::kNicPfDevice,
                                             .subsystem_vendor = pci::kLadonVendor,
                                             .subsystem = pci::kNicPfDevice,
                                             .class_code = kEthernetController});
  config.add_bar(kPfRegisterBar, pcie::BarKind::memory64, spec::pf::kBarSize);
  config.add_bar(kPfMsixBar, pcie::BarKind::memory64, kPfMsixBarSize);
  config.add_express(pcie::PortType::endpoint, true);
  config.add_msix({.vectors = kPfVectors,
                   .table_bar = kPfMsixBar,
                   .table_offset = 0,
                   .pba_bar = kPfMsixBar,
                   .pba_offset = kPfMsixPendingOffset});
  config.add_aer();
  config.add_ari();
  pcie::SriovShape sriov{.total_vfs = options.vfs,
                         .first_offset = kFirstVfOffset,
                         .stride = kVfStride,
                         .vf_device = options.vf_device};
  sriov.vf_bar_sizes[reg::kRegisterBar] = reg::kBarSize;
  sriov.vf_bar_sizes[reg::kMsixBar] = reg::kMsixBarSize;
  config.add_sriov(sriov);
  config.add_serial_number(options.serial);
  return config;
}

pcie::ConfigSpace make_vf_config() {
  auto config = pcie::ConfigSpace::virtual_function(
      {.subsystem_vendor = pci::kIntelVendor, .subsystem = 0, .class_code = kEthernetController});
  config.add_express(pcie::PortType::endpoint, true);
  config.add_msix({.vectors = reg::kVectors,
                   .table_bar = reg::kMsixBar,
                   .table_offset = 0,
                   .pba_bar = reg::kMsixBar,
                   .pba_offset = reg::kMsixPendingOffset});
  config.add_aer();
  config.add_ari();
  return config;
}

}  // namespace ladon::nic
