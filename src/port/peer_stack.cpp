#include "port/peer_stack.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "port/checksum.h"

namespace ladon::port {
namespace {

constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeArp = 0x0806;
constexpr std::uint8_t kIcmp = 1, kTcp = 6;
constexpr std::size_t kEthernet = 14, kArp = 28, kIpv4 = 20, kIcmpHeader = 8, kTcpHeader = 20;
constexpr std::size_t kPayload = kEthernet + kIpv4;  // of the frames that we write
constexpr std::uint16_t kArpRequest = 1, kArpReply = 2;
constexpr std::uint8_t kEchoRequest = 8, kEchoReply = 0;
constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kReset = 0x04, kAck = 0x10;
constexpr std::uint8_t kOptionEnd = 0, kOptionPadding = 1, kOptionSegmentSize = 2, kOptionWindowScale = 3;

MacAddress mac_at(ConstBytes bytes, std::size_t at) {
  MacAddress mac;
  std::memcpy(mac.bytes.data(), &bytes[at], mac.bytes.size());
  return mac;
}
std::uint8_t byte_at(ConstBytes bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}
std::uint16_t word_at(ConstBytes bytes, std::size_t at) {
  return load_be<std::uint16_t>(&bytes[at]);
}
std::uint32_t long_at(ConstBytes bytes, std::size_t at) {
  return load_be<std::uint32_t>(&bytes[at]);
}

std::uint16_t checksum(ConstBytes bytes) {
  Checksum sum;
  sum.add(bytes);
  return sum.value();
}

// With the pseudo header of RFC 9293, 3.1.
std::uint16_t tcp_checksum(Ipv4Address a, Ipv4Address b, ConstBytes segment) {
  Checksum sum;
  sum.add(a.bits);
  sum.add(b.bits);
  sum.add(std::uint32_t{kTcp});
  sum.add(static_cast<std::uint32_t>(segment.size()));
  sum.add(segment);
  return sum.value();
}

// Options that matter, out of a SYN (RFC 9293, 3.2; RFC 7323, 2.2). What is cut short or unknown is passed
// over.
void read_options(ConstBytes options, TcpSegment& segment) {
  for (std::size_t at = 0; at < options.size();) {
    const auto kind = byte_at(options, at);
    if (kind == kOptionEnd) return;
    if (kind == kOptionPadding) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) return;
    const std::size_t length = byte_at(options, at + 1);
    if (length < 2 || at + length > options.size()) return;
    if (kind == kOptionSegmentSize && length == 4) segment.segment_size = word_at(options, at + 2);
    if (kind == kOptionWindowScale && length == 3) segment.window_scale = byte_at(options, at + 2);
    at += length;
  }
}

std::uint8_t flag_bits(const TcpFlags& flags) {
  return static_cast<std::uint8_t>((flags.fin ? kFin : 0) | (flags.syn ? kSyn : 0) |
                                   (flags.reset ? kReset : 0) | (flags.ack ? kAck : 0));
}

}  // namespace

std::string_view name(PeerIgnored reason) {
  switch (reason) {
    case PeerIgnored::other_station:
      return "other_station";
    case PeerIgnored::other_address:
      return "other_address";
    case PeerIgnored::other_protocol:
      return "other_protocol";
    case PeerIgnored::fragment:
      return "fragment";
    case PeerIgnored::malformed:
      return "malformed";
    case PeerIgnored::bad_checksum:
      return "bad_checksum";
    case PeerIgnored::too_long:
      return "too_long";
    case PeerIgnored::count_:
      break;
  }
  return "unknown";
}

PeerStack::PeerStack(const PeerOptions& options)
    : options_(options), tcp_(static_cast<std::uint16_t>(options.mtu - kIpv4 - kTcpHeader)) {
  if (options.mtu < 68 || options.mtu > kMaxFrame - kEthernet)
    throw std::invalid_argument("the peer's MTU is not 68 to 9714");
}

