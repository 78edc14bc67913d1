// Why a front end or its guest is refused something. Three kinds, each with its counters: a message that
// cannot be followed, a ring whose content makes no sense (it stops), and a frame that is not moved.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/counters.h"

namespace ladon::vhost {

enum class Refusal : std::uint8_t {
  // The stream cannot be followed any further: the front end is disconnected.
  message_too_long,
  bad_version,
  output_overflow,  // the front end does not read its replies
  second_client,    // one is connected already
  no_answer,        // a request that waits for its answer could not be understood
  // Descriptors.
  descriptors_lost,        // more than the control buffer holds, or than this process may open
  too_many_descriptors,    // more than one message may have
  descriptors_unexpected,  // the message takes none (or fewer): closed, the message is handled
  descriptors_missing,
  // The message.
  unsolicited_reply,  // ignored
  request_unknown,
  request_unsupported,
  bad_length,
  bad_features,  // not among those that were offered
  bad_protocol_features,
  // The memory table.
  memory_regions,  // none, too many, or not one descriptor for each
  memory_empty,
  memory_wraps,
  memory_overlap,
  memory_bad_file,
  memory_not_writable,
  memory_outside_file,
  memory_too_large,
  // Rings.
  ring_unknown,
  ring_size,       // not a power of two, or too large
  ring_started,    // cannot be changed while it runs
  ring_not_ready,  // started without size, addresses or memory
  ring_no_kick,    // the front end wants it polled, and nobody polls
  ring_address,    // unaligned, or outside the memory
  ring_logging,    // dirty pages are not recorded
  ring_not_an_eventfd,
  count_
};
[[nodiscard]] std::string_view name(Refusal refusal);
using Refusals = Counters<Refusal>;

// What a driver has written into its ring that no driver may write; virtio 1.2, section 2.7. The ring stops
// until the front end starts it anew.
enum class RingFlaw : std::uint8_t {
  memory_gone,      // the ring or a buffer is not in the memory any more, or its file has shrunk
  available_index,  // more buffers than the ring has descriptors
  head_index,       // no such descriptor
  next_index,
  chain_too_long,  // a loop, or more than is followed
  outside_memory,  // a buffer, or an indirect table
  empty_buffer,
  wrong_direction,  // a buffer to be written in a frame that is sent, or the other way about
  indirect_not_negotiated,
  indirect_nested,
  indirect_with_next,
  indirect_size,  // no whole number of descriptors, none, or too many
  no_room_for_header,
  count_
};
[[nodiscard]] std::string_view name(RingFlaw flaw);
using RingFlaws = Counters<RingFlaw>;

// Why a frame is not moved.
enum class FrameDrop : std::uint8_t {
  // From the guest; its buffers go back to it.
  ring_disabled,
  too_short,  // no whole Ethernet header
  too_long,
  bad_checksum_request,  // not negotiated, or outside the frame
  bad_segmentation,      // not negotiated, or not of a TCP frame
  // To the guest.
  not_connected,  // no front end, or its driver has not started
  buffer_too_small,
  too_many_buffers,        // the driver's buffers are so small that the frame takes too many
  offload_not_negotiated,  // the driver does not take what is left to be done
  inconsistent,            // the consumer's own mistake: lengths that contradict one another
  count_
};
[[nodiscard]] std::string_view name(FrameDrop drop);
using FrameDrops = Counters<FrameDrop>;

}  // namespace ladon::vhost
