// Why the server refuses something a client does: every refusal has a reason, an errno for the client, and a
// counter.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/counters.h"
#include "vfio/device.h"

namespace ladon::vfio {

enum class Refusal : std::uint8_t {
  // The stream cannot be followed any further: the client is disconnected.
  message_too_short,  // less than its own header
  message_too_long,
  output_overflow,  // the client does not read its replies
  second_client,    // one is connected already
  // Descriptors.
  descriptors_lost,        // more than the control buffer holds, or than this process may open
  too_many_descriptors,    // more than one message may have
  descriptors_unexpected,  // the message takes none (or fewer): closed, the message is handled
  // The header.
  bad_type,           // neither command nor reply
  unsolicited_reply,  // ignored
  version_not_first,  // disconnected
  version_repeated,
  command_unknown,
  command_unsupported,
  // The body.
  bad_length,
  bad_argsz,
  bad_flags,
  major_version,   // disconnected, as for the next three
  version_no_nul,  // the JSON is not terminated
  version_no_json,
  bad_capability,
  // DMA maps.
  dma_empty,
  dma_wraps,
  dma_unaligned,
  dma_too_large,
  dma_exists,
  dma_limit,
  dma_bad_file,
  dma_outside_file,
  dma_no_such_map,
  dma_cuts_a_map,
  // Regions.
  region_unknown,
  region_not_readable,
  region_not_writable,
  region_outside,
  region_empty_access,
  transfer_too_large,
  // Interrupts.
  irq_unknown,
  irq_outside,
  irq_descriptors,  // not one for each vector
  irq_not_an_eventfd,
  irq_not_maskable,
  irq_action,  // a combination of data and action that no interrupt type has
  // The device itself said no.
  device,
  count_
};

[[nodiscard]] std::string_view name(Refusal refusal);
[[nodiscard]] Error error_of(Refusal refusal);
[[nodiscard]] int errno_of(Error error);

using Refusals = Counters<Refusal>;

}  // namespace ladon::vfio
