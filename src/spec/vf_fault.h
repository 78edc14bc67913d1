// What a virtual function can do wrong, as the NIC tells the management software (pf.h, kVfFault): the queue
// that did it stops until the function is reset; nobody else notices.
#pragma once

#include <cstdint>
#include <string_view>

namespace ladon::spec::pf {

enum class VfFault : std::uint8_t {
  none,
  tx_descriptor_refused,  // DMA that the tables refused, by what was read or written
  tx_data_refused,
  tx_write_back_refused,
  rx_descriptor_refused,
  rx_buffer_refused,
  rx_write_back_refused,
  interrupt_refused,     // a message interrupt that the tables refused; no queue stops
  tx_ring_malformed,     // a tail outside the ring, or a ring without a length, put to use
  legacy_descriptor,     // DEXT clear (82599 Datasheet 7.2.3.2.2)
  unknown_descriptor,    // a descriptor type that is neither context nor data
  bad_packet_length,     // shorter than an Ethernet header, or longer than the device can send
  too_many_descriptors,  // no end of packet within kMaxPacketDescriptors
  bad_offload,           // an offload that contradicts the context or the frame
  mailbox_flood,         // more messages than any driver sends
  count_
};

[[nodiscard]] constexpr std::string_view name(VfFault fault) {
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

}  // namespace ladon::spec::pf
