#include "nic/offload/checksum.h"

#include <array>

#include "spec/descriptor.h"

namespace ladon::nic::offload {
namespace {

constexpr std::size_t kIpv4Header = 20, kIpChecksum = 10;

// Where the checksum field lies within the transport header.
[[nodiscard]] std::size_t field_offset(Transport transport) {
  switch (transport) {
    case Transport::tcp:
      return 16;
    case Transport::udp:
      return 6;
    case Transport::sctp:
    case Transport::none:
      break;
  }
  return 8;
}
[[nodiscard]] std::size_t field_width(Transport transport) {
  return transport == Transport::sctp ? 4 : 2;
}

[[nodiscard]] OffloadFlaw check(const ChecksumRequest& request, std::size_t available) {
  if (request.link_length < kEthernetHeader || request.link_length > available)
    return OffloadFlaw::link_length;
  const std::size_t transport = std::size_t{request.link_length} + request.network_length;
  if (transport > available || (request.ip && request.network_length < kIpv4Header))
    return OffloadFlaw::network_length;
  if (request.transport != Transport::none &&
      transport + field_offset(request.transport) + field_width(request.transport) > available)
    return OffloadFlaw::transport_length;
  return OffloadFlaw::none;
}

void insert_ip(const ChecksumRequest& request, Bytes snapshot) {
  const Bytes header = snapshot.subspan(request.link_length, request.network_length);
  store_be(&header[kIpChecksum], sum_of(header).checksum());
}

void insert_sum(const ChecksumRequest& request, Bytes snapshot, const InternetSum& rest) {
  const Bytes layer = snapshot.subspan(std::size_t{request.link_length} + request.network_length);
  InternetSum sum = sum_of(layer);
  sum.add(rest);
  std::uint16_t value = sum.checksum();
  // RFC 768: zero would say that there is no checksum.
  if (value == 0 && request.transport == Transport::udp) value = 0xFFFF;
  store_be(&layer[field_offset(request.transport)], value);
}

void insert_crc(const ChecksumRequest& request, Bytes snapshot, Rest rest) {
  const Bytes layer = snapshot.subspan(std::size_t{request.link_length} + request.network_length);
  std::byte* const field = &layer[field_offset(Transport::sctp)];
  store_le(field, std::uint32_t{0});
  Crc32c crc;
  crc.add(layer);
  for (const ConstBytes piece : rest) crc.add(piece);
  store_le(field, crc.value());
}

// Calls add(piece) for the bytes from `from` to `end` of a frame; false if the frame has not that many.
template <class Add>
[[nodiscard]] bool each_piece(std::size_t from, std::size_t end, ConstBytes snapshot, Rest rest, Add add) {
  const std::size_t known = std::min(end, snapshot.size());
  add(snapshot.subspan(from, known - from));
  std::size_t left = end - known;
  for (const ConstBytes piece : rest) {
    if (left == 0) break;
    const std::size_t part = std::min(left, piece.size());
    add(piece.first(part));
    left -= part;
  }
  return left == 0;
}

void verify_sum(const FrameHeaders& headers, ConstBytes snapshot, Rest rest, ChecksumStatus& status) {
  const std::size_t at = headers.transport_offset;
  std::size_t end = headers.network_end;
  if (headers.transport == Transport::udp) {
    if (load_be<std::uint16_t>(&snapshot[at + field_offset(Transport::udp)]) == 0) return;
    end = at + load_be<std::uint16_t>(&snapshot[at + 4]);
  }
  InternetSum sum = pseudo_header(headers, snapshot, static_cast<std::uint32_t>(end - at));
  if (!each_piece(at, end, snapshot, rest, [&](ConstBytes piece) { sum.add(piece); })) return;
  status.transport_checked = true;
  status.transport_wrong = sum.checksum() != 0;
}

void verify_crc(const FrameHeaders& headers, ConstBytes snapshot, Rest rest, ChecksumStatus& status) {
  const std::size_t at = headers.transport_offset, field = at + field_offset(Transport::sctp);
  constexpr std::array<std::byte, 4> kZero{};
  Crc32c crc;
  crc.add(snapshot.subspan(at, field - at));
  crc.add(kZero);
  if (!each_piece(field + 4, headers.network_end, snapshot, rest, [&](ConstBytes piece) { crc.add(piece); }))
    return;
  status.transport_checked = true;
  status.transport_wrong = crc.value() != load_le<std::uint32_t>(&snapshot[field]);
}

}  // namespace

std::string_view name(OffloadFlaw flaw) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(OffloadFlaw::count_)> kNames{
      "none",         "link_length",    "network_length", "transport_length",
      "segment_size", "payload_length", "protocol"};
  return flaw < OffloadFlaw::count_ ? kNames[static_cast<std::size_t>(flaw)] : "unknown";
}

