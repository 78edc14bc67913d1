// The split virtqueue and the network device as drivers see them. OASIS, Virtual I/O Device (VIRTIO) 1.2:
// section 2.7 (split virtqueues), 5.1 (network device), 6 (reserved feature bits). All little endian.
#pragma once

#include <cstdint>

namespace ladon::spec::virtio {

// ---- feature bits: 5.1.3 and 6
inline constexpr std::uint64_t kNetChecksum = 1u << 0,  // the device takes frames with partial checksums
    kNetGuestChecksum = 1u << 1,                        // so does the driver
    kNetGuestTso4 = 1u << 7, kNetGuestTso6 = 1u << 8,   // the driver takes TCP segments longer than the MTU
    kNetHostTso4 = 1u << 11, kNetHostTso6 = 1u << 12,   // the device does
    kNetMergeable = 1u << 15;                           // a frame may use several receive buffers
inline constexpr std::uint64_t kRingIndirect = 1u << 28, kRingEventIdx = 1u << 29,
                               kVersion1 = std::uint64_t{1} << 32;

// ---- the queues: 5.1.2
inline constexpr unsigned kReceiveQueue = 0, kTransmitQueue = 1;

// ---- split virtqueues
inline constexpr std::uint32_t kMaxQueueSize = 32768;  // a power of two; 2.7
// 2.7.5: descriptor table, 16 bytes each.
inline constexpr std::uint32_t kDescriptorBytes = 16, kDescriptorAddress = 0, kDescriptorLength = 8,
                               kDescriptorFlags = 12, kDescriptorNext = 14, kDescriptorAlignment = 16;
inline constexpr std::uint16_t kDescNext = 1, kDescWrite = 2, kDescIndirect = 4;
// 2.7.6: available ring: flags, index, one entry a descriptor, used_event.
inline constexpr std::uint32_t kAvailFlags = 0, kAvailIndex = 2, kAvailRing = 4, kAvailEntry = 2,
                               kAvailAlignment = 2;
inline constexpr std::uint16_t kAvailNoInterrupt = 1;
// 2.7.8: used ring: flags, index, one element a descriptor, avail_event.
inline constexpr std::uint32_t kUsedFlags = 0, kUsedIndex = 2, kUsedRing = 4, kUsedEntry = 8, kUsedLength = 4,
                               kUsedAlignment = 4;
inline constexpr std::uint16_t kUsedNoNotify = 1;

[[nodiscard]] constexpr std::uint64_t descriptor_table_bytes(std::uint32_t size) {
  return std::uint64_t{kDescriptorBytes} * size;
}
// With used_event behind it.
[[nodiscard]] constexpr std::uint64_t available_ring_bytes(std::uint32_t size) {
  return kAvailRing + std::uint64_t{kAvailEntry} * size + 2;
}
// With avail_event behind it.
[[nodiscard]] constexpr std::uint64_t used_ring_bytes(std::uint32_t size) {
  return kUsedRing + std::uint64_t{kUsedEntry} * size + 2;
}

// ---- the header in front of every frame: 5.1.6
inline constexpr std::uint32_t kHeaderFlags = 0, kHeaderGsoType = 1, kHeaderLength = 2, kHeaderGsoSize = 4,
                               kHeaderChecksumStart = 6, kHeaderChecksumOffset = 8, kHeaderBuffers = 10;
inline constexpr std::uint32_t kHeaderBytes = 12,
                               kLegacyHeaderBytes = 10;  // neither VERSION_1 nor MRG_RXBUF
inline constexpr std::uint8_t kHeaderNeedsChecksum = 1, kHeaderDataValid = 2;
inline constexpr std::uint8_t kGsoNone = 0, kGsoTcp4 = 1, kGsoTcp6 = 4;

}  // namespace ladon::spec::virtio
