#include "nic/offload/segment.h"

namespace ladon::nic::offload {
namespace {

constexpr std::uint32_t kIpv4Header = 20, kIpv6Header = 40, kTcpHeader = 20, kUdpHeader = 8;
constexpr std::uint32_t kMaxIpPacket = 0xFFFF;
constexpr std::uint8_t kTcpFin = 0x01, kTcpPush = 0x08, kTcpCongestionReduced = 0x80;

[[nodiscard]] OffloadFlaw check(const SegmentRequest& request, std::size_t available,
                                std::uint32_t payload_length) {
  const bool tcp = request.transport == Transport::tcp;
  if ((!tcp && request.transport != Transport::udp) || request.network == Network::none)
    return OffloadFlaw::protocol;
  if (request.link_length < kEthernetHeader || request.link_length > available)
    return OffloadFlaw::link_length;
  const std::uint32_t transport = std::uint32_t{request.link_length} + request.network_length;
  if (request.network_length < (request.network == Network::ipv4 ? kIpv4Header : kIpv6Header) ||
      transport > available)
    return OffloadFlaw::network_length;
  if (request.transport_length < (tcp ? kTcpHeader : kUdpHeader) ||
      transport + request.transport_length > std::min(available, kMaxSnapshot))
    return OffloadFlaw::transport_length;
  if (payload_length > kMaxSegmentPayload) return OffloadFlaw::payload_length;
  const std::uint32_t largest = std::min<std::uint32_t>(request.segment_size, payload_length);
  if (request.segment_size == 0 || largest + request.network_length + request.transport_length > kMaxIpPacket)
    return OffloadFlaw::segment_size;
  return OffloadFlaw::none;
}

// DTXTCPFLG: FIN and PSH belong to the last segment, CWR to the first.
[[nodiscard]] std::uint8_t cleared_flags(bool first, bool last) {
  std::uint8_t flags = 0;
  if (!last) flags |= kTcpFin | kTcpPush;
  if (!first) flags |= kTcpCongestionReduced;
  return flags;
}

}  // namespace

std::expected<Segmenter, OffloadFlaw> Segmenter::make(const SegmentRequest& request, ConstBytes snapshot,
                                                      std::uint32_t payload_length) {
  if (const OffloadFlaw flaw = check(request, snapshot.size(), payload_length); flaw != OffloadFlaw::none)
    return std::unexpected(flaw);
  Segmenter segmenter;
  segmenter.request_ = request;
  segmenter.header_length_ =
      std::uint32_t{request.link_length} + request.network_length + request.transport_length;
  std::memcpy(segmenter.header_.data(), snapshot.data(), segmenter.header_length_);
  segmenter.payload_length_ = payload_length;
  segmenter.segments_ =
      payload_length == 0 ? 1 : (payload_length + request.segment_size - 1) / request.segment_size;
  return segmenter;
}

Segmenter::Piece Segmenter::piece(std::uint32_t index) const {
  const std::uint32_t offset = index * request_.segment_size;
  return {offset, std::min<std::uint32_t>(request_.segment_size, payload_length_ - offset)};
}

void Segmenter::make_network(std::uint32_t index, std::uint32_t payload, Bytes to) const {
  const Bytes header = to.subspan(request_.link_length, request_.network_length);
  const std::uint32_t length = request_.network_length + request_.transport_length + payload;
  if (request_.network == Network::ipv6) {
    store_be(&header[4], static_cast<std::uint16_t>(length - kIpv6Header));
    return;
  }
  store_be(&header[2], static_cast<std::uint16_t>(length));
  store_be(&header[4], static_cast<std::uint16_t>(load_be<std::uint16_t>(&header[4]) + index));
  store_be(&header[10], sum_of(header).checksum());
}

void Segmenter::make_transport(std::uint32_t index, const InternetSum& payload, std::uint32_t payload_length,
                               Bytes to) const {
  const Bytes header =
      to.subspan(std::size_t{request_.link_length} + request_.network_length, request_.transport_length);
  const auto length = static_cast<std::uint16_t>(request_.transport_length + payload_length);
  const bool tcp = request_.transport == Transport::tcp;
  if (tcp) {
    store_be(&header[4], load_be<std::uint32_t>(&header[4]) + index * request_.segment_size);
    header[13] &= ~std::byte{cleared_flags(index == 0, index + 1 == segments_)};
  } else {
    store_be(&header[4], length);
  }
  InternetSum sum;
  sum.add_word(length);
  sum.add(header);
  sum.add(payload);
  std::uint16_t value = sum.checksum();
  if (value == 0 && !tcp) value = 0xFFFF;
  store_be(&header[tcp ? 16u : 6u], value);
}

void Segmenter::make_header(std::uint32_t index, const InternetSum& payload, Bytes to) const {
  std::memcpy(to.data(), header_.data(), header_length_);
  const std::uint32_t length = piece(index).length;
  make_network(index, length, to);
  make_transport(index, payload, length, to);
}

}  // namespace ladon::nic::offload
