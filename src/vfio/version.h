// The opening of a vfio-user session: both sides say what they can do, as JSON in the VERSION message. The
// answer names only what the client has named, and never promises more than either side has.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "vfio/refusal.h"

namespace ladon::vfio {

inline constexpr std::uint16_t kMajorVersion = 0, kMinorVersion = 0;
// What the server can do; the values that the protocol has by default, but for the descriptors.
inline constexpr std::uint32_t kMaxDescriptors = 16;        // of one message
inline constexpr std::uint32_t kMaxTransfer = 1024 * 1024;  // bytes of one access
inline constexpr std::uint32_t kMaxDmaMaps = 65535;
inline constexpr std::uint64_t kPageBytes = 4096;
inline constexpr std::size_t kMaxVersionData = 4096;  // bytes of JSON

// Absent: the sender did not say.
struct Capabilities {
  std::optional<std::uint64_t> max_descriptors, max_transfer, max_dma_maps, page_sizes;
  std::optional<bool> write_multiple;
};

struct VersionRequest {
  std::uint16_t major = 0, minor = 0;
  bool has_data = false;
  std::optional<Capabilities> capabilities;
};
struct VersionReply {
  std::string data;  // JSON, without the NUL; empty: none
  // What both sides can do.
  std::uint64_t max_dma_maps = kMaxDmaMaps, max_transfer = kMaxTransfer;
  bool write_multiple = false;
};

// `body` is the body of a VERSION message.
[[nodiscard]] std::expected<VersionRequest, Refusal> decode_version(ConstBytes body);
// Refused if the two cannot talk.
[[nodiscard]] std::expected<VersionReply, Refusal> negotiate(const VersionRequest& request);

}  // namespace ladon::vfio
