// Where the headers of an Ethernet frame are. The parser sees a private snapshot of the frame's first bytes,
// never memory that a guest could change under it. IEEE 802.3 and 802.1Q, RFC 791, RFC 8200 section 4,
// RFC 9293, RFC 768, RFC 9260.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/mac.h"

namespace ladon::nic::offload {

inline constexpr std::size_t kMaxSnapshot = 256;  // bytes of a frame that the parser needs at most
inline constexpr std::size_t kEthernetHeader = 14, kVlanTag = 4;
// IPv6 extension headers that are followed; a longer chain is a flaw.
inline constexpr unsigned kMaxExtensionHeaders = 8;

enum class Ethertype : std::uint16_t { ipv4 = 0x0800, arp = 0x0806, vlan = 0x8100, ipv6 = 0x86DD };
enum class Network : std::uint8_t { none, ipv4, ipv6 };
enum class Transport : std::uint8_t { none, tcp, udp, sctp };

enum class FrameFlaw : std::uint8_t {
  none,
  short_frame,          // not even an Ethernet header
  truncated_vlan,       // an 802.1Q type without a tag behind it
  truncated_network,    // the IP header does not fit
  bad_version,          // the IP version contradicts the ethertype
  bad_header_length,    // IHL below 5, or TCP data offset below 5
  bad_length,           // the IP length is smaller than its headers or larger than the frame
  extension_chain,      // too many IPv6 extension headers
  truncated_extension,  // an IPv6 extension header does not fit
  truncated_transport,  // the TCP, UDP or SCTP header does not fit
  count_
};
[[nodiscard]] std::string_view name(FrameFlaw flaw);

// The Ethernet header alone: all that a switch needs.
struct LinkHeader {
  MacAddress destination, source;
  std::uint16_t ethertype = 0;  // behind the VLAN tag, if there is one
  std::uint16_t tag = 0;        // 802.1Q tag control information: priority, DEI, VLAN
  bool tagged = false;
  std::uint8_t length = 0;  // bytes, tag included; 0: flaw
  FrameFlaw flaw = FrameFlaw::none;

  [[nodiscard]] std::uint16_t vlan() const { return tag & 0xFFF; }
};

// Offsets count from the first byte of the frame. With a flaw, everything found before it still holds:
// a frame with a broken IP header can be switched, but `network` or `transport` are then none.
struct FrameHeaders {
  LinkHeader link;
  FrameFlaw flaw = FrameFlaw::none;
  Network network = Network::none;
  Transport transport = Transport::none;  // none for fragments: their checksums and ports are not at hand
  std::uint8_t protocol = 0;              // IP protocol number behind all extension headers
  bool fragment = false;
  bool extended = false;               // IPv4 options or IPv6 extension headers
  std::uint16_t network_offset = 0;    // valid if network is not none
  std::uint16_t transport_offset = 0;  // end of the IP headers, valid likewise
  std::uint16_t payload_offset = 0;    // end of the TCP, UDP or SCTP header, valid if transport is not none
  std::uint32_t network_end = 0;       // where the IP packet ends; the frame may go on with padding
};

void parse_link(ConstBytes snapshot, LinkHeader& link);
[[nodiscard]] inline LinkHeader parse_link(ConstBytes snapshot) {
  LinkHeader link;
  parse_link(snapshot, link);
  return link;
}

// `snapshot` is the first min(frame_length, kMaxSnapshot) bytes or more of a frame of `frame_length` bytes
// without FCS. A header outside the snapshot counts as truncated. The result is written in place: it is the
// last thing that a fast path wants to copy.
void parse_frame(ConstBytes snapshot, std::uint32_t frame_length, FrameHeaders& headers);
[[nodiscard]] inline FrameHeaders parse_frame(ConstBytes snapshot, std::uint32_t frame_length) {
  FrameHeaders headers;
  parse_frame(snapshot, frame_length, headers);
  return headers;
}

}  // namespace ladon::nic::offload
