#include "nic/offload/frame.h"

#include <array>

namespace ladon::nic::offload {
namespace {

constexpr std::size_t kIpv4Header = 20, kIpv6Header = 40, kTcpHeader = 20, kUdpHeader = 8, kSctpHeader = 12;
// Protocol numbers (IANA).
constexpr std::uint8_t kHopByHop = 0, kTcp = 6, kUdp = 17, kRouting = 43, kFragment = 44,
                       kDestinationOptions = 60, kSctp = 132, kMobility = 135;

[[nodiscard]] std::uint8_t byte_at(ConstBytes bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}

[[nodiscard]] std::size_t available(const FrameHeaders& headers, ConstBytes snapshot) {
  return std::min<std::size_t>(headers.network_end, snapshot.size());
}

FrameFlaw parse_ipv4(FrameHeaders& headers, ConstBytes snapshot, std::uint32_t frame_length) {
  const std::size_t at = headers.network_offset;
  if (snapshot.size() < at + kIpv4Header) return FrameFlaw::truncated_network;
  const std::uint8_t first = byte_at(snapshot, at);
  if (first >> 4 != 4) return FrameFlaw::bad_version;
  const std::size_t header = (first & 0xFu) * 4;
  const std::size_t total = load_be<std::uint16_t>(&snapshot[at + 2]);
  if (header < kIpv4Header) return FrameFlaw::bad_header_length;
  if (total < header || at + total > frame_length) return FrameFlaw::bad_length;
  if (snapshot.size() < at + header) return FrameFlaw::truncated_network;
  headers.network = Network::ipv4;
  headers.network_end = static_cast<std::uint32_t>(at + total);
  headers.transport_offset = static_cast<std::uint16_t>(at + header);
  headers.extended = header > kIpv4Header;
  headers.protocol = byte_at(snapshot, at + 9);
  // More-fragments or an offset.
  headers.fragment = (load_be<std::uint16_t>(&snapshot[at + 6]) & 0x3FFF) != 0;
  return FrameFlaw::none;
}

// Follows the chain of extension headers up to the transport header, a fragment header that splits the
// packet, or a header that is none of ours.
FrameFlaw follow_extensions(FrameHeaders& headers, ConstBytes snapshot) {
  const std::size_t end = available(headers, snapshot);
  std::size_t at = headers.transport_offset;
  for (unsigned followed = 0;; ++followed) {
    const std::uint8_t type = headers.protocol;
    const bool fragment = type == kFragment;
    if (!fragment && type != kHopByHop && type != kRouting && type != kDestinationOptions &&
        type != kMobility)
      return FrameFlaw::none;
    if (followed == kMaxExtensionHeaders) return FrameFlaw::extension_chain;
    if (at + 8 > end) return FrameFlaw::truncated_extension;
    const std::size_t length = fragment ? 8 : (byte_at(snapshot, at + 1) + 1u) * 8;
    if (at + length > end) return FrameFlaw::truncated_extension;
    headers.extended = true;
    headers.protocol = byte_at(snapshot, at);
    headers.transport_offset = static_cast<std::uint16_t>(at + length);
    if (fragment && (load_be<std::uint16_t>(&snapshot[at + 2]) & 0xFFF9) != 0) {
      headers.fragment = true;
      return FrameFlaw::none;
    }
    at += length;
  }
}

FrameFlaw parse_ipv6(FrameHeaders& headers, ConstBytes snapshot, std::uint32_t frame_length) {
  const std::size_t at = headers.network_offset;
  if (snapshot.size() < at + kIpv6Header) return FrameFlaw::truncated_network;
  if (byte_at(snapshot, at) >> 4 != 6) return FrameFlaw::bad_version;
  const std::size_t end = at + kIpv6Header + load_be<std::uint16_t>(&snapshot[at + 4]);
  if (end > frame_length) return FrameFlaw::bad_length;
  headers.network = Network::ipv6;
  headers.network_end = static_cast<std::uint32_t>(end);
  headers.transport_offset = static_cast<std::uint16_t>(at + kIpv6Header);
  headers.protocol = byte_at(snapshot, at + 6);
  return follow_extensions(headers, snapshot);
}

FrameFlaw parse_tcp(FrameHeaders& headers, ConstBytes snapshot) {
  const std::size_t at = headers.transport_offset, end = available(headers, snapshot);
  if (at + kTcpHeader > end) return FrameFlaw::truncated_transport;
  const std::size_t header = (byte_at(snapshot, at + 12) >> 4) * 4u;
  if (header < kTcpHeader) return FrameFlaw::bad_header_length;
  if (at + header > end) return FrameFlaw::truncated_transport;
  headers.payload_offset = static_cast<std::uint16_t>(at + header);
  headers.transport = Transport::tcp;
  return FrameFlaw::none;
}

FrameFlaw parse_udp(FrameHeaders& headers, ConstBytes snapshot) {
  const std::size_t at = headers.transport_offset;
  if (at + kUdpHeader > available(headers, snapshot)) return FrameFlaw::truncated_transport;
  const std::size_t length = load_be<std::uint16_t>(&snapshot[at + 4]);
  if (length < kUdpHeader || at + length > headers.network_end) return FrameFlaw::bad_length;
  headers.payload_offset = static_cast<std::uint16_t>(at + kUdpHeader);
  headers.transport = Transport::udp;
  return FrameFlaw::none;
}

FrameFlaw parse_transport(FrameHeaders& headers, ConstBytes snapshot) {
  if (headers.fragment) return FrameFlaw::none;
  switch (headers.protocol) {
    case kTcp:
      return parse_tcp(headers, snapshot);
    case kUdp:
      return parse_udp(headers, snapshot);
    case kSctp:
      if (headers.transport_offset + kSctpHeader > available(headers, snapshot))
        return FrameFlaw::truncated_transport;
      headers.payload_offset = static_cast<std::uint16_t>(headers.transport_offset + kSctpHeader);
      headers.transport = Transport::sctp;
      return FrameFlaw::none;
    default:
      return FrameFlaw::none;
  }
}

}  // namespace

std::string_view name(FrameFlaw flaw) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(FrameFlaw::count_)> kNames{
      "none",
      "short_frame",
      "truncated_vlan",
      "truncated_network",
      "bad_version",
      "bad_header_length",
      "bad_length",
      "extension_chain",
      "truncated_extension",
      "truncated_transport"};
  return flaw < FrameFlaw::count_ ? kNames[static_cast<std::size_t>(flaw)] : "unknown";
}

