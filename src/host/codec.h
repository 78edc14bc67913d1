// The messages of this room as bytes, so that a bridge can cross a socket. Little endian, versioned, bounded.
//
//   0  u32 magic "LHBR"     8  u64 epoch
//   4  u16 version         16  u64 id (of the request that is asked or answered; 0 otherwise)
//   6  u8  kind, u8 type   24  body: the fields of the message in their order
//
// Decoding accepts exactly what encoding makes: no bytes may be missing and none may follow.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "host/messages.h"

namespace ladon::host {

inline constexpr std::uint32_t kCodecMagic = 0x5242'484C;  // "LHBR"
inline constexpr std::uint16_t kCodecVersion = 2;
inline constexpr std::size_t kHeaderSize = 24;
inline constexpr std::size_t kMaxMessage = kHeaderSize + 64 + kMaxBulk;  // bytes
// Requests that a client leaves unanswered at a time; what it asks beyond them waits at its side.
inline constexpr std::size_t kMaxOpen = 256;
inline constexpr std::size_t kMaxReason = 256;  // bytes of Fault::reason

// The client's first message: it takes the host over with this epoch.
struct Hello {
  Epoch epoch{};
};
// The answer: `accepted` says whether; `newest` is the newest epoch that the server knows.
struct Welcome {
  Epoch newest{};
  bool accepted = false;
};
struct RequestMessage {
  std::uint64_t id = 0;
  Epoch epoch{};
  Request request;
};
struct ResponseMessage {
  std::uint64_t id = 0;
  Result result;
};
struct EventMessage {
  Event event;
};
using Message = std::variant<Hello, Welcome, RequestMessage, ResponseMessage, EventMessage>;

enum class CodecError : std::uint8_t {
  truncated,
  trailing_bytes,
  bad_magic,
  bad_version,
  unknown_kind,
  unknown_type,
  out_of_bounds,  // a length, an enumerator or a range that no message may have
  descriptor,     // a file descriptor came with a message that carries none, or is missing
  count_
};
[[nodiscard]] std::string_view name(CodecError error);

// What is too long for its bound is cut (a reason) or makes the message undecodable (bulk bytes).
[[nodiscard]] std::vector<std::byte> encode(const Message& message);
// The descriptor that travels beside the bytes, -1 if none does.
[[nodiscard]] int descriptor_of(const Message& message);
// `fd` is the descriptor that came with the bytes, -1 if none; it stays the caller's.
[[nodiscard]] std::expected<Message, CodecError> decode(ConstBytes bytes, int fd = -1);

}  // namespace ladon::host
