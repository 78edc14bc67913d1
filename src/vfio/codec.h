// The messages of vfio-user 0.0, from bytes and to bytes. Pure: no I/O, no state. Everything here is little
// endian, as the hosts are. Source: QEMU, docs/interop/vfio-user.rst; structures of linux/vfio.h.
#pragma once

#include <cstdint>
#include <expected>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "vfio/device.h"
#include "vfio/refusal.h"
#include "vfio/version.h"

namespace ladon::vfio {

inline constexpr std::size_t kHeaderBytes = 16;
// Longest message either way: a region access with its data.
inline constexpr std::uint32_t kMaxMessage = kHeaderBytes + 16 + kMaxTransfer;

enum class Command : std::uint16_t {
  version = 1,
  dma_map = 2,
  dma_unmap = 3,
  get_info = 4,
  get_region_info = 5,
  get_region_io_fds = 6,
  get_irq_info = 7,
  set_irqs = 8,
  region_read = 9,
  region_write = 10,
  dma_read = 11,  // these two only ever from server to client
  dma_write = 12,
  reset = 13,
  dirty_pages = 14,
  region_write_multi = 15,
  feature = 16,
  migration_read = 17,
  migration_write = 18,
};

struct Header {
  std::uint16_t id = 0;
  std::uint16_t command = 0;  // any number: see Command
  std::uint32_t size = 0;     // of the whole message, in bytes
  std::uint32_t flags = 0;
  std::uint32_t error = 0;

  static constexpr std::uint32_t kTypeMask = 0xF, kCommand = 0, kReply = 1, kNoReply = 0x10, kError = 0x20;
  [[nodiscard]] constexpr std::uint32_t type() const { return flags & kTypeMask; }
  [[nodiscard]] constexpr bool wants_reply() const { return type() == kCommand && (flags & kNoReply) == 0; }
};

// ---- what a client asks
struct DmaMapRequest {
  std::uint32_t flags = 0;  // bit 0 read, bit 1 write: others are refused
  std::uint64_t file_offset = 0, address = 0, size = 0;
};
struct DmaUnmapRequest {
  bool all = false;  // then address and size are 0
  std::uint64_t address = 0, size = 0;
};
struct InfoRequest {};
struct RegionInfoRequest {
  std::uint32_t argsz = 0;  // how many bytes of reply the client has room for
  std::uint32_t index = 0;
};
struct IrqInfoRequest {
  std::uint32_t index = 0;
};
struct SetIrqsRequest {
  enum class Data : std::uint8_t { none, boolean, eventfd };
  enum class Action : std::uint8_t { mask, unmask, trigger };
  Data data{};
  Action action{};
  std::uint32_t index = 0, start = 0, count = 0;
  ConstBytes booleans;  // `count` bytes if data is boolean; views the message
};
struct RegionReadRequest {
  std::uint64_t offset = 0;
  std::uint32_t region = 0, count = 0;
};
struct RegionWriteRequest {
  std::uint64_t offset = 0;
  std::uint32_t region = 0;
  ConstBytes data;  // views the message
};
struct WriteMultiRequest {
  std::uint64_t count = 0;
  ConstBytes writes;  // views the message
  // Nullopt if that write says that it has more than 8 bytes.
  [[nodiscard]] std::optional<RegionWriteRequest> at(std::uint64_t i) const;
};
struct ResetRequest {};

using Request = std::variant<VersionRequest, DmaMapRequest, DmaUnmapRequest, InfoRequest, RegionInfoRequest,
                             IrqInfoRequest, SetIrqsRequest, RegionReadRequest, RegionWriteRequest,
                             WriteMultiRequest, ResetRequest>;

// `bytes` are the first 16 of a message. The size is checked: kHeaderBytes to kMaxMessage.
[[nodiscard]] std::expected<Header, Refusal> decode_header(std::span<const std::byte, kHeaderBytes> bytes);
// `body` is what follows the header of a command. Never allocates, but for VERSION.
[[nodiscard]] std::expected<Request, Refusal> decode_request(const Header& header, ConstBytes body);

// ---- what the server answers. Each puts one whole message into `out`, which keeps its memory from one
// message to the next; `to` is the header of the request.
using MessageBuffer = std::vector<std::byte>;

void encode_error(const Header& to, Error error, MessageBuffer& out);
void encode_empty(const Header& to, MessageBuffer& out);
void encode_version(const Header& to, const VersionReply& version, MessageBuffer& out);
void encode_unmapped(const Header& to, const DmaUnmapRequest& request, MessageBuffer& out);
void encode_info(const Header& to, const DeviceInfo& info, MessageBuffer& out);
// If `request.argsz` has no room for the capabilities, the answer says how much it takes and has none.
void encode_region_info(const Header& to, const RegionInfoRequest& request, const RegionInfo& info,
                        MessageBuffer& out);
void encode_irq_info(const Header& to, std::uint32_t index, const IrqInfo& info, MessageBuffer& out);
// The place of the data that was read: `request.count` bytes in `out`.
[[nodiscard]] Bytes encode_region_read(const Header& to, const RegionReadRequest& request,
                                       MessageBuffer& out);
void encode_region_written(const Header& to, const RegionWriteRequest& request, MessageBuffer& out);
void encode_writes_done(const Header& to, std::uint64_t done, MessageBuffer& out);

}  // namespace ladon::vfio