ConstBytes PeerStack::ignore(PeerIgnored reason) {
  ignored_.add(reason);
  return {};
}

ConstBytes PeerStack::handle(ConstBytes frame) {
  if (frame.size() < kEthernet) return ignore(PeerIgnored::malformed);
  if (frame.size() > kEthernet + options_.mtu) return ignore(PeerIgnored::too_long);
  const MacAddress to = mac_at(frame, 0);
  if (to != options_.mac && !to.is_broadcast()) return ignore(PeerIgnored::other_station);
  switch (word_at(frame, 12)) {
    case kTypeArp:
      return handle_arp(frame);
    case kTypeIpv4:
      return handle_ipv4(frame);
    default:
      return ignore(PeerIgnored::other_protocol);
  }
}

ConstBytes PeerStack::next_ack() {
  const auto segment = tcp_.next_ack();
  return segment ? write_tcp(*segment) : ConstBytes{};
}

ConstBytes PeerStack::handle_arp(ConstBytes frame) {
  const ConstBytes arp = frame.subspan(kEthernet);
  if (arp.size() < kArp) return ignore(PeerIgnored::malformed);
  // Ethernet and IPv4, addresses of 6 and 4 bytes.
  if (word_at(arp, 0) != 1 || word_at(arp, 2) != kTypeIpv4 || word_at(arp, 4) != 0x0604)
    return ignore(PeerIgnored::other_protocol);
  if (word_at(arp, 6) != kArpRequest || long_at(arp, 24) != options_.address.address.bits)
    return ignore(PeerIgnored::other_address);
  const MacAddress asker = mac_at(arp, 8);
  write_ethernet(asker, kTypeArp);
  std::byte* out = &out_[kEthernet];
  std::memcpy(out, arp.data(), 6);
  store_be(out + 6, kArpReply);
  std::memcpy(out + 8, options_.mac.bytes.data(), 6);
  store_be(out + 14, options_.address.address.bits);
  std::memcpy(out + 18, &arp[8], 10);  // the asker's two addresses
  return ConstBytes(out_).first(kEthernet + kArp);
}

ConstBytes PeerStack::handle_ipv4(ConstBytes frame) {
  const ConstBytes packet = frame.subspan(kEthernet);
  if (packet.size() < kIpv4) return ignore(PeerIgnored::malformed);
  const std::size_t header = std::size_t{4} * (byte_at(packet, 0) & 0xF), total = word_at(packet, 2);
  if (byte_at(packet, 0) >> 4 != 4 || header < kIpv4 || total < header || total > packet.size())
    return ignore(PeerIgnored::malformed);
  if (checksum(packet.first(header)) != 0) return ignore(PeerIgnored::bad_checksum);
  if (Ipv4Address{long_at(packet, 16)} != options_.address.address) return ignore(PeerIgnored::other_address);
  if ((word_at(packet, 6) & 0x3FFF) != 0) return ignore(PeerIgnored::fragment);
  const MacAddress from = mac_at(frame, 6);
  const Ipv4Address source{long_at(packet, 12)};
  const ConstBytes message = packet.subspan(header, total - header);  // the frame may be padded
  switch (byte_at(packet, 9)) {
    case kIcmp:
      return handle_echo(from, source, message);
    case kTcp:
      return handle_tcp(from, source, message);
    default:
      return ignore(PeerIgnored::other_protocol);
  }
}

ConstBytes PeerStack::handle_echo(const MacAddress& from, Ipv4Address source, ConstBytes message) {
  if (message.size() < kIcmpHeader) return ignore(PeerIgnored::malformed);
  if (checksum(message) != 0) return ignore(PeerIgnored::bad_checksum);
  if (byte_at(message, 0) != kEchoRequest || byte_at(message, 1) != 0)
    return ignore(PeerIgnored::other_protocol);
  std::byte* out = &out_[kPayload];
  std::memcpy(out, message.data(), message.size());
  out[0] = std::byte{kEchoReply};
  store_be(out + 2, std::uint16_t{0});
  store_be(out + 2, checksum(ConstBytes(out, message.size())));
  ++echoes_;
  return write_ipv4(from, source, kIcmp, message.size());
}

