#include "nic/offload/coalesce.h"

#include <cstring>

#include "nic/offload/sum.h"

namespace ladon::nic::offload {

namespace {

constexpr std::size_t kIp = kEthernetHeader;
// Within the IPv4 and the IPv6 header (RFC 791, RFC 8200).
constexpr std::size_t kTotalLength = 2, kFragment = 6, kChecksum = 10;
constexpr std::size_t kPayloadLength = 4, kNextHeader = 6;
constexpr std::size_t kIpv4Header = 20, kIpv6Header = 40;
// Within the TCP header (RFC 9293, RFC 7323).
constexpr std::size_t kSequence = 4, kAcknowledged = 8, kOffset = 12, kFlags = 13, kWindow = 14, kUrgent = 18,
                      kTcpHeader = 20, kTimestamps = 12;
constexpr std::uint32_t kTimestampOption = 0x0101'080A;  // two NOPs, kind 8, 10 bytes
constexpr auto kAck = std::byte{0x10}, kPush = std::byte{0x08};
constexpr std::uint32_t kLongestIp = 65535;

}  // namespace

std::optional<Segment> coalescible(const FrameHeaders& headers, ConstBytes head, std::uint32_t length) {
  // A whole, plain packet that fills the frame, and carries something.
  if (headers.transport != Transport::tcp || headers.network_offset != kIp || headers.extended ||
      headers.network_end != length || headers.payload_offset >= length)
    return std::nullopt;
  const std::size_t at = headers.transport_offset, size = headers.payload_offset - at;
  const std::byte* const tcp = head.data() + at;
  const std::byte flags = tcp[kFlags];
  if ((flags & ~kPush) != kAck || (tcp[kOffset] & std::byte{0x0F}) != std::byte{0} ||
      load_be<std::uint16_t>(tcp + kUrgent) != 0)
    return std::nullopt;
  const bool stamped = size == kTcpHeader + kTimestamps;
  if (size != kTcpHeader && !(stamped && load_be<std::uint32_t>(tcp + kTcpHeader) == kTimestampOption))
    return std::nullopt;
  return Segment{.header = headers.payload_offset,
                 .transport = headers.transport_offset,
                 .payload = length - headers.payload_offset,
                 .sequence = load_be<std::uint32_t>(tcp + kSequence),
                 .acknowledged = load_be<std::uint32_t>(tcp + kAcknowledged),
                 .push = (flags & kPush) != std::byte{0},
                 .stamped = stamped,
                 .ipv6 = headers.network == Network::ipv6};
}

void Run::begin(ConstBytes head, const Segment& segment) {
  std::memcpy(headers_.data(), head.data(), segment.header);
  first_ = segment;
  segments_ = 1;
  payload_ = segment.payload;
  next_ = segment.sequence + segment.payload;
  acknowledged_ = segment.acknowledged;
}

// Everything is equal that is neither a length, a checksum, an identification nor the TCP's own progress.
bool Run::same_flow(ConstBytes head) const {
  const auto same = [&](std::size_t from, std::size_t to) {
    return std::memcmp(headers_.data() + from, head.data() + from, to - from) == 0;
  };
  const std::size_t ports = first_.transport;
  if (!same(0, kIp) || !same(ports, ports + kSequence)) return false;
  if (first_.ipv6) return same(kIp, kIp + kPayloadLength) && same(kIp + kNextHeader, ports);
  return same(kIp, kIp + kTotalLength) && same(kIp + kFragment, kIp + kChecksum) &&
         same(kIp + kChecksum + 2, ports);
}

bool Run::continues(ConstBytes head, const Segment& segment) const {
  const bool fits = first_.header - kIp + payload_ + segment.payload <= kLongestIp;
  return segment.header == first_.header && segment.transport == first_.transport &&
         segment.stamped == first_.stamped && segment.sequence == next_ &&
         static_cast<std::int32_t>(segment.acknowledged - acknowledged_) >= 0 && fits && same_flow(head);
}

void Run::add(ConstBytes head, const Segment& segment) {
  std::byte* const mine = headers_.data() + first_.transport;
  const std::byte* const theirs = head.data() + first_.transport;
  std::memcpy(mine + kAcknowledged, theirs + kAcknowledged, 4);
  std::memcpy(mine + kFlags, theirs + kFlags, 1);
  std::memcpy(mine + kWindow, theirs + kWindow, 2);
  if (first_.stamped) std::memcpy(mine + kTcpHeader, theirs + kTcpHeader, kTimestamps);
  ++segments_;
  payload_ += segment.payload;
  next_ += segment.payload;
  acknowledged_ = segment.acknowledged;
}

ConstBytes Run::headers() {
  std::byte* const ip = headers_.data() + kIp;
  const auto length = static_cast<std::uint16_t>(first_.header - kIp + payload_);
  if (first_.ipv6) {
    store_be(ip + kPayloadLength, static_cast<std::uint16_t>(length - kIpv6Header));
  } else {
    store_be(ip + kTotalLength, length);
    store_be(ip + kChecksum, std::uint16_t{0});
    store_be(ip + kChecksum, sum_of(ConstBytes(ip, kIpv4Header)).checksum());
  }
  return ConstBytes(headers_).first(first_.header);
}

}  // namespace ladon::nic::offload
