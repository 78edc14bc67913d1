// What a virtual function can do wrong, as told to the management software (spec/pf.h, kVfFault): the queue
// that did it stops until the function is reset; nobody else notices.
#pragma once

#include <cstdint>
#include <string_view>

namespace ladon::nic {

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
[[nodiscard]] std::string_view name(VfFault fault);

}  // namespace ladon::nic
