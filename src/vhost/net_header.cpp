#include "vhost/net_header.h"

namespace ladon::vhost {

namespace {

namespace virtio = spec::virtio;

constexpr std::uint32_t kTcpHeader = 20, kTcpChecksum = 16, kTcpDataOffset = 12;

[[nodiscard]] bool checksum_inside(const Offload& offload, std::uint32_t bytes) {
  return offload.checksum_start >= kMinFrame &&
         std::uint32_t{offload.checksum_start} + offload.checksum_offset + 2 <= bytes;
}

// The driver's idea of the headers' length is a hint (5.1.6.2.1); ours comes from the TCP header itself.
[[nodiscard]] std::uint16_t tcp_header_end(const Offload& offload, ConstBytes head) {
  const std::uint32_t start = offload.checksum_start;
  if (offload.checksum_offset != kTcpChecksum || start + kTcpHeader > head.size()) return 0;
  const std::uint32_t length = (std::to_integer<std::uint32_t>(head[start + kTcpDataOffset]) >> 4) * 4;
  if (length < kTcpHeader || start + length > head.size()) return 0;
  return static_cast<std::uint16_t>(start + length);
}

}  // namespace

NetFeatures NetFeatures::of(std::uint64_t features) {
  const auto has = [features](std::uint64_t bit) { return (features & bit) != 0; };
  NetFeatures agreed{.checksum = has(virtio::kNetChecksum),
                     .tso4 = has(virtio::kNetHostTso4),
                     .tso6 = has(virtio::kNetHostTso6),
                     .guest_checksum = has(virtio::kNetGuestChecksum),
                     .guest_tso4 = has(virtio::kNetGuestTso4),
                     .guest_tso6 = has(virtio::kNetGuestTso6),
                     .mergeable = has(virtio::kNetMergeable)};
  if (!agreed.mergeable && !has(virtio::kVersion1)) agreed.header_bytes = virtio::kLegacyHeaderBytes;
  return agreed;
}

bool NetFeatures::guest_takes(const Offload& offload) const {
  if (offload.checksum && !guest_checksum) return false;
  switch (offload.segmentation) {
    case Segmentation::none:
      return true;
    case Segmentation::tcp4:
      return guest_tso4;
    case Segmentation::tcp6:
      return guest_tso6;
  }
  return false;
}

std::expected<Offload, FrameDrop> read_header(const NetHeader& header, ConstBytes head, std::uint32_t length,
                                              const NetFeatures& features) {
  Offload offload;
  const auto flags = std::to_integer<std::uint8_t>(header[virtio::kHeaderFlags]);
  const auto gso = std::to_integer<std::uint8_t>(header[virtio::kHeaderGsoType]);
  if ((flags & virtio::kHeaderNeedsChecksum) != 0) {
    offload.checksum = true;
    offload.checksum_start = load_le<std::uint16_t>(&header[virtio::kHeaderChecksumStart]);
    offload.checksum_offset = load_le<std::uint16_t>(&header[virtio::kHeaderChecksumOffset]);
    // The field lies in what has been copied, or whoever is to fill it in would write over the guest.
    if (!features.checksum || !checksum_inside(offload, static_cast<std::uint32_t>(head.size())))
      return std::unexpected(FrameDrop::bad_checksum_request);
  }
  if (gso == virtio::kGsoNone) return offload;

  const bool tso4 = gso == virtio::kGsoTcp4 && features.tso4;
  const bool tso6 = gso == virtio::kGsoTcp6 && features.tso6;
  offload.segment_size = load_le<std::uint16_t>(&header[virtio::kHeaderGsoSize]);
  if ((!tso4 && !tso6) || !offload.checksum || offload.segment_size == 0)
    return std::unexpected(FrameDrop::bad_segmentation);
  offload.segmentation = tso4 ? Segmentation::tcp4 : Segmentation::tcp6;
  offload.header_length = tcp_header_end(offload, head);
  if (offload.header_length == 0 || offload.header_length >= length)
    return std::unexpected(FrameDrop::bad_segmentation);
  return offload;
}

std::expected<NetHeader, FrameDrop> make_header(const Offload& offload, std::uint32_t length,
                                                std::uint16_t buffers, const NetFeatures& features) {
  NetHeader header{};
  if (offload.checksum) {
    if (!checksum_inside(offload, length)) return std::unexpected(FrameDrop::inconsistent);
    header[virtio::kHeaderFlags] = std::byte{virtio::kHeaderNeedsChecksum};
    store_le(&header[virtio::kHeaderChecksumStart], offload.checksum_start);
    store_le(&header[virtio::kHeaderChecksumOffset], offload.checksum_offset);
  } else if (offload.verified && features.guest_checksum) {
    header[virtio::kHeaderFlags] = std::byte{virtio::kHeaderDataValid};
  }
  if (offload.segmentation != Segmentation::none) {
    if (!offload.checksum || offload.segment_size == 0 || offload.header_length >= length)
      return std::unexpected(FrameDrop::inconsistent);
    header[virtio::kHeaderGsoType] =
        std::byte{offload.segmentation == Segmentation::tcp4 ? virtio::kGsoTcp4 : virtio::kGsoTcp6};
    store_le(&header[virtio::kHeaderGsoSize], offload.segment_size);
    store_le(&header[virtio::kHeaderLength], offload.header_length);
  }
  store_le(&header[virtio::kHeaderBuffers], buffers);
  return header;
}

}  // namespace ladon::vhost