ConstBytes PeerStack::handle_tcp(const MacAddress& from, Ipv4Address source, ConstBytes message) {
  if (message.size() < kTcpHeader) return ignore(PeerIgnored::malformed);
  const std::size_t header = std::size_t{4} * (byte_at(message, 12) >> 4);
  if (header < kTcpHeader || header > message.size()) return ignore(PeerIgnored::malformed);
  if (tcp_checksum(source, options_.address.address, message) != 0) return ignore(PeerIgnored::bad_checksum);
  const auto bits = byte_at(message, 13);
  TcpSegment segment;
  segment.remote_mac = from;
  segment.remote = source;
  segment.remote_port = word_at(message, 0);
  segment.local_port = word_at(message, 2);
  segment.sequence = long_at(message, 4);
  segment.acknowledged = long_at(message, 8);
  segment.flags = {.fin = (bits & kFin) != 0,
                   .syn = (bits & kSyn) != 0,
                   .reset = (bits & kReset) != 0,
                   .ack = (bits & kAck) != 0};
  segment.window = word_at(message, 14);
  segment.data_bytes = static_cast<std::uint32_t>(message.size() - header);
  if (segment.flags.syn) read_options(message.first(header).subspan(kTcpHeader), segment);
  const auto reply = tcp_.handle(segment);
  return reply ? write_tcp(*reply) : ConstBytes{};
}

ConstBytes PeerStack::write_tcp(const TcpSegment& segment) {
  std::byte* out = &out_[kPayload];
  std::size_t length = kTcpHeader;
  if (segment.segment_size) {
    store_be(out + length, static_cast<std::uint16_t>(kOptionSegmentSize << 8 | 4));
    store_be(out + length + 2, *segment.segment_size);
    length += 4;
  }
  if (segment.window_scale) {
    store_be(out + length, static_cast<std::uint32_t>(kOptionPadding << 24 | kOptionWindowScale << 16 |
                                                      3 << 8 | *segment.window_scale));
    length += 4;
  }
  store_be(out, segment.local_port);
  store_be(out + 2, segment.remote_port);
  store_be(out + 4, segment.sequence);
  store_be(out + 8, segment.acknowledged);
  store_be(out + 12, static_cast<std::uint16_t>(length / 4 << 12 | flag_bits(segment.flags)));
  store_be(out + 14, segment.window);
  store_be(out + 16, std::uint32_t{0});  // checksum, urgent pointer
  store_be(out + 16, tcp_checksum(options_.address.address, segment.remote, ConstBytes(out, length)));
  return write_ipv4(segment.remote_mac, segment.remote, kTcp, length);
}

void PeerStack::write_ethernet(const MacAddress& to, std::uint16_t type) {
  std::memcpy(&out_[0], to.bytes.data(), 6);
  std::memcpy(&out_[6], options_.mac.bytes.data(), 6);
  store_be(&out_[12], type);
}

ConstBytes PeerStack::write_ipv4(const MacAddress& to, Ipv4Address destination, std::uint8_t protocol,
                                 std::size_t length) {
  write_ethernet(to, kTypeIpv4);
  std::byte* out = &out_[kEthernet];
  store_be(out, std::uint16_t{0x4500});
  store_be(out + 2, static_cast<std::uint16_t>(kIpv4 + length));
  store_be(out + 4, ++identification_);
  store_be(out + 6, std::uint16_t{0x4000});  // don't fragment
  store_be(out + 8, static_cast<std::uint16_t>(64 << 8 | protocol));
  store_be(out + 10, std::uint16_t{0});
  store_be(out + 12, options_.address.address.bits);
  store_be(out + 16, destination.bits);
  store_be(out + 10, checksum(ConstBytes(out, kIpv4)));
  return ConstBytes(out_).first(kPayload + length);
}

}  // namespace ladon::port
