#include "vhost/codec.h"

namespace ladon::vhost {

namespace {

namespace wire = spec::vhost_user;
using Decoded = std::expected<Request, Refusal>;

[[nodiscard]] std::uint32_t u32(ConstBytes payload, std::size_t at) {
  return load_le<std::uint32_t>(payload.data() + at);
}
[[nodiscard]] std::uint64_t u64(ConstBytes payload, std::size_t at) {
  return load_le<std::uint64_t>(payload.data() + at);
}

// A request whose payload has `length` bytes, made by `make`.
template <class Make>
[[nodiscard]] Decoded exactly(ConstBytes payload, std::size_t length, Make make) {
  if (payload.size() != length) return std::unexpected(Refusal::bad_length);
  return make();
}

template <class Nothing>
[[nodiscard]] Decoded empty(ConstBytes payload) {
  return exactly(payload, 0, [] { return Nothing{}; });
}
template <class Value>
[[nodiscard]] Decoded value(ConstBytes payload) {
  return exactly(payload, 8, [&] { return Value{u64(payload, 0)}; });
}
template <class State>
[[nodiscard]] Decoded state(ConstBytes payload) {
  return exactly(payload, wire::kVringStateBytes, [&] { return State{u32(payload, 0), u32(payload, 4)}; });
}

[[nodiscard]] Decoded event(ConstBytes payload, VringEvent which) {
  return exactly(payload, 8, [&] {
    const std::uint64_t bits = u64(payload, 0);
    return SetVringEvent{which, static_cast<std::uint32_t>(bits & wire::kVringIndexMask),
                         (bits & wire::kVringNoDescriptor) != 0};
  });
}

[[nodiscard]] Decoded decode_addresses(ConstBytes payload) {
  return exactly(payload, wire::kVringAddressBytes, [&] {
    return SetVringAddr{.queue = u32(payload, 0),
                        .flags = u32(payload, 4),
                        .descriptors = u64(payload, 8),
                        .used = u64(payload, 16),
                        .available = u64(payload, 24)};
  });
}

// Front ends send the regions they have, or room for eight.
[[nodiscard]] Decoded decode_memory(ConstBytes payload) {
  if (payload.size() < 8) return std::unexpected(Refusal::bad_length);
  SetMemTable table{.count = u32(payload, 0)};
  if (table.count > wire::kMaxRegions) return std::unexpected(Refusal::memory_regions);
  if ((payload.size() - 8) % wire::kRegionBytes != 0 ||
      (payload.size() - 8) / wire::kRegionBytes < table.count)
    return std::unexpected(Refusal::bad_length);
  for (std::size_t i = 0; i < table.count; ++i) {
    const ConstBytes one = payload.subspan(8 + i * wire::kRegionBytes, wire::kRegionBytes);
    table.regions[i] = {u64(one, 0), u64(one, 8), u64(one, 16), u64(one, 24)};
  }
  return table;
}

[[nodiscard]] Answer answer(const Header& to) {
  Answer bytes{};
  store_le(bytes.data(), to.request);
  store_le(bytes.data() + 4, wire::kVersion | wire::kReply);
  store_le(bytes.data() + 8, std::uint32_t{8});
  return bytes;
}

}  // namespace

std::expected<Header, Refusal> decode_header(std::span<const std::byte, kHeaderBytes> bytes) {
  const Header header{u32(bytes, 0), u32(bytes, 4), u32(bytes, 8)};
  if ((header.flags & wire::kVersionMask) != wire::kVersion) return std::unexpected(Refusal::bad_version);
  if (header.size > kMaxPayload) return std::unexpected(Refusal::message_too_long);
  return header;
}

std::expected<Request, Refusal> decode_request(const Header& header, ConstBytes payload) {
  using Kind = wire::Request;
  switch (static_cast<Kind>(header.request)) {
    case Kind::get_features:
      return empty<GetFeatures>(payload);
    case Kind::set_features:
      return value<SetFeatures>(payload);
    case Kind::set_owner:
      return empty<SetOwner>(payload);
    case Kind::reset_owner:
      return empty<ResetOwner>(payload);
    case Kind::set_mem_table:
      return decode_memory(payload);
    case Kind::set_vring_num:
      return state<SetVringNum>(payload);
    case Kind::set_vring_addr:
      return decode_addresses(payload);
    case Kind::set_vring_base:
      return state<SetVringBase>(payload);
    case Kind::get_vring_base:
      return exactly(payload, wire::kVringStateBytes, [&] { return GetVringBase{u32(payload, 0)}; });
    case Kind::set_vring_kick:
      return event(payload, VringEvent::kick);
    case Kind::set_vring_call:
      return event(payload, VringEvent::call);
    case Kind::set_vring_err:
      return event(payload, VringEvent::error);
    case Kind::get_protocol_features:
      return empty<GetProtocolFeatures>(payload);
    case Kind::set_protocol_features:
      return value<SetProtocolFeatures>(payload);
    case Kind::get_queue_num:
      return empty<GetQueueNum>(payload);
    case Kind::set_vring_enable:
      return state<SetVringEnable>(payload);
    case Kind::reset_device:
      return empty<ResetDevice>(payload);
    case Kind::set_status:
      return value<SetStatus>(payload);
    case Kind::get_status:
      return empty<GetStatus>(payload);
    case Kind::set_log_base:
    case Kind::set_log_fd:
    case Kind::send_rarp:
    case Kind::net_set_mtu:
    case Kind::set_backend_req_fd:
    case Kind::iotlb_msg:
    case Kind::set_vring_endian:
    case Kind::get_config:
    case Kind::set_config:
      return std::unexpected(Refusal::request_unsupported);
  }
  return std::unexpected(Refusal::request_unknown);
}

bool always_answered(const Header& header) {
  using Kind = wire::Request;
  switch (static_cast<Kind>(header.request)) {
    case Kind::get_features:
    case Kind::get_protocol_features:
    case Kind::get_queue_num:
    case Kind::get_vring_base:
    case Kind::get_status:
    case Kind::get_config:
    case Kind::iotlb_msg:
      return true;
    default:
      return false;
  }
}

Answer encode_u64(const Header& to, std::uint64_t value) {
  Answer bytes = answer(to);
  store_le(bytes.data() + kHeaderBytes, value);
  return bytes;
}

Answer encode_vring_state(const Header& to, std::uint32_t queue, std::uint32_t number) {
  Answer bytes = answer(to);
  store_le(bytes.data() + kHeaderBytes, queue);
  store_le(bytes.data() + kHeaderBytes + 4, number);
  return bytes;
}

}  // namespace ladon::vhost
