// The messages of vhost-user, from bytes and to bytes. Pure: no I/O, no state. Source: QEMU,
// docs/interop/vhost-user.rst, "Message Specification" and "Front-end message types".
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <variant>

#include "base/bytes.h"
#include "spec/vhost_user.h"
#include "vhost/refusal.h"

namespace ladon::vhost {

using spec::vhost_user::kHeaderBytes;
// Of a payload. The longest that is understood has 264 bytes; what is longer and not understood is read and
// refused, up to here.
inline constexpr std::uint32_t kMaxPayload = 4096;

struct Header {
  std::uint32_t request = 0;  // any number: see spec::vhost_user::Request
  std::uint32_t flags = 0;
  std::uint32_t size = 0;  // of the payload, in bytes

  [[nodiscard]] constexpr bool is_reply() const { return (flags & spec::vhost_user::kReply) != 0; }
  [[nodiscard]] constexpr bool needs_reply() const { return (flags & spec::vhost_user::kNeedReply) != 0; }
};

struct GetFeatures {};
struct SetFeatures {
  std::uint64_t features = 0;
};
struct GetProtocolFeatures {};
struct SetProtocolFeatures {
  std::uint64_t features = 0;
};
struct SetOwner {};
struct ResetOwner {};
struct GetQueueNum {};
struct ResetDevice {};
struct SetStatus {
  std::uint64_t status = 0;
};
struct GetStatus {};

struct MemoryRegion {
  std::uint64_t guest_address = 0, size = 0, user_address = 0, file_offset = 0;
  constexpr bool operator==(const MemoryRegion&) const = default;
};
struct SetMemTable {
  std::uint32_t count = 0;  // of regions, at most kMaxRegions
  std::array<MemoryRegion, spec::vhost_user::kMaxRegions> regions{};
};

struct SetVringNum {
  std::uint32_t queue = 0, size = 0;
};
struct SetVringBase {
  std::uint32_t queue = 0, base = 0;
};
struct GetVringBase {
  std::uint32_t queue = 0;
};
struct SetVringEnable {
  std::uint32_t queue = 0, enable = 0;
};
struct SetVringAddr {
  std::uint32_t queue = 0, flags = 0;
  // In the front end's own address space.
  std::uint64_t descriptors = 0, used = 0, available = 0;
};
// An eventfd goes along unless `none`.
enum class VringEvent : std::uint8_t { kick, call, error };
struct SetVringEvent {
  VringEvent event{};
  std::uint32_t queue = 0;
  bool none = false;
};

using Request =
    std::variant<GetFeatures, SetFeatures, GetProtocolFeatures, SetProtocolFeatures, SetOwner, ResetOwner,
                 GetQueueNum, ResetDevice, SetStatus, GetStatus, SetMemTable, SetVringNum, SetVringBase,
                 GetVringBase, SetVringEnable, SetVringAddr, SetVringEvent>;

// Refused if no payload of such a message can be followed.
[[nodiscard]] std::expected<Header, Refusal> decode_header(std::span<const std::byte, kHeaderBytes> bytes);
// `payload` is what follows the header.
[[nodiscard]] std::expected<Request, Refusal> decode_request(const Header& header, ConstBytes payload);
// The front end waits for an answer to this request, whatever was agreed on: it cannot be left without one.
[[nodiscard]] bool always_answered(const Header& header);

// Every answer here has eight bytes.
using Answer = std::array<std::byte, kHeaderBytes + 8>;
[[nodiscard]] Answer encode_u64(const Header& to, std::uint64_t value);
[[nodiscard]] Answer encode_vring_state(const Header& to, std::uint32_t queue, std::uint32_t number);

}  // namespace ladon::vhost
