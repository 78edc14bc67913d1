// Advanced transmit and receive descriptors, 16 bytes each, little endian, as NIC and driver both see them.
// Intel 82599 10 GbE Controller Datasheet 7.1.6 (receive) and 7.2.3 (transmit); the X550's are the same.
#pragma once

#include <cstdint>

namespace ladon::spec::descriptor {

inline constexpr std::uint32_t kSize = 16;

// Transmit, read format (7.2.3.2). Bytes 0..7 address, 8..11 command/type/length, 12..15 options and payload
// length. Written back by the NIC: bytes 12..15 with kTxDone, the rest reserved.
inline constexpr std::uint32_t kTxCommand = 8, kTxOptions = 12;
inline constexpr std::uint32_t kTxLengthMask = 0xFFFF;
inline constexpr std::uint32_t kTxTypeMask = 0x00F0'0000, kTxTypeContext = 0x0020'0000,
                               kTxTypeData = 0x0030'0000;
inline constexpr std::uint32_t kTxEndOfPacket = 1u << 24, kTxInsertFcs = 1u << 25, kTxReportStatus = 1u << 27,
                               kTxExtension = 1u << 29 /* an advanced descriptor */, kTxVlanInsert = 1u << 30,
                               kTxSegment = 1u << 31;
inline constexpr std::uint32_t kTxDone = 1u << 0;
inline constexpr std::uint32_t kTxContextIndexShift = 4 /* 3 bits */, kTxCheckContext = 1u << 7,
                               kTxInsertIpChecksum = 1u << 8 /* POPTS.IXSM */,
                               kTxInsertL4Checksum = 1u << 9 /* POPTS.TXSM */, kTxPayloadShift = 14;

// Transmit context (7.2.3.2.3): four words.
inline constexpr std::uint32_t kContextLengths = 0,  // [8:0] IPLEN, [15:9] MACLEN, [31:16] VLAN tag
    kContextSecurity = 4, kContextType = 8,          // as kTxCommand, and kTucmd*
    kContextSegment = 12;                            // [6:4] index, [15:8] L4LEN, [31:16] MSS
inline constexpr std::uint32_t kContextIpLengthMask = 0x1FF, kContextMacLengthShift = 9,
                               kContextMacLengthMask = 0x7F, kContextVlanShift = 16,
                               kContextL4LengthShift = 8, kContextMssShift = 16;
inline constexpr std::uint32_t kTucmdIpv4 = 1u << 10, kTucmdL4Mask = 3u << 11, kTucmdUdp = 0u << 11,
                               kTucmdTcp = 1u << 11, kTucmdSctp = 2u << 11;
inline constexpr std::uint32_t kContexts = 2;  // a queue remembers context 0 and 1

// Receive, read format (7.1.6.1): bytes 0..7 packet buffer address, 8..15 header buffer address.
// Write-back format (7.1.6.2): 0..3 RSS type and packet type, 4..7 RSS hash, 8..11 status and error, 12..13
// length, 14..15 VLAN tag. The driver takes a non-zero length for completion, so that the upper eight bytes
// are written last.
inline constexpr std::uint32_t kRxInfo = 0, kRxHash = 4, kRxStatus = 8, kRxLength = 12, kRxVlan = 14;
inline constexpr std::uint32_t kRxRssTypeMask = 0xF, kRxPacketTypeMask = 0x1FFF0;
inline constexpr std::uint32_t kRxCoalescedShift = 17, kRxCoalescedMost = 15;  // RSCCNT, in 0..3
inline constexpr std::uint32_t kRxDone = 1u << 0, kRxEndOfPacket = 1u << 1, kRxVlanPacket = 1u << 3,
                               kRxUdpChecked = 1u << 4, kRxL4Checked = 1u << 5, kRxIpChecked = 1u << 6,
                               kRxLoopback = 1u << 18;
inline constexpr std::uint32_t kRxL4Error = 1u << 30, kRxIpError = 1u << 31;

// Receive buffers: SRRCTL [6:0] packet buffer size in KiB, [27:25] descriptor type.
inline constexpr std::uint32_t kSrrctlSizeMask = 0x7F, kSrrctlTypeMask = 7u << 25,
                               kSrrctlOneBuffer = 1u << 25;

}  // namespace ladon::spec::descriptor
