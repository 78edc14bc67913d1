#include "port/peer_tcp.h"

#include <algorithm>

namespace ladon::port {
namespace {

// Distance from `base` to `number` in sequence space, which wraps: negative if `number` lies before.
std::int32_t after(std::uint32_t number, std::uint32_t base) {
  return static_cast<std::int32_t>(number - base);
}

TcpSegment reply_to(const TcpSegment& in) {
  TcpSegment out;
  out.remote_mac = in.remote_mac;
  out.remote = in.remote;
  out.remote_port = in.remote_port;
  out.local_port = in.local_port;
  return out;
}

}  // namespace

std::string_view name(TcpEvent event) {
  switch (event) {
    case TcpEvent::accepted:
      return "accepted";
    case TcpEvent::closed:
      return "closed";
    case TcpEvent::reset:
      return "reset";
    case TcpEvent::evicted:
      return "evicted";
    case TcpEvent::refused:
      return "refused";
    case TcpEvent::out_of_order:
      return "out_of_order";
    case TcpEvent::duplicate:
      return "duplicate";
    case TcpEvent::unacceptable:
      return "unacceptable";
    case TcpEvent::count_:
      break;
  }
  return "unknown";
}

std::optional<TcpSegment> TcpSink::handle(const TcpSegment& in) {
  ++segments_;
  Connection* connection = find(in);
  if (connection != nullptr) {
    connection->last_used = segments_;
    return take(*connection, in);
  }
  if (in.flags == TcpFlags{.syn = true}) return open(in);
  return refuse(in);
}

std::optional<TcpSegment> TcpSink::next_ack() {
  if (acks_due_ == 0) return std::nullopt;
  const auto due = std::ranges::find_if(connections_, &Connection::ack_due);
  due->ack_due = false;
  --acks_due_;
  return ack(*due);
}

TcpSink::Connection* TcpSink::find(const TcpSegment& in) {
  const auto found = std::ranges::find_if(connections_, [&](const Connection& c) {
    return c.remote == in.remote && c.remote_port == in.remote_port && c.local_port == in.local_port;
  });
  return found == connections_.end() ? nullptr : &*found;
}

void TcpSink::forget(const Connection& connection) {
  if (connection.ack_due) --acks_due_;
  connections_.erase(connections_.begin() + (&connection - connections_.data()));
}

std::optional<TcpSegment> TcpSink::open(const TcpSegment& in) {
  if (connections_.size() == kMaxConnections) {
    forget(*std::ranges::min_element(connections_, {}, &Connection::last_used));
    events_.add(TcpEvent::evicted);
  }
  Connection connection;
  connection.remote_mac = in.remote_mac;
  connection.remote = in.remote;
  connection.remote_port = in.remote_port;
  connection.local_port = in.local_port;
  // Distinct, and the same in every run; nobody here defends against guessed sequence numbers.
  connection.first_sent = static_cast<std::uint32_t>(++opened_ * 0x0100'0193);
  connection.next_expected = in.sequence + 1;
  connection.scaled = in.window_scale.has_value();
  connection.last_used = segments_;
  connections_.push_back(connection);
  return syn_ack(connections_.back());
}

TcpSegment TcpSink::syn_ack(const Connection& connection) const {
  TcpSegment out;
  out.remote_mac = connection.remote_mac;
  out.remote = connection.remote;
  out.remote_port = connection.remote_port;
  out.local_port = connection.local_port;
  out.sequence = connection.first_sent;
  out.acknowledged = connection.next_expected;
  out.flags = {.syn = true, .ack = true};
  out.window = kWindow;  // never scaled in a SYN (RFC 7323, 2.2)
  out.segment_size = segment_size_;
  if (connection.scaled) out.window_scale = kWindowScale;
  return out;
}

// Acknowledges all that has arrived; carries our FIN while that is not acknowledged.
TcpSegment TcpSink::ack(const Connection& connection) const {
  TcpSegment out = syn_ack(connection);
  out.sequence = connection.first_sent + 1;
  out.flags = {.fin = connection.fin_sent, .ack = true};
  out.segment_size.reset();
  out.window_scale.reset();
  return out;
}

// RFC 9293, 3.10.7.1: a reset that the sender can match to its segment.
std::optional<TcpSegment> TcpSink::refuse(const TcpSegment& in) {
  if (in.flags.reset) return std::nullopt;
  events_.add(TcpEvent::refused);
  TcpSegment out = reply_to(in);
  out.flags.reset = true;
  if (in.flags.ack) {
    out.sequence = in.acknowledged;
  } else {
    out.flags.ack = true;
    out.acknowledged = in.sequence + in.data_bytes + (in.flags.syn ? 1 : 0) + (in.flags.fin ? 1 : 0);
  }
  return out;
}

// RFC 9293, 3.10.7.4, in its order: sequence number, reset, SYN, acknowledgement, data, FIN.
std::optional<TcpSegment> TcpSink::take(Connection& connection, const TcpSegment& in) {
  if (in.flags.syn && !connection.established && in.sequence + 1 == connection.next_expected) {
    events_.add(TcpEvent::duplicate);
    return syn_ack(connection);  // it was lost
  }
  if (in.flags.reset) {
    // RFC 5961, 3.2: only an exact hit ends the connection; a near one is asked about.
    if (in.sequence == connection.next_expected) {
      events_.add(TcpEvent::reset);
      forget(connection);
      return std::nullopt;
    }
    events_.add(TcpEvent::unacceptable);
    return std::nullopt;
  }
  if (in.flags.syn) {
    events_.add(TcpEvent::unacceptable);
    return ack(connection);  // RFC 5961, 4.2
  }
  if (!in.flags.ack) {
    events_.add(TcpEvent::unacceptable);
    return std::nullopt;
  }
  const std::uint32_t all_sent = connection.first_sent + (connection.fin_sent ? 2u : 1u);
  const std::int32_t ahead = after(in.acknowledged, all_sent);
  if (ahead > 0) {  // acknowledges what was never sent
    events_.add(TcpEvent::unacceptable);
    return connection.established ? std::optional(ack(connection)) : refuse(in);
  }
  if (!connection.established && after(in.acknowledged, connection.first_sent) > 0) {
    connection.established = true;
    events_.add(TcpEvent::accepted);
  }
  if (connection.fin_sent && ahead == 0) {
    events_.add(TcpEvent::closed);
    forget(connection);
    return std::nullopt;
  }
  return take_data(connection, in);
}

std::optional<TcpSegment> TcpSink::take_data(Connection& connection, const TcpSegment& in) {
  const std::uint32_t end = in.sequence + in.data_bytes;
  const std::int32_t gap = after(in.sequence, connection.next_expected);
  if (gap > 0) {
    events_.add(TcpEvent::out_of_order);
    return ack(connection);  // at once and each time: the sender counts them (RFC 5681, 4.2)
  }
  const std::int32_t fresh = after(end, connection.next_expected);
  if (fresh < 0 || (fresh == 0 && in.data_bytes > 0 && !in.flags.fin)) {
    events_.add(TcpEvent::duplicate);
    return ack(connection);
  }
  if (!connection.fin_sent && fresh > 0) {
    bytes_ += static_cast<std::uint32_t>(fresh);
    connection.next_expected = end;
  }
  if (in.flags.fin) {
    if (!connection.fin_sent) connection.next_expected = end + 1;
    connection.fin_sent = true;
    return ack(connection);
  }
  if (fresh > 0 && !connection.ack_due) {
    connection.ack_due = true;
    ++acks_due_;
  }
  return std::nullopt;
}

}  // namespace ladon::port
