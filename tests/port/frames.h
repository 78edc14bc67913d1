// Frames as a remote program would send them, for the tests of the peer.
#pragma once

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "base/ipv4.h"
#include "base/mac.h"
#include "port/checksum.h"
#include "port/peer_tcp.h"

namespace ladon::port::test {

using Frame = std::vector<std::byte>;

inline const MacAddress kOurMac{{0x02, 0, 0, 0, 0, 0x11}}, kPeerMac{{0x02, 0, 0, 0, 0, 0x99}};
inline constexpr Ipv4Address kOurAddress{0x0A0A000B}, kPeerAddress{0x0A0A0001};

template <std::unsigned_integral T>
void append(Frame& frame, T value) {
  std::byte bytes[sizeof value];
  store_be(bytes, value);
  frame.insert(frame.end(), bytes, bytes + sizeof value);
}
inline void append(Frame& frame, const MacAddress& mac) {
  for (const auto b : mac.bytes) frame.push_back(std::byte{b});
}
inline void append(Frame& frame, std::string_view text) {
  for (const char c : text) frame.push_back(static_cast<std::byte>(c));
}

inline Frame ethernet(const MacAddress& to, std::uint16_t type) {
  Frame frame;
  append(frame, to);
  append(frame, kOurMac);
  append(frame, type);
  return frame;
}

inline Frame arp_request(Ipv4Address who) {
  Frame frame = ethernet(MacAddress::from_bits(0xFFFF'FFFF'FFFF), 0x0806);
  append(frame, std::uint64_t{0x0001'0800'0604'0001});
  append(frame, kOurMac);
  append(frame, kOurAddress.bits);
  append(frame, MacAddress{});
  append(frame, who.bits);
  return frame;
}

inline Frame ipv4(std::uint8_t protocol, const Frame& message, Ipv4Address to = kPeerAddress) {
  Frame header;
  append(header, std::uint16_t{0x4500});
  append(header, static_cast<std::uint16_t>(20 + message.size()));
  append(header, std::uint32_t{0x1234'4000});
  append(header, static_cast<std::uint16_t>(64 << 8 | protocol));
  append(header, std::uint16_t{0});
  append(header, kOurAddress.bits);
  append(header, to.bits);
  Checksum sum;
  sum.add(header);
  store_be(&header[10], sum.value());
  Frame frame = ethernet(kPeerMac, 0x0800);
  frame.insert(frame.end(), header.begin(), header.end());
  frame.insert(frame.end(), message.begin(), message.end());
  return frame;
}

inline Frame echo_request(std::uint16_t sequence, std::string_view payload) {
  Frame message;
  append(message, std::uint32_t{0x0800'0000});
  append(message, std::uint16_t{0xBEEF});
  append(message, sequence);
  append(message, payload);
  Checksum sum;
  sum.add(message);
  store_be(&message[2], sum.value());
  return ipv4(1, message);
}

struct Tcp {
  std::uint16_t from = 40'000, to = 5001;
  std::uint32_t sequence = 0, acknowledged = 0;
  std::uint8_t flags = 0x10;
  std::string options{}, data{};
};

inline std::uint16_t tcp_sum(std::uint32_t a, std::uint32_t b, ConstBytes segment) {
  Checksum sum;
  sum.add(a);
  sum.add(b);
  sum.add(std::uint32_t{6});
  sum.add(static_cast<std::uint32_t>(segment.size()));
  sum.add(segment);
  return sum.value();
}

inline Frame tcp(const Tcp& s) {
  Frame message;
  append(message, s.from);
  append(message, s.to);
  append(message, s.sequence);
  append(message, s.acknowledged);
  append(message, static_cast<std::uint16_t>((20 + s.options.size()) / 4 << 12 | s.flags));
  append(message, std::uint16_t{1000});
  append(message, std::uint32_t{0});
  append(message, s.options);
  append(message, s.data);
  store_be(&message[16], tcp_sum(kOurAddress.bits, kPeerAddress.bits, message));
  return ipv4(6, message);
}

// What came back, checked: headers, lengths and checksums are right.
struct Reply {
  std::uint8_t protocol = 0;
  Frame message;
};
inline Reply parse(ConstBytes frame) {
  Reply reply;
  if (frame.size() < 34) return reply;
  const ConstBytes packet = frame.subspan(14);
  Checksum sum;
  sum.add(packet.first(20));
  const std::size_t total = load_be<std::uint16_t>(&packet[2]);
  if (sum.value() != 0 || total != packet.size()) return reply;
  reply.protocol = std::to_integer<std::uint8_t>(packet[9]);
  const ConstBytes message = packet.subspan(20);
  reply.message.assign(message.begin(), message.end());
  return reply;
}

struct TcpReply {
  bool valid = false;
  std::uint32_t sequence = 0, acknowledged = 0;
  std::uint8_t flags = 0;
  std::string options;
};
inline TcpReply parse_tcp(ConstBytes frame) {
  const Reply ip = parse(frame);
  if (ip.protocol != 6 || ip.message.size() < 20) return {};
  if (tcp_sum(kPeerAddress.bits, kOurAddress.bits, ip.message) != 0) return {};
  const std::size_t header = std::to_integer<std::size_t>(ip.message[12]) / 16 * 4;
  if (header != ip.message.size()) return {};
  TcpReply reply{true,
                 load_be<std::uint32_t>(&ip.message[4]),
                 load_be<std::uint32_t>(&ip.message[8]),
                 std::to_integer<std::uint8_t>(ip.message[13]),
                 {}};
  for (std::size_t i = 20; i < header; ++i) reply.options += static_cast<char>(ip.message[i]);
  return reply;
}

}  // namespace ladon::port::test
