// Why a frame on the paravirtual path goes nowhere. Each is counted where it belongs: at the guest that sent
// it, at the guest that it was for, or at the way in from outside.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/counters.h"

namespace ladon::para {

// A frame that a guest has sent. Of a frame to a group: the copy that was for outside.
enum class SendDrop : std::uint8_t {
  spoofed_source,    // not the address that this guest was given
  tagged,            // guests send without a tag; their VLAN is what they were given
  reserved_address,  // 01-80-C2-00-00-00 to -0F never pass a bridge (IEEE 802.1Q 8.6.3)
  to_itself,
  over_limit,            // the guest's transmit limit, where it drops; or more than its burst can ever hold
  uplink_down,           // no link, or the device completes nothing
  too_long_for_wire,     // the frame, or the segments that it asks for
  segments_too_short,    // so short that one frame would become thousands
  checksum_unsupported,  // neither TCP nor UDP, or headers that the device cannot be told of
  segmentation_unsupported,
  count_
};
[[nodiscard]] std::string_view name(SendDrop drop);

// A frame, or a copy of one to a group, that was for a guest.
enum class ReceiveDrop : std::uint8_t {
  over_limit,     // the guest's receive limit
  no_buffers,     // its driver has not offered enough
  not_connected,  // no guest, or its driver has not started
  refused,        // by the backend, which counts why (vhost::FrameDrop)
  count_
};
[[nodiscard]] std::string_view name(ReceiveDrop drop);

// A frame from outside that is for no guest.
enum class ArrivalDrop : std::uint8_t {
  malformed,  // no whole Ethernet header, or in more pieces than any frame has
  tagged,     // a tag that the device has left in the frame
  no_guest,   // nobody has that address in that VLAN
  reserved_address,
  reflected,  // its source is one of the guests here
  count_
};
[[nodiscard]] std::string_view name(ArrivalDrop drop);

}  // namespace ladon::para
