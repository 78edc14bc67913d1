#include "nic/counters.h"
#include "nic/fault.h"

namespace ladon::nic {

std::string_view name(VfFault fault) {
  switch (fault) {
    case VfFault::none:
      return "none";
    case VfFault::tx_descriptor_refused:
      return "tx_descriptor_refused";
    case VfFault::tx_data_refused:
      return "tx_data_refused";
    case VfFault::tx_write_back_refused:
      return "tx_write_back_refused";
    case VfFault::rx_descriptor_refused:
      return "rx_descriptor_refused";
    case VfFault::rx_buffer_refused:
      return "rx_buffer_refused";
    case VfFault::rx_write_back_refused:
      return "rx_write_back_refused";
    case VfFault::interrupt_refused:
      return "interrupt_refused";
    case VfFault::tx_ring_malformed:
      return "tx_ring_malformed";
    case VfFault::legacy_descriptor:
      return "legacy_descriptor";
    case VfFault::unknown_descriptor:
      return "unknown_descriptor";
    case VfFault::bad_packet_length:
      return "bad_packet_length";
    case VfFault::too_many_descriptors:
      return "too_many_descriptors";
    case VfFault::bad_offload:
      return "bad_offload";
    case VfFault::mailbox_flood:
      return "mailbox_flood";
    case VfFault::count_:
      break;
  }
  return "?";
}

std::string_view name(VfDrop reason) {
  switch (reason) {
    case VfDrop::tx_spoofed:
      return "tx_spoofed";
    case VfDrop::tx_vlan:
      return "tx_vlan";
    case VfDrop::tx_reserved_address:
      return "tx_reserved_address";
    case VfDrop::tx_no_destination:
      return "tx_no_destination";
    case VfDrop::tx_wire_full:
      return "tx_wire_full";
    case VfDrop::tx_without_fcs:
      return "tx_without_fcs";
    case VfDrop::tx_faulted:
      return "tx_faulted";
    case VfDrop::rx_disabled:
      return "rx_disabled";
    case VfDrop::rx_no_descriptor:
      return "rx_no_descriptor";
    case VfDrop::rx_too_long:
      return "rx_too_long";
    case VfDrop::rx_vlan:
      return "rx_vlan";
    case VfDrop::rx_no_memory:
      return "rx_no_memory";
    case VfDrop::rx_refused:
      return "rx_refused";
    case VfDrop::mailbox_busy:
      return "mailbox_busy";
    case VfDrop::mailbox_flood:
      return "mailbox_flood";
    case VfDrop::interrupt_refused:
      return "interrupt_refused";
    case VfDrop::count_:
      break;
  }
  return "?";
}

std::string_view name(WireDrop reason) {
  switch (reason) {
    case WireDrop::malformed:
      return "malformed";
    case WireDrop::reserved_address:
      return "reserved_address";
    case WireDrop::no_receiver:
      return "no_receiver";
    case WireDrop::disabled:
      return "disabled";
    case WireDrop::count_:
      break;
  }
  return "?";
}

}  // namespace ladon::nic
