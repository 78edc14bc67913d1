// Why frames are dropped and requests refused, and what has passed.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/counters.h"

namespace ladon::nic {

// Of one virtual function. tx_: a frame it sent; rx_: a frame that was for it.
enum class VfDrop : std::uint8_t {
  tx_spoofed,           // source MAC is not the function's own
  tx_vlan,              // a VLAN that the function is no member of
  tx_reserved_address,  // 01-80-C2-00-00-0x: pause and other link-local frames (IEEE 802.1Q 8.6.3)
  tx_no_destination,    // nobody has the address and there is no wire
  tx_wire_full,         // the wire did not take it
  tx_without_fcs,       // IFCS clear: the frame would leave without a check sequence
  tx_no_context,        // to be segmented, and its partition is too small for a context
  tx_faulted,           // what was left in a queue when it stopped for a fault
  rx_disabled,          // no queue runs
  rx_no_descriptor,     // the ring has no free buffer
  rx_too_long,          // above the limit that the management software set
  rx_vlan,              // to its address, in a VLAN that the function is no member of
  rx_over_rate,         // above the bits a second of its service level
  rx_over_packet_rate,  // above its packets a second
  rx_over_cost,         // above its share of processing
  rx_no_memory,         // its packet-memory partition is full
  rx_memory_called,     // within its guarantee, which was lent and is on its way back
  rx_refused,           // the tables refused the DMA
  page_table_write,     // its page translation table is not its own to write
  mailbox_busy,         // a request while the last one is not acknowledged
  mailbox_flood,        // a request beyond the permitted rate
  interrupt_refused,    // the tables refused the message
  register_unowned,     // a register write between scrub and the next enabling
  count_
};
[[nodiscard]] std::string_view name(VfDrop reason);

// Of the device: frames from the wire that reached no function.
enum class WireDrop : std::uint8_t { malformed, reserved_address, no_receiver, disabled, count_ };
[[nodiscard]] std::string_view name(WireDrop reason);

// Frames and bytes, without FCS.
struct VfStatistics {
  std::uint64_t received_packets = 0, received_bytes = 0, received_multicast = 0;
  std::uint64_t coalesced_packets = 0;  // of the received ones, part of the one before
  std::uint64_t whole_packets = 0;      // of the received ones, not segmented
  std::uint64_t sent_packets = 0, sent_bytes = 0;
};

}  // namespace ladon::nic