void parse_link(ConstBytes snapshot, LinkHeader& link) {
  link = LinkHeader{};
  if (snapshot.size() < kEthernetHeader) {
    link.flaw = FrameFlaw::short_frame;
    return;
  }
  std::memcpy(link.destination.bytes.data(), &snapshot[0], 6);
  std::memcpy(link.source.bytes.data(), &snapshot[6], 6);
  link.ethertype = load_be<std::uint16_t>(&snapshot[12]);
  link.length = kEthernetHeader;
  if (link.ethertype != static_cast<std::uint16_t>(Ethertype::vlan)) return;
  if (snapshot.size() < kEthernetHeader + kVlanTag) {
    link.flaw = FrameFlaw::truncated_vlan;
    return;
  }
  link.tagged = true;
  link.tag = load_be<std::uint16_t>(&snapshot[14]);
  link.ethertype = load_be<std::uint16_t>(&snapshot[16]);
  link.length = kEthernetHeader + kVlanTag;
}

void parse_frame(ConstBytes snapshot, std::uint32_t frame_length, FrameHeaders& headers) {
  headers = FrameHeaders{};
  snapshot = snapshot.first(std::min<std::size_t>(snapshot.size(), frame_length));
  parse_link(snapshot, headers.link);
  headers.flaw = headers.link.flaw;
  if (headers.flaw != FrameFlaw::none) return;
  headers.network_offset = headers.link.length;
  switch (static_cast<Ethertype>(headers.link.ethertype)) {
    case Ethertype::ipv4:
      headers.flaw = parse_ipv4(headers, snapshot, frame_length);
      break;
    case Ethertype::ipv6:
      headers.flaw = parse_ipv6(headers, snapshot, frame_length);
      break;
    default:
      return;
  }
  if (headers.flaw == FrameFlaw::none) headers.flaw = parse_transport(headers, snapshot);
}

}  // namespace ladon::nic::offload