std::expected<void, OffloadFlaw> insert_checksums(const ChecksumRequest& request, Bytes snapshot, Rest rest) {
  if (const OffloadFlaw flaw = check(request, snapshot.size()); flaw != OffloadFlaw::none)
    return std::unexpected(flaw);
  if (request.ip) insert_ip(request, snapshot);
  if (request.transport == Transport::sctp) {
    insert_crc(request, snapshot, rest);
  } else if (request.transport != Transport::none) {
    InternetSum sum;
    for (const ConstBytes piece : rest) sum.add(piece);
    insert_sum(request, snapshot, sum);
  }
  return {};
}

std::expected<void, OffloadFlaw> insert_checksums(const ChecksumRequest& request, Bytes snapshot,
                                                  const InternetSum& rest) {
  if (request.transport == Transport::sctp) return std::unexpected(OffloadFlaw::protocol);
  if (const OffloadFlaw flaw = check(request, snapshot.size()); flaw != OffloadFlaw::none)
    return std::unexpected(flaw);
  if (request.ip) insert_ip(request, snapshot);
  if (request.transport != Transport::none) insert_sum(request, snapshot, rest);
  return {};
}

InternetSum pseudo_header(const FrameHeaders& headers, ConstBytes snapshot, std::uint32_t transport_length) {
  InternetSum sum;
  const std::size_t at = headers.network_offset;
  if (headers.network == Network::ipv4) sum.add(snapshot.subspan(at + 12, 8));
  if (headers.network == Network::ipv6) sum.add(snapshot.subspan(at + 8, 32));
  sum.add_word(headers.protocol);
  sum.add_word(static_cast<std::uint16_t>(transport_length >> 16));
  sum.add_word(static_cast<std::uint16_t>(transport_length));
  return sum;
}

ChecksumStatus verify_ip_checksum(const FrameHeaders& headers, ConstBytes snapshot) {
  ChecksumStatus status;
  if (headers.network != Network::ipv4) return status;
  // Five words or a few more: too short for the general sum. All ones is right in either byte order.
  std::uint64_t sum = 0;
  for (std::size_t at = headers.network_offset; at < headers.transport_offset; at += 4)
    sum += load_le<std::uint32_t>(&snapshot[at]);
  sum = (sum & 0xFFFF'FFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  status.ip_checked = true;
  status.ip_wrong = sum != 0xFFFF;
  return status;
}

ChecksumStatus verify_checksums(const FrameHeaders& headers, ConstBytes snapshot, Rest rest) {
  ChecksumStatus status = verify_ip_checksum(headers, snapshot);
  status.udp = headers.transport == Transport::udp;
  if (headers.transport == Transport::sctp)
    verify_crc(headers, snapshot, rest, status);
  else if (headers.transport != Transport::none)
    verify_sum(headers, snapshot, rest, status);
  return status;
}

std::uint32_t status_bits(const ChecksumStatus& status) {
  namespace descriptor = spec::descriptor;
  std::uint32_t bits = 0;
  if (status.ip_checked) bits |= descriptor::kRxIpChecked;
  if (status.ip_wrong) bits |= descriptor::kRxIpError;
  if (status.transport_checked) bits |= descriptor::kRxL4Checked;
  if (status.transport_checked && status.udp) bits |= descriptor::kRxUdpChecked;
  if (status.transport_wrong) bits |= descriptor::kRxL4Error;
  return bits;
}

}  // namespace ladon::nic::offload
