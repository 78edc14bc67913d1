// A frame between a guest and the consumer of the backend, and what is left to be done with it.
//
// A virtio guest leaves its checksums and the cutting of long TCP segments to the device
// (virtio 1.2, 5.1.6.2), and takes frames in the same state (5.1.6.4). The backend does neither: whoever
// sends the frame on to something that cannot take it so - a wire - has hardware or functions for both, and
// between two guests nothing needs to be done at all.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace ladon::vhost {

// Bytes of a frame that are copied out of the guest's memory before anything is decided upon them.
inline constexpr std::uint32_t kSnapshot = 256;
// An IP packet of 65535 bytes behind an Ethernet header with a VLAN tag.
inline constexpr std::uint32_t kMaxFrame = 65535 + 18;
inline constexpr std::uint32_t kMinFrame = 14;  // the Ethernet header

enum class Segmentation : std::uint8_t { none, tcp4, tcp6 };

struct Offload {
  // The ones'-complement sum from checksum_start to the frame's end, complemented, belongs at checksum_start
  // + checksum_offset; the field holds the sum of the pseudo header.
  bool checksum = false;
  // The receiver's device has verified the transport checksum. Never set by a guest.
  bool verified = false;
  std::uint16_t checksum_start = 0, checksum_offset = 0;  // bytes
  // The frame is a TCP segment to be cut into segments of segment_size bytes of payload. `checksum` is then
  // set, checksum_start is where the TCP header begins, and header_length where it ends: within the head.
  Segmentation segmentation = Segmentation::none;
  std::uint16_t segment_size = 0, header_length = 0;

  constexpr bool operator==(const Offload&) const = default;
};

struct Frame {
  // The first min(length, kSnapshot) bytes of a guest's frame, in memory of the backend; of a consumer's, any
  // part.
  ConstBytes head;
  // What follows: in the sender's memory, which a guest may change at any time.
  std::span<const ConstBytes> rest;
  std::uint32_t length = 0;  // of head and rest
  Offload offload;
};

// Copies the whole frame to `to`, which has room for it.
inline void copy_whole(const Frame& frame, std::byte* to) {
  const auto copy = [&to](ConstBytes piece) {
    if (piece.empty()) return;
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  };
  copy(frame.head);
  for (const ConstBytes piece : frame.rest) copy(piece);
}

}  // namespace ladon::vhost
