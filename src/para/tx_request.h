// What a guest leaves to be done with its frame, as the transmit descriptors of a virtual function say it
// (Intel 82599 Datasheet 7.2.3.2.3 to 7.2.5). Pure. A device takes a descriptor that makes no sense for an
// attack and stops the queue, and the queue is everybody's here: what the device would not do is refused
// before it sees it.
#pragma once

#include <cstdint>
#include <expected>

#include "base/bytes.h"
#include "client/tx_ring.h"
#include "para/uplink.h"
#include "vhost/frame.h"

namespace ladon::para {

// Bytes of payload; no TCP sends less (RFC 9293 3.7.1 has 536 where nothing was agreed on).
inline constexpr std::uint16_t kShortestSegment = 64;

struct WireLimits {
  std::uint32_t longest_frame = 1514;  // bytes without FCS and tag
  bool checksum = true, segmentation = true;
};

// The frame has no tag. Anything but an offload is an Uplink::Outcome other than sent, busy and down.
[[nodiscard]] std::expected<client::TxOffload, Uplink::Outcome> tx_request(const vhost::Frame& frame,
                                                                           std::uint16_t vlan,
                                                                           const WireLimits& limits);

// A guest seeds the TCP checksum with the sum of the whole pseudo header; the device wants it without the
// length, which differs from segment to segment, and an IPv4 header checksum of zero. `head` is a copy of the
// frame's first bytes for which tx_request() has said `segment`.
void seed_segments(Bytes head, std::uint32_t frame_length, const client::TxOffload& request);

}  // namespace ladon::para
