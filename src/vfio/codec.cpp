#include "vfio/codec.h"

#include <bit>

namespace ladon::vfio {

namespace {

using Decoded = std::expected<Request, Refusal>;

[[nodiscard]] std::uint32_t u32(ConstBytes body, std::size_t at) {
  return load_le<std::uint32_t>(body.data() + at);
}
[[nodiscard]] std::uint64_t u64(ConstBytes body, std::size_t at) {
  return load_le<std::uint64_t>(body.data() + at);
}
[[nodiscard]] Decoded refuse(Refusal reason) {
  return std::unexpected(reason);
}

// A structure that begins with argsz may have grown since 0.0: what is longer is fine, what is shorter is
// not.
[[nodiscard]] std::optional<Refusal> check_grown(ConstBytes body, std::uint32_t fixed) {
  if (body.size() < fixed) return Refusal::bad_length;
  if (u32(body, 0) < fixed) return Refusal::bad_argsz;
  return std::nullopt;
}

[[nodiscard]] Decoded decode_dma_map(ConstBytes body) {
  constexpr std::uint32_t kRead = 1, kWrite = 2;  // VFIO_DMA_MAP_FLAG_*
  if (const auto bad = check_grown(body, 32)) return refuse(*bad);
  const DmaMapRequest map{u32(body, 4), u64(body, 8), u64(body, 16), u64(body, 24)};
  if (map.flags == 0 || (map.flags & ~(kRead | kWrite)) != 0) return refuse(Refusal::bad_flags);
  return map;
}

[[nodiscard]] Decoded decode_dma_unmap(ConstBytes body) {
  constexpr std::uint32_t kAll = 2;  // VFIO_DMA_UNMAP_FLAG_ALL; bit 0 asks for a bitmap of dirty pages
  if (const auto bad = check_grown(body, 24)) return refuse(*bad);
  const std::uint32_t flags = u32(body, 4);
  const DmaUnmapRequest unmap{flags == kAll, u64(body, 8), u64(body, 16)};
  if (flags != 0 && flags != kAll) return refuse(Refusal::bad_flags);
  if (unmap.all && (unmap.address != 0 || unmap.size != 0)) return refuse(Refusal::bad_flags);
  return unmap;
}

[[nodiscard]] Decoded decode_info(ConstBytes body) {
  if (const auto bad = check_grown(body, 16)) return refuse(*bad);
  return InfoRequest{};
}

[[nodiscard]] Decoded decode_region_info(ConstBytes body) {
  if (const auto bad = check_grown(body, 32)) return refuse(*bad);
  return RegionInfoRequest{u32(body, 0), u32(body, 8)};
}

[[nodiscard]] Decoded decode_irq_info(ConstBytes body) {
  if (const auto bad = check_grown(body, 16)) return refuse(*bad);
  return IrqInfoRequest{u32(body, 8)};
}

[[nodiscard]] Decoded decode_set_irqs(ConstBytes body) {
  constexpr std::uint32_t kFixed = 20, kDataMask = 0x07, kActionMask = 0x38;  // VFIO_IRQ_SET_*
  if (const auto bad = check_grown(body, kFixed)) return refuse(*bad);
  const std::uint32_t flags = u32(body, 4), data = flags & kDataMask, action = flags & kActionMask;
  if (flags != (data | action) || std::popcount(data) != 1 || std::popcount(action) != 1)
    return refuse(Refusal::bad_flags);
  SetIrqsRequest set{.data = static_cast<SetIrqsRequest::Data>(std::countr_zero(data)),
                     .action = static_cast<SetIrqsRequest::Action>(std::countr_zero(action >> 3)),
                     .index = u32(body, 8),
                     .start = u32(body, 12),
                     .count = u32(body, 16),
                     .booleans = {}};
  if (set.data == SetIrqsRequest::Data::boolean) {
    if (body.size() - kFixed < set.count) return refuse(Refusal::bad_length);
    if (u32(body, 0) - kFixed < set.count) return refuse(Refusal::bad_argsz);
    set.booleans = body.subspan(kFixed, set.count);
  }
  return set;
}

[[nodiscard]] Decoded decode_region_read(ConstBytes body) {
  if (body.size() != 16) return refuse(Refusal::bad_length);
  return RegionReadRequest{u64(body, 0), u32(body, 8), u32(body, 12)};
}

[[nodiscard]] Decoded decode_region_write(ConstBytes body) {
  if (body.size() < 16 || u32(body, 12) != body.size() - 16) return refuse(Refusal::bad_length);
  return RegionWriteRequest{u64(body, 0), u32(body, 8), body.subspan(16)};
}

constexpr std::size_t kOneWrite = 24, kMostData = 8;

[[nodiscard]] Decoded decode_write_multi(ConstBytes body) {
  if (body.size() < 8 || (body.size() - 8) % kOneWrite != 0) return refuse(Refusal::bad_length);
  const WriteMultiRequest multi{u64(body, 0), body.subspan(8)};
  if (multi.count != multi.writes.size() / kOneWrite) return refuse(Refusal::bad_length);
  return multi;
}

// Begins a reply with room for `body` bytes after the header, all zero; returns that room.
Bytes begin(const Header& to, std::size_t body, MessageBuffer& out, std::uint32_t flags = Header::kReply,
            std::uint32_t error = 0) {
  out.assign(kHeaderBytes + body, std::byte{0});
  store_le(out.data(), to.id);
  store_le(out.data() + 2, to.command);
  store_le(out.data() + 4, static_cast<std::uint32_t>(out.size()));
  store_le(out.data() + 8, flags);
  store_le(out.data() + 12, error);
  return Bytes(out).subspan(kHeaderBytes);
}

}  // namespace

std::expected<Header, Refusal> decode_header(std::span<const std::byte, kHeaderBytes> bytes) {
  const Header header{load_le<std::uint16_t>(bytes.data()), load_le<std::uint16_t>(bytes.data() + 2),
                      u32(bytes, 4), u32(bytes, 8), u32(bytes, 12)};
  if (header.size < kHeaderBytes) return std::unexpected(Refusal::message_too_short);
  if (header.size > kMaxMessage) return std::unexpected(Refusal::message_too_long);
  return header;
}

std::optional<RegionWriteRequest> WriteMultiRequest::at(std::uint64_t i) const {
  const ConstBytes one = writes.subspan(i * kOneWrite, kOneWrite);
  const std::uint32_t length = u32(one, 12);
  if (length > kMostData) return std::nullopt;
  return RegionWriteRequest{u64(one, 0), u32(one, 8), one.subspan(16, length)};
}

std::expected<Request, Refusal> decode_request(const Header& header, ConstBytes body) {
  switch (static_cast<Command>(header.command)) {
    case Command::version:
      return decode_version(body);
    case Command::dma_map:
      return decode_dma_map(body);
    case Command::dma_unmap:
      return decode_dma_unmap(body);
    case Command::get_info:
      return decode_info(body);
    case Command::get_region_info:
      return decode_region_info(body);
    case Command::get_irq_info:
      return decode_irq_info(body);
    case Command::set_irqs:
      return decode_set_irqs(body);
    case Command::region_read:
      return decode_region_read(body);
    case Command::region_write:
      return decode_region_write(body);
    case Command::region_write_multi:
      return decode_write_multi(body);
    case Command::reset:
      if (!body.empty()) return refuse(Refusal::bad_length);
      return ResetRequest{};
    case Command::get_region_io_fds:
    case Command::dma_read:
    case Command::dma_write:
    case Command::dirty_pages:
    case Command::feature:
    case Command::migration_read:
    case Command::migration_write:
      return refuse(Refusal::command_unsupported);
  }
  return refuse(Refusal::command_unknown);
}

void encode_error(const Header& to, Error error, MessageBuffer& out) {
  begin(to, 0, out, Header::kReply | Header::kError, static_cast<std::uint32_t>(errno_of(error)));
}

void encode_empty(const Header& to, MessageBuffer& out) {
  begin(to, 0, out);
}

void encode_version(const Header& to, const VersionReply& version, MessageBuffer& out) {
  const std::size_t data = version.data.empty() ? 0 : version.data.size() + 1;  // its NUL is there already
  const Bytes body = begin(to, 4 + data, out);
  store_le(body.data(), kMajorVersion);
  store_le(body.data() + 2, kMinorVersion);
  if (data != 0) std::memcpy(body.data() + 4, version.data.data(), version.data.size());
}

void encode_unmapped(const Header& to, const DmaUnmapRequest& request, MessageBuffer& out) {
  constexpr std::uint32_t kSize = 24;
  const Bytes body = begin(to, kSize, out);
  store_le(body.data(), kSize);
  store_le(body.data() + 4, std::uint32_t{request.all ? 2U : 0U});
  store_le(body.data() + 8, request.address);
  store_le(body.data() + 16, request.size);
}

void encode_info(const Header& to, const DeviceInfo& info, MessageBuffer& out) {
  constexpr std::uint32_t kSize = 16, kReset = 1, kPci = 2;  // VFIO_DEVICE_FLAGS_*
  const Bytes body = begin(to, kSize, out);
  store_le(body.data(), kSize);
  store_le(body.data() + 4, kPci | (info.resettable ? kReset : 0));
  store_le(body.data() + 8, info.regions);
  store_le(body.data() + 12, info.irqs);
}

void encode_region_info(const Header& to, const RegionInfoRequest& request, const RegionInfo& info,
                        MessageBuffer& out) {
  constexpr std::uint32_t kFixed = 32, kRead = 1, kWrite = 2, kMap = 4, kCaps = 8;  // VFIO_REGION_INFO_FLAG_*
  constexpr std::uint16_t kSparseMap = 1, kSparseMapVersion = 1;  // VFIO_REGION_INFO_CAP_SPARSE_MMAP
  const bool sparse = info.fd >= 0 && !info.areas.empty();
  const auto needed = static_cast<std::uint32_t>(kFixed + (sparse ? 16 + 16 * info.areas.size() : 0));
  // A client takes CAPS as a promise that the capabilities are in this very answer.
  const bool with_caps = sparse && needed <= request.argsz;
  const Bytes body = begin(to, with_caps ? needed : kFixed, out);
  store_le(body.data(), needed);
  store_le(body.data() + 4, (info.readable ? kRead : 0) | (info.writable ? kWrite : 0) |
                                (info.fd >= 0 ? kMap : 0) | (with_caps ? kCaps : 0));
  store_le(body.data() + 8, request.index);
  store_le(body.data() + 12, with_caps ? kFixed : 0);
  store_le(body.data() + 16, info.size);
  store_le(body.data() + 24, info.file_offset);
  if (!with_caps) return;
  std::byte* cap = body.data() + kFixed;
  store_le(cap, kSparseMap);
  store_le(cap + 2, kSparseMapVersion);
  store_le(cap + 8, static_cast<std::uint32_t>(info.areas.size()));
  for (std::byte* at = cap + 16; const MappableArea& area : info.areas) {
    store_le(at, area.offset);
    store_le(at + 8, area.length);
    at += 16;
  }
}

void encode_irq_info(const Header& to, std::uint32_t index, const IrqInfo& info, MessageBuffer& out) {
  constexpr std::uint32_t kSize = 16, kEventfd = 1, kMaskable = 2, kAutomasked = 4, kNoResize = 8;
  const Bytes body = begin(to, kSize, out);
  store_le(body.data(), kSize);
  store_le(body.data() + 4, (info.count > 0 ? kEventfd : 0) | (info.maskable ? kMaskable : 0) |
                                (info.automasked ? kAutomasked : 0) | (info.no_resize ? kNoResize : 0));
  store_le(body.data() + 8, index);
  store_le(body.data() + 12, info.count);
}

Bytes encode_region_read(const Header& to, const RegionReadRequest& request, MessageBuffer& out) {
  const Bytes body = begin(to, std::size_t{16} + request.count, out);
  store_le(body.data(), request.offset);
  store_le(body.data() + 8, request.region);
  store_le(body.data() + 12, request.count);
  return body.subspan(16);
}

void encode_region_written(const Header& to, const RegionWriteRequest& request, MessageBuffer& out) {
  const Bytes body = begin(to, 16, out);
  store_le(body.data(), request.offset);
  store_le(body.data() + 8, request.region);
  store_le(body.data() + 12, static_cast<std::uint32_t>(request.data.size()));
}

void encode_writes_done(const Header& to, std::uint64_t done, MessageBuffer& out) {
  const Bytes body = begin(to, 8, out);
  store_le(body.data(), done);
}

}  // namespace ladon::vfio
