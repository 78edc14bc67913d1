#include "nic/counters.h"

namespace ladon::nic {

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
    case VfDrop::tx_no_context:
      return "tx_no_context";
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
    case VfDrop::rx_over_rate:
      return "rx_over_rate";
    case VfDrop::rx_over_packet_rate:
      return "rx_over_packet_rate";
    case VfDrop::rx_over_cost:
      return "rx_over_cost";
    case VfDrop::rx_no_memory:
      return "rx_no_memory";
    case VfDrop::rx_memory_called:
      return "rx_memory_called";
    case VfDrop::rx_refused:
      return "rx_refused";
    case VfDrop::page_table_write:
      return "page_table_write";
    case VfDrop::mailbox_busy:
      return "mailbox_busy";
    case VfDrop::mailbox_flood:
      return "mailbox_flood";
    case VfDrop::interrupt_refused:
      return "interrupt_refused";
    case VfDrop::register_unowned:
      return "register_unowned";
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
