// A remote host in a few hundred lines: answers ARP (RFC 826) and ICMP echo (RFC 792), and sinks TCP
// (peer_tcp.h). A state machine without time and without input or output of its own: a frame in, at most one
// frame out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/counters.h"
#include "base/ipv4.h"
#include "base/mac.h"
#include "port/counted_wire.h"
#include "port/peer_tcp.h"

namespace ladon::port {

struct PeerOptions {
  MacAddress mac;
  Ipv4Interface address;
  std::uint32_t mtu = 1500;  // 68 to kMaxFrame - 14
};

enum class PeerIgnored : std::uint8_t {
  other_station,   // not sent to our MAC address, nor to all
  other_address,   // not about our IP address
  other_protocol,  // neither ARP, nor IPv4 with ICMP echo or TCP
  fragment,
  malformed,     // lengths that contradict one another
  bad_checksum,  // IP, ICMP or TCP
  too_long,      // longer than the MTU
  count_
};
[[nodiscard]] std::string_view name(PeerIgnored reason);

class PeerStack {
 public:
  explicit PeerStack(const PeerOptions& options);

  // The frame to send in answer, valid until the next call; empty if there is none.
  [[nodiscard]] ConstBytes handle(ConstBytes frame);
  // An acknowledgement that was put off while data kept coming; empty if none is due. Ask when no more
  // frames wait.
  [[nodiscard]] ConstBytes next_ack();

  [[nodiscard]] const TcpSink& tcp() const { return tcp_; }
  [[nodiscard]] std::uint64_t echoes() const { return echoes_; }
  [[nodiscard]] const Counters<PeerIgnored>& ignored() const { return ignored_; }

 private:
  [[nodiscard]] ConstBytes ignore(PeerIgnored reason);
  [[nodiscard]] ConstBytes handle_arp(ConstBytes frame);
  [[nodiscard]] ConstBytes handle_ipv4(ConstBytes frame);
  [[nodiscard]] ConstBytes handle_echo(const MacAddress& from, Ipv4Address source, ConstBytes message);
  [[nodiscard]] ConstBytes handle_tcp(const MacAddress& from, Ipv4Address source, ConstBytes message);
  [[nodiscard]] ConstBytes write_tcp(const TcpSegment& segment);
  void write_ethernet(const MacAddress& to, std::uint16_t type);
  // Ethernet and IPv4 headers for `length` bytes that already lie behind them.
  [[nodiscard]] ConstBytes write_ipv4(const MacAddress& to, Ipv4Address destination, std::uint8_t protocol,
                                      std::size_t length);

  PeerOptions options_;
  TcpSink tcp_;
  std::uint64_t echoes_ = 0;
  std::uint16_t identification_ = 0;
  Counters<PeerIgnored> ignored_;
  std::array<std::byte, kMaxFrame> out_{};
};

}  // namespace ladon::port
