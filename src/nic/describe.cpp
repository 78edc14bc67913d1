// What a receive write-back says of a frame: packet type, and which checksums hold.
#include "nic/frame.h"
#include "nic/offload/checksum.h"
#include "nic/offload/packet_type.h"
#include "spec/descriptor.h"

namespace ladon::nic {

namespace desc = spec::descriptor;

namespace {

// Where things are in an untagged frame that carries IPv4 without options.
constexpr std::size_t kType = 12, kIp = 14, kIpLength = 16, kIpFragment = 20, kIpProtocol = 23,
                      kTransport = 34, kUdpLength = 38, kTcpOffset = 46, kLeast = 54;
constexpr std::uint32_t kUdpHeader = 8, kTcpHeader = 20, kIpHeader = 20;
constexpr std::uint8_t kTcp = 6, kUdp = 17;

bool ip_header_holds(const std::byte* header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kIpHeader; i += 4) sum += load_le<std::uint32_t>(header + i);
  sum = (sum & 0xFFFF'FFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return ((sum & 0xFFFF) + (sum >> 16)) == 0xFFFF;
}

// The common case without the parser, to the same result: a whole TCP or UDP packet in IPv4 without options,
// between functions. False if the frame is anything else.
bool describe_plain(Frame& frame) {
  if (frame.verify || frame.head.size() < kLeast) return false;
  const std::byte* const bytes = frame.head.data();
  if (load_be<std::uint16_t>(bytes + kType) != static_cast<std::uint16_t>(offload::Ethertype::ipv4) ||
      bytes[kIp] != std::byte{0x45} || (load_be<std::uint16_t>(bytes + kIpFragment) & 0x3FFF) != 0)
    return false;
  const std::uint32_t length = load_be<std::uint16_t>(bytes + kIpLength);
  if (kIp + length > frame.length) return false;
  const auto protocol = std::to_integer<std::uint8_t>(bytes[kIpProtocol]);
  if (protocol == kUdp) {
    const std::uint32_t udp = load_be<std::uint16_t>(bytes + kUdpLength);
    if (udp < kUdpHeader || kIpHeader + udp > length) return false;
    frame.info = offload::kPacketIpv4 | offload::kPacketUdp;
  } else if (protocol == kTcp) {
    const std::uint32_t tcp = std::to_integer<std::uint32_t>(bytes[kTcpOffset] >> 4) * 4;
    if (tcp < kTcpHeader || kIpHeader + tcp > length || kTransport + tcp > frame.head.size()) return false;
    frame.info = offload::kPacketIpv4 | offload::kPacketTcp;
  } else {
    return false;
  }
  frame.status = desc::kRxIpChecked | (ip_header_holds(bytes + kIp) ? 0 : desc::kRxIpError);
  if (frame.transport_checked_at == kTransport)
    frame.status |= desc::kRxL4Checked | (protocol == kUdp ? desc::kRxUdpChecked : 0);
  return true;
}

}  // namespace

const offload::FrameHeaders& headers_of(Frame& frame) {
  if (!frame.headers) frame.headers = offload::parse_frame(frame.head, frame.length);
  return *frame.headers;
}

void describe(Frame& frame) {
  if (frame.described) return;
  frame.described = true;
  if (describe_plain(frame)) return;
  const offload::FrameHeaders& headers = headers_of(frame);
  offload::ChecksumStatus found;
  if (frame.verify) {
    found = offload::verify_checksums(headers, frame.head, frame.rest);
  } else {
    // Between functions the transport's checksum is known to be good if the device has made it; otherwise it
    // is left to the receiver, as it was to the sender.
    found = offload::verify_ip_checksum(headers, frame.head);
    found.udp = headers.transport == offload::Transport::udp;
    found.transport_checked = headers.transport != offload::Transport::none &&
                              frame.transport_checked_at == headers.transport_offset;
  }
  frame.info = offload::packet_type(headers);
  frame.status = offload::status_bits(found);
}

}  // namespace ladon::nic
