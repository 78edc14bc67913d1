// Transmit segmentation: one header and a long payload become many frames. Intel 82599 Datasheet 7.2.4; the
// TCP flag masks are the reset values of DTXTCPFLGL and DTXTCPFLGH (8.2.3.9).
//
// Only the IP header at MACLEN and the transport header behind IPLEN change from segment to segment; what
// lies between them (an encapsulation that the driver made the same for all segments) is copied. Checksum
// fields are seeds, as in checksum.h; the transport's seed is a pseudo header sum without the length.
#pragma once

#include <array>
#include <cstdint>
#include <expected>

#include "base/bytes.h"
#include "nic/offload/checksum.h"

namespace ladon::nic::offload {

inline constexpr std::uint32_t kMaxSegmentPayload = (1u << 18) - 1;  // PAYLEN has 18 bits

struct SegmentRequest {
  std::uint16_t link_length = 0;       // MACLEN
  std::uint16_t network_length = 0;    // IPLEN
  std::uint16_t transport_length = 0;  // L4LEN
  std::uint16_t segment_size = 0;      // MSS: payload bytes in every segment but the last
  Network network = Network::none;     // TUCMD.IPV4
  Transport transport = Transport::none;
};

class Segmenter {
 public:
  // `snapshot` holds at least all headers and is read, not kept. `payload_length` 0 makes one segment.
  [[nodiscard]] static std::expected<Segmenter, OffloadFlaw> make(const SegmentRequest& request,
                                                                  ConstBytes snapshot,
                                                                  std::uint32_t payload_length);

  [[nodiscard]] std::uint32_t segments() const { return segments_; }
  [[nodiscard]] std::uint32_t header_length() const { return header_length_; }

  // Where segment `index` lies in the payload, in bytes.
  struct Piece {
    std::uint32_t offset = 0, length = 0;
  };
  [[nodiscard]] Piece piece(std::uint32_t index) const;

  // Writes the header of segment `index` < segments() into `to` (at least header_length() bytes); `payload`
  // is the sum over that segment's piece.
  void make_header(std::uint32_t index, const InternetSum& payload, Bytes to) const;

 private:
  Segmenter() = default;
  void make_network(std::uint32_t index, std::uint32_t payload, Bytes to) const;
  void make_transport(std::uint32_t index, const InternetSum& payload, std::uint32_t payload_length,
                      Bytes to) const;

  SegmentRequest request_;
  std::array<std::byte, kMaxSnapshot> header_{};
  std::uint32_t header_length_ = 0, payload_length_ = 0, segments_ = 0;
};

}  // namespace ladon::nic::offload
