#include "para/tx_request.h"

namespace ladon::para {

namespace {

using Outcome = Uplink::Outcome;

constexpr std::uint16_t kEthernetHeader = 14, kIpv4Header = 20, kIpv6Header = 40;
constexpr std::uint16_t kIpv4 = 0x0800, kIpv6 = 0x86DD;
constexpr std::uint16_t kTcpChecksum = 16, kUdpChecksum = 6;
constexpr std::uint16_t kMostNetworkLength = spec::descriptor::kContextIpLengthMask;

// Where the transport begins is the guest's word; everything between there and the Ethernet header counts as
// network header, an encapsulation included.
[[nodiscard]] std::expected<client::TxOffload, Outcome> checksum_request(const vhost::Frame& frame) {
  const vhost::Offload& offload = frame.offload;
  client::TxOffload request{.l4_checksum = true, .link_length = kEthernetHeader};
  if (offload.checksum_offset == kTcpChecksum)
    request.layer4 = client::Layer4::tcp;
  else if (offload.checksum_offset == kUdpChecksum)
    request.layer4 = client::Layer4::udp;
  else
    return std::unexpected(Outcome::checksum_unsupported);
  const auto type = load_be<std::uint16_t>(frame.head.data() + 12);
  request.ipv4 = type == kIpv4;
  const std::uint32_t shortest = request.ipv4 ? kIpv4Header : kIpv6Header;
  const std::uint32_t length = std::uint32_t{offload.checksum_start} - kEthernetHeader;
  const std::uint32_t field_end = std::uint32_t{offload.checksum_start} + offload.checksum_offset + 2;
  if ((!request.ipv4 && type != kIpv6) || offload.checksum_start < kEthernetHeader + shortest ||
      length > kMostNetworkLength || field_end > frame.head.size())
    return std::unexpected(Outcome::checksum_unsupported);
  request.network_length = static_cast<std::uint16_t>(length);
  return request;
}

// The device writes lengths, checksum and identification into the IP header right behind the Ethernet header,
// so nothing but that one may lie in front of the TCP header.
[[nodiscard]] bool plain_ip(const vhost::Frame& frame, const client::TxOffload& request) {
  const auto first = std::to_integer<unsigned>(frame.head[kEthernetHeader]);
  if (request.ipv4)
    return frame.offload.segmentation == vhost::Segmentation::tcp4 && first >> 4 == 4 &&
           (first & 15) * 4 == request.network_length;
  return frame.offload.segmentation == vhost::Segmentation::tcp6 && first >> 4 == 6;
}

}  // namespace

std::expected<client::TxOffload, Outcome> tx_request(const vhost::Frame& frame, std::uint16_t vlan,
                                                     const WireLimits& limits) {
  const vhost::Offload& offload = frame.offload;
  const bool segment = offload.segmentation != vhost::Segmentation::none;
  if (!segment && frame.length > limits.longest_frame) return std::unexpected(Outcome::too_long);
  client::TxOffload request;
  if (offload.checksum) {
    if (!limits.checksum) return std::unexpected(Outcome::checksum_unsupported);
    const auto made = checksum_request(frame);
    if (!made) return made;
    request = *made;
  }
  if (vlan != kNoVlan) request.vlan = vlan;
  if (!segment) return request;
  // vhost has found the end of the TCP header in the head; vhost/frame.h.
  if (!limits.segmentation || request.layer4 != client::Layer4::tcp || !plain_ip(frame, request))
    return std::unexpected(Outcome::segmentation_unsupported);
  if (offload.segment_size < kShortestSegment) return std::unexpected(Outcome::segments_too_short);
  if (std::uint32_t{offload.header_length} + offload.segment_size > limits.longest_frame)
    return std::unexpected(Outcome::too_long);
  request.segment = true;
  request.ip_checksum = request.ipv4;
  request.transport_length = static_cast<std::uint16_t>(offload.header_length - offload.checksum_start);
  request.segment_size = offload.segment_size;
  return request;
}

void seed_segments(Bytes head, std::uint32_t frame_length, const client::TxOffload& request) {
  if (request.ipv4) store_be(&head[kEthernetHeader + 10], std::uint16_t{0});
  const std::size_t transport = std::size_t{request.link_length} + request.network_length;
  std::byte* const field = &head[transport + kTcpChecksum];
  // The length goes as it came, by ones'-complement addition (RFC 1624); the pseudo header has 32 bits of it.
  const std::uint32_t length = frame_length - static_cast<std::uint32_t>(transport);
  std::uint32_t sum = load_be<std::uint16_t>(field);
  sum += 0xFFFF & ~(length & 0xFFFF);
  sum += 0xFFFF & ~(length >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  store_be(field, static_cast<std::uint16_t>(sum));
}

}  // namespace ladon::para
