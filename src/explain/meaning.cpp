#include "explain/meaning.h"

namespace ladon::explain {

namespace {

using fabric::Reason;
using fabric::Table;

Meaning no_route(Table table) {
  switch (table) {
    case Table::entry:
      return {Kind::form, "The rack has no such component, so nothing can be emitted there."};
    case Table::memory_map:
      return {
          Kind::entry,
          "The address is neither memory of that host nor in a window of one of its root ports. It is what a "
          "stale or mistyped physical address looks like, or a window that was not programmed."};
    case Table::windows:
      return {
          Kind::entry,
          "A bridge above routed the address here, and no window below claims it: bridge windows are wider "
          "than the BARs behind them, or memory decoding is off in the device."};
    case Table::bars:
      return {Kind::entry,
              "The port's window leads to this device, and none of its BARs claims the address: the BAR was "
              "moved, "
              "memory decoding is off, or the address is beyond the BAR's end."};
    case Table::second_level:
    case Table::bus_numbers:
    case Table::acs:
    case Table::dma:
    case Table::iotlb:
    case Table::interrupts:
    case Table::ntb_window:
    case Table::ntb_lut:
      break;
  }
  return {Kind::entry, "Nothing that the table knows claims the address."};
}

Meaning bus_master_off() {
  return {Kind::entry,
          "Bus Master Enable is clear in the command register of this function or of a bridge above it (PCIe "
          "6.0, "
          "7.5.1.1.3), so that it forwards no request upstream. A driver that has not enabled its device, a "
          "reset, "
          "and an end of the guest all leave it so."};
}

Meaning interrupt_area(Table table) {
  if (table == Table::interrupts)
    return {Kind::rule,
            "0xFEE00000-0xFEEFFFFF is the interrupt range: there only untranslated writes of four bytes mean "
            "anything, and a read or a translated request of it is refused (VT-d 3.14)."};
  return {
      Kind::rule,
      "0xFEE00000-0xFEEFFFFF is the interrupt range of every domain and never memory: a processor's load or "
      "store, or a translation that leads there, is refused."};
}

Meaning second_level(Reason reason) {
  if (reason == Reason::ept_no_permission)
    return {Kind::entry,
            "The VM's second-level page table has this page, without the permission for this access."};
  return {Kind::entry,
          "The VM's second-level page table has no such guest-physical address: it is neither memory that "
          "the VM was "
          "given nor a BAR of its device."};
}

Meaning access_control(Reason reason) {
  if (reason == Reason::source_validation)
    return {
        Kind::rule,
        "The requester ID is of a bus that does not lie below this port: ACS source validation takes it for "
        "forged. A device that stamps its own ID, on the bus that enumeration gave it, never meets this."};
  if (reason == Reason::translation_blocked)
    return {Kind::rule,
            "The request says that its address is translated already (AT = 10b), and ACS translation "
            "blocking takes "
            "no device's word for that."};
  return {Kind::entry,
          "ACS sends every request up, this one's target is below the port that it came from, and without "
          "upstream "
          "forwarding it cannot come down again."};
}

Meaning dma(Reason reason) {
  switch (reason) {
    case Reason::iommu_not_attached:
      return {
          Kind::entry,
          "The IOMMU has no I/O domain for this requester ID. Behind an NTB that is the proxy ID which the "
          "look-up table gave, not the device's own: a wrong or missing attachment is the usual mistake."};
    case Reason::iommu_not_mapped:
      return {Kind::entry,
              "The requester has an I/O domain, and that domain maps nothing at this address: it was never "
              "mapped, or "
              "was unmapped while the device still held it."};
    case Reason::iommu_no_permission:
      return {Kind::entry, "The page is mapped for this requester, without the permission for this access."};
    case Reason::iommu_translated:
      return {Kind::rule,
              "The request says that its address is translated (AT = 10b), and nobody gave it ATS."};
    case Reason::iommu_pasid:
      return {Kind::rule, "The request carries a PASID, and nobody gave this requester any."};
    case Reason::iommu_interrupt_target:
      return {Kind::rule,
              "The mapping leads onto the interrupt range, which no DMA mapping may do (VT-d fault Eh)."};
    default:
      return {Kind::form, "Base and address together pass the end of the 64-bit address space."};
  }
}

Meaning interrupts(Reason reason) {
  switch (reason) {
    case Reason::interrupt_not_four_bytes:
      return {Kind::form,
              "A write into the interrupt range has to be four aligned bytes. Data written there - a ring or "
              "buffer "
              "address that happens to be 0xFEExxxxx - is not an interrupt."};
    case Reason::interrupt_compatibility:
      return {
          Kind::rule,
          "The message is of compatibility format (bit 4 of the address is clear), which names processor and "
          "vector itself. With interrupt remapping on, that is blocked: messages must name a table entry."};
    case Reason::interrupt_reserved_bits:
      return {Kind::form, "Data bits 31:16 of a remappable message must be zero."};
    case Reason::interrupt_beyond_table:
      return {Kind::entry, "The message names an entry past the end of the interrupt remapping table."};
    case Reason::interrupt_not_present:
      return {Kind::entry,
              "The message names an entry that is not present: the vector was never enabled, or its owner is "
              "gone and "
              "the device's MSI-X table still holds the old message."};
    default:
      return {Kind::entry,
              "The entry exists and belongs to another requester ID. Behind an NTB the entry must hold the "
              "proxy ID, "
              "not the device's own; otherwise this is an attempt to raise somebody else's interrupt."};
  }
}

Meaning ntb(Reason reason) {
  switch (reason) {
    case Reason::ntb_link_down:
      return {Kind::entry, "The NTB's link is down: nothing crosses, either way."};
    case Reason::ntb_no_window:
      return {Kind::entry,
              "The address is in the NTB's BAR, and no window is open over it. A window that is too short, "
              "or opened "
              "in the other BAR or direction, looks the same."};
    case Reason::ntb_window_permission:
      return {Kind::entry, "A window is open over the address, without the permission for this access."};
    default:
      return {
          Kind::form,
          "A request with a PASID, or whose address is translated already, means something in its own domain "
          "only, and does not cross an NTB."};
  }
}

Meaning look_up(Reason reason) {
  if (reason == Reason::lut_miss)
    return {
        Kind::entry,
        "The NTB's requester-ID look-up table has no entry for this requester in the direction in which the "
        "request travels, so that it has no proxy ID in the other domain."};
  return {Kind::entry,
          "The request got through and was answered, but the completion travels the other way and needs an "
          "entry of "
          "its own there. Without it writes arrive and reads never return: silent one-way traffic."};
}

}  // namespace

Meaning meaning(Table table, Reason reason) {
  switch (reason) {
    case Reason::bad_length:
      return {Kind::form,
              "The access has no length, or its end would pass the end of the 64-bit address space."};
    case Reason::crosses_4k:
      return {Kind::form,
              "A memory request may not cross a 4 KiB boundary (PCIe 6.0, 2.2.7): its initiator has to split "
              "it."};
    case Reason::crosses_end:
      return {Kind::form,
              "The access begins in one stretch and reaches over its end: the last bytes belong to something "
              "else. Its "
              "initiator has to split it, or it ran past the end of a buffer."};
    case Reason::bus_master_off:
      return bus_master_off();
    case Reason::ept_not_mapped:
    case Reason::ept_no_permission:
      return second_level(reason);
    case Reason::no_route:
      return no_route(table);
    case Reason::between_segments:
      return {
          Kind::rule,
          "The target lies below another root port, and this root complex routes no device's request from "
          "one "
          "segment to another (PCIe 6.0, 1.3.1 leaves that to it): the requester ID would mean somebody else "
          "there."};
    case Reason::interrupt_area:
      return interrupt_area(table);
    case Reason::source_validation:
    case Reason::translation_blocked:
    case Reason::no_redirect:
      return access_control(reason);
    case Reason::iommu_not_attached:
    case Reason::iommu_not_mapped:
    case Reason::iommu_no_permission:
    case Reason::iommu_translated:
    case Reason::iommu_pasid:
    case Reason::iommu_interrupt_target:
    case Reason::iommu_wraps:
      return dma(reason);
    case Reason::interrupt_not_four_bytes:
    case Reason::interrupt_compatibility:
    case Reason::interrupt_reserved_bits:
    case Reason::interrupt_beyond_table:
    case Reason::interrupt_not_present:
    case Reason::interrupt_wrong_source:
      return interrupts(reason);
    case Reason::ntb_link_down:
    case Reason::ntb_no_window:
    case Reason::ntb_window_permission:
    case Reason::ntb_prefixed:
      return ntb(reason);
    case Reason::lut_miss:
    case Reason::completion_lut_miss:
      return look_up(reason);
    case Reason::completion_no_route:
      return {Kind::entry,
              "The completion goes back by the requester's bus number, and no bridge leads to that bus: its "
              "bus numbers "
              "changed after the request, or the requester ID is not the requester's."};
    case Reason::completion_misrouted:
      return {Kind::entry,
              "The completion arrives at a device that did not ask: the request carried another's requester "
              "ID, or a "
              "look-up entry gives two requesters the same proxy."};
    case Reason::too_long:
      return {Kind::entry,
              "The access passed more tables than any way through a rack has: its translations loop."};
    case Reason::count_:
      break;
  }
  return {};
}

}  // namespace ladon::explain
