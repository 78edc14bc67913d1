#include "explain/owner.h"

#include <fmt/format.h>

namespace ladon::explain {

namespace {

using fabric::ComponentKind;
using fabric::Table;

std::string host_name(const fabric::Tables& tables, pcie::Domain domain) {
  return tables.names->hosts[static_cast<std::size_t>(domain)];
}
bool management(const fabric::Fault& fault) {
  return fault.component.domain == pcie::kManagementDomain;
}

}  // namespace

std::string owner_of(const fabric::Tables& tables, const fabric::Fault& fault) {
  const std::string host = host_name(tables, fault.component.domain);
  switch (fault.table) {
    case Table::entry:
      if (fault.component.kind == ComponentKind::endpoint)
        return "the driver of the function, in its command register";
      [[fallthrough]];
    case Table::windows:
    case Table::bus_numbers:
    case Table::bars:
    case Table::acs:
      return fmt::format("the enumeration of {}: its firmware or operating system", host);
    case Table::second_level:
      return fmt::format("the hypervisor of {}", host);
    case Table::memory_map:
      return fmt::format("nobody at run time: the memory map of {} is fixed when it starts", host);
    case Table::dma:
    case Table::iotlb:
    case Table::interrupts:
      return management(fault)
                 ? std::string("the management host's program, when it attaches a VF or a host")
                 : fmt::format("the software of {} (VFIO, iommufd), for its own guests only", host);
    case Table::ntb_window:
    case Table::ntb_lut:
      return "the management host's program; no compute host can reach these registers";
  }
  return {};
}

std::string restore(const fabric::Tables& tables, const fabric::Fault& fault) {
  switch (fault.table) {
    case Table::ntb_window:
    case Table::ntb_lut:
      if (fault.reason == fabric::Reason::ntb_link_down)
        return "The management host's program does so when it takes the host in.";
      return "When the management host's program starts it compares the NTBs' windows and look-up "
             "tables with "
             "its plan and writes what is missing: end `ladon mh`, and `ladon up` starts it again.";
    case Table::dma:
    case Table::iotlb:
    case Table::interrupts:
      if (management(fault))
        return "The management host's program does so when it attaches the VF: let the guest go and "
               "come "
               "again.";
      return fmt::format(
          "{} maps memory and routes interrupts when the guest says so (vfio-user DMA_MAP, DEVICE_SET_IRQS): "
          "the guest "
          "is not running, has not mapped this, or has unmapped it while its device still used it.",
          host_name(tables, fault.component.domain));
    case Table::second_level:
      return "The hypervisor maps the guest's memory and its VF's BAR when the guest starts: start it.";
    case Table::entry:
      return "A guest's driver sets it (pci_set_master), for bridges and NTBs the "
             "enumeration.";
    case Table::windows:
    case Table::bus_numbers:
    case Table::bars:
    case Table::acs:
      return "Enumerate again: what was assigned to this bridge or function has been lost, as by a reset.";
    case Table::memory_map:
      return "The memory was taken away since: attach the guest again.";
  }
  return {};
}

std::string obtain(const fabric::Tables& tables, const fabric::Fault& fault) {
  const std::string host = host_name(tables, fault.component.domain);
  switch (fault.table) {
    case Table::entry:
      return "its driver enables the function";
    case Table::second_level:
      return "give the guest more `memory` in the rack file";
    case Table::memory_map:
    case Table::windows:
    case Table::bars:
      return fmt::format(
          "the rack file's `memory` of {}, `vfs` of the NIC and `ntb.register_window`, `ntb.dma_window` "
          "say what there is to reach",
          host);
    case Table::bus_numbers:
      return "a requester uses its own ID";
    case Table::acs:
      return "`defences: {acs: off}` in the rack file shows what it is worth";
    case Table::dma:
    case Table::iotlb:
      if (management(fault))
        return "assign the VF to a guest (`vf: {nic, index}` in the rack file); its addresses end with "
               "`ntb.dma_window`";
      return "the guest maps the address before its device uses it; its `memory` in the rack file bounds "
             "what there is";
    case Table::interrupts:
      return "the guest enables the vector, and its host writes the message into the VF's MSI-X table";
    case Table::ntb_window:
      return "assign the VF to a guest of that host (`vf: {nic, index}`); `ntb.windows` and `ntb.dma_window` "
             "bound it";
    case Table::ntb_lut:
      return "assign the VF to a guest of that host (`vf: {nic, index}`); `ntb.lut` says how many entries "
             "there are";
  }
  return {};
}

}  // namespace ladon::explain
