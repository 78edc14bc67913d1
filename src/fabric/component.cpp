#include "fabric/component.h"

namespace ladon::fabric {

std::string_view name(Table table) {
  switch (table) {
    case Table::entry:
      return "entry";
    case Table::second_level:
      return "second-level page table";
    case Table::memory_map:
      return "memory map";
    case Table::windows:
      return "bridge windows";
    case Table::bus_numbers:
      return "bus numbers";
    case Table::acs:
      return "ACS";
    case Table::dma:
      return "DMA remapping";
    case Table::iotlb:
      return "IOTLB (stale)";
    case Table::interrupts:
      return "interrupt remapping";
    case Table::bars:
      return "BARs";
    case Table::ntb_window:
      return "NTB window";
    case Table::ntb_lut:
      return "requester-ID LUT";
  }
  return "unknown";
}

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::bad_length:
      return "bad length";
    case Reason::crosses_4k:
      return "crosses a 4 KiB boundary";
    case Reason::crosses_end:
      return "reaches over the end of what it hits";
    case Reason::bus_master_off:
      return "bus mastering is off";
    case Reason::ept_not_mapped:
      return "not mapped for this VM";
    case Reason::ept_no_permission:
      return "no permission for this VM";
    case Reason::no_route:
      return "nothing claims the address";
    case Reason::between_segments:
      return "the target is in another segment";
    case Reason::interrupt_area:
      return "the interrupt range is not memory";
    case Reason::source_validation:
      return "requester is not below this port";
    case Reason::translation_blocked:
      return "translated requests are blocked";
    case Reason::no_redirect:
      return "redirected onto the port it came from";
    case Reason::iommu_not_attached:
      return "requester has no domain";
    case Reason::iommu_not_mapped:
      return "not mapped";
    case Reason::iommu_no_permission:
      return "no permission";
    case Reason::iommu_translated:
      return "translated request without a grant";
    case Reason::iommu_pasid:
      return "PASID without a grant";
    case Reason::iommu_interrupt_target:
      return "mapped onto the interrupt range";
    case Reason::iommu_wraps:
      return "past the end of the address space";
    case Reason::interrupt_not_four_bytes:
      return "interrupt write is not four aligned bytes";
    case Reason::interrupt_compatibility:
      return "compatibility-format interrupt";
    case Reason::interrupt_reserved_bits:
      return "reserved bits of the interrupt are set";
    case Reason::interrupt_beyond_table:
      return "interrupt index beyond the table";
    case Reason::interrupt_not_present:
      return "interrupt entry not present";
    case Reason::interrupt_wrong_source:
      return "interrupt entry belongs to another requester";
    case Reason::ntb_link_down:
      return "NTB link is down";
    case Reason::ntb_no_window:
      return "no window";
    case Reason::ntb_window_permission:
      return "window does not permit it";
    case Reason::ntb_prefixed:
      return "translated or PASID requests do not cross";
    case Reason::lut_miss:
      return "requester has no entry";
    case Reason::completion_no_route:
      return "no bus leads to the requester";
    case Reason::completion_lut_miss:
      return "completer has no entry: one-way traffic";
    case Reason::completion_misrouted:
      return "completion arrives at another device";
    case Reason::too_long:
      return "too many hops";
    case Reason::count_:
      break;
  }
  return "unknown";
}

}  // namespace ladon::fabric
