// The packet type of a receive write-back, in place (bits 4..16 of its first word). Intel 82599
// Datasheet 7.1.6.2, table "Packet Type".
#pragma once

#include <cstdint>

#include "nic/offload/frame.h"
#include "nic/offload/rss.h"

namespace ladon::nic::offload {

inline constexpr std::uint32_t kPacketIpv4 = 0x010, kPacketIpv4Options = 0x020, kPacketIpv6 = 0x040,
                               kPacketIpv6Extensions = 0x080, kPacketTcp = 0x100, kPacketUdp = 0x200,
                               kPacketSctp = 0x400;

[[nodiscard]] constexpr std::uint32_t packet_type(const FrameHeaders& headers) {
  std::uint32_t bits = 0;
  if (headers.network == Network::ipv4) bits = kPacketIpv4 | (headers.extended ? kPacketIpv4Options : 0);
  if (headers.network == Network::ipv6) bits = kPacketIpv6 | (headers.extended ? kPacketIpv6Extensions : 0);
  switch (headers.transport) {
    case Transport::tcp:
      return bits | kPacketTcp;
    case Transport::udp:
      return bits | kPacketUdp;
    case Transport::sctp:
      return bits | kPacketSctp;
    case Transport::none:
      break;
  }
  return bits;
}

// The whole first word of the write-back (spec::descriptor::kRxInfo).
[[nodiscard]] constexpr std::uint32_t receive_info(const FrameHeaders& headers, const RssHash& rss) {
  return packet_type(headers) | static_cast<std::uint32_t>(rss.type);
}

}  // namespace ladon::nic::offload
