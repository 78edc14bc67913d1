// The passive side of TCP that accepts every connection, acknowledges and discards what arrives, and closes
// when the other side does (RFC 9293). It sends nothing but SYN, FIN and RST of its own and keeps no timers:
// whatever of it is lost, the other side's retransmission makes it answer again. Data that arrives out of
// order is not kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "base/ipv4.h"
#include "base/mac.h"

namespace ladon::port {

struct TcpFlags {
  bool fin = false, syn = false, reset = false, ack = false;
  bool operator==(const TcpFlags&) const = default;
};

// A segment without its data.
struct TcpSegment {
  MacAddress remote_mac;
  Ipv4Address remote;
  std::uint16_t remote_port = 0, local_port = 0;
  std::uint32_t sequence = 0, acknowledged = 0;
  TcpFlags flags;
  std::uint16_t window = 0;
  std::uint32_t data_bytes = 0;
  std::optional<std::uint8_t> window_scale;  // options of a SYN
  std::optional<std::uint16_t> segment_size;
};

enum class TcpEvent : std::uint8_t {
  accepted,
  closed,        // both sides have sent and acknowledged a FIN
  reset,         // by the other side
  evicted,       // the oldest connection made room for a new one
  refused,       // a segment of no connection was answered with a reset
  out_of_order,  // data that does not follow what has arrived; discarded, answered
  duplicate,     // nothing new in it; answered
  unacceptable,  // outside the window, or a stray SYN or reset; answered or ignored as RFC 9293 says
  count_
};
[[nodiscard]] std::string_view name(TcpEvent event);

class TcpSink {
 public:
  static constexpr std::size_t kMaxConnections = 64;
  // Enough for one connection at 10 Gb/s and 6 ms; data is consumed at once, so the window never shrinks.
  static constexpr std::uint8_t kWindowScale = 7;
  static constexpr std::uint16_t kWindow = 0xFFFF;

  explicit TcpSink(std::uint16_t segment_size) : segment_size_(segment_size) {}

  // The segment to answer at once, if any. An acknowledgement of data in order is put off until next_ack().
  [[nodiscard]] std::optional<TcpSegment> handle(const TcpSegment& in);
  // An acknowledgement that has been put off, one a connection; nullopt if none is due.
  [[nodiscard]] std::optional<TcpSegment> next_ack();

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  // data accepted in order
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  [[nodiscard]] const Counters<TcpEvent>& events() const { return events_; }

 private:
  struct Connection {
    MacAddress remote_mac;
    Ipv4Address remote;
    std::uint16_t remote_port = 0, local_port = 0;
    std::uint32_t first_sent = 0;     // our SYN's sequence number
    std::uint32_t next_expected = 0;  // RCV.NXT
    bool established = false;         // our SYN is acknowledged
    bool fin_sent = false;
    bool ack_due = false;
    bool scaled = false;
    std::uint64_t last_used = 0;
  };
  [[nodiscard]] Connection* find(const TcpSegment& in);
  [[nodiscard]] std::optional<TcpSegment> open(const TcpSegment& in);
  [[nodiscard]] std::optional<TcpSegment> take(Connection& connection, const TcpSegment& in);
  [[nodiscard]] std::optional<TcpSegment> take_data(Connection& connection, const TcpSegment& in);
  [[nodiscard]] TcpSegment syn_ack(const Connection& connection) const;
  [[nodiscard]] TcpSegment ack(const Connection& connection) const;
  [[nodiscard]] std::optional<TcpSegment> refuse(const TcpSegment& in);
  void forget(const Connection& connection);

  std::uint16_t segment_size_;
  std::vector<Connection> connections_;
  std::uint64_t segments_ = 0, opened_ = 0, bytes_ = 0;
  std::size_t acks_due_ = 0;
  Counters<TcpEvent> events_;
};

}  // namespace ladon::port
