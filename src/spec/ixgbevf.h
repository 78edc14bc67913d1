// The virtual function's registers (BAR 0, 16 KiB), as Intel's 82599 and X550 controllers define them and the
// stock Linux driver ixgbevf uses them. Intel 82599 10 GbE Controller Datasheet chapter 9, X550 Datasheet
// chapter 9 ("virtual function registers"). MSI-X table and pending bits are in BAR 3.
#pragma once

#include <cstdint>

namespace ladon::spec::ixgbevf {

inline constexpr std::uint32_t kBarSize = 0x4000, kMsixBarSize = 0x4000, kMsixPendingOffset = 0x2000;
inline constexpr std::uint8_t kRegisterBar = 0, kMsixBar = 3;
inline constexpr std::uint16_t kVectors = 3, kQueues = 2;

inline constexpr std::uint32_t kControl = 0x00, kStatus = 0x08, kLinks = 0x10, kFreeTimer = 0x48,
                               kRxMemWrap = 0x3190;
inline constexpr std::uint32_t kControlReset = 1u << 26;
inline constexpr std::uint32_t kLinkUp = 1u << 30, kLinkSpeed10G = 0x3000'0000;

inline constexpr std::uint32_t kEicr = 0x100, kEics = 0x104, kEims = 0x108, kEimc = 0x10C, kEiac = 0x110,
                               kEiam = 0x114, kIvar = 0x120, kIvarMisc = 0x140, kRscInt = 0x180,
                               kEitr = 0x820;
inline constexpr std::uint32_t kIvarValid = 0x80;

inline constexpr std::uint32_t kMailboxMemory = 0x200, kMailbox = 0x2FC, kMailboxWords = 16;
inline constexpr std::uint32_t kMailboxReq = 1u << 0, kMailboxAck = 1u << 1, kMailboxVfu = 1u << 2,
                               kMailboxPfu = 1u << 3, kMailboxPfSts = 1u << 4, kMailboxPfAck = 1u << 5,
                               kMailboxRsti = 1u << 6, kMailboxRstd = 1u << 7;

inline constexpr std::uint32_t kPsrType = 0x300;
inline constexpr std::uint32_t kQueueStride = 0x40, kRx = 0x1000, kTx = 0x2000;
// Within a queue's block.
inline constexpr std::uint32_t kBaseLow = 0x00, kBaseHigh = 0x04, kLength = 0x08, kDca = 0x0C, kHead = 0x10,
                               kSrrctl = 0x14 /* receive */, kTail = 0x18, kQueueControl = 0x28,
                               kRscControl = 0x2C /* receive */, kHeadWriteBackLow = 0x38,
                               kHeadWriteBackHigh = 0x3C;
inline constexpr std::uint32_t kQueueEnable = 1u << 25, kSwFlush = 1u << 26;
inline constexpr std::uint32_t kRxLengthMask = 0x3FFF, kRxLengthEnable = 0x8000, kRxVlanStrip = 1u << 30;
inline constexpr std::uint32_t kSrrctlDropEnable = 1u << 28;

inline constexpr std::uint32_t kGoodPacketsReceived = 0x101C, kGoodOctetsReceivedLow = 0x1020,
                               kGoodOctetsReceivedHigh = 0x1024, kMulticastReceived = 0x1034,
                               kGoodPacketsSent = 0x201C, kGoodOctetsSentLow = 0x2020,
                               kGoodOctetsSentHigh = 0x2024;
inline constexpr std::uint32_t kMrqc = 0x3000, kRssKey = 0x3100, kReta = 0x3200;

// Ours, in a hole of the register block that neither of the controllers has anything in and no driver
// touches: the function's page translation table, read-only. Sixteen extents of pages of the device's packet
// memory that are behind its partition: of extent i at + 8 i the first page, at + 8 i + 4 how many, [31]
// valid.
inline constexpr std::uint32_t kPageTable = 0x3400, kPageExtents = 16, kPageValid = 1u << 31,
                               kPageBytes = 4096;

// Mailbox messages (word 0, low 16 bits) and flags.
inline constexpr std::uint32_t kMessageReset = 0x01, kMessageSetMac = 0x02, kMessageSetMulticast = 0x03,
                               kMessageSetVlan = 0x04, kMessageSetMaxFrame = 0x05, kMessageSetMacVlan = 0x06,
                               kMessageApi = 0x08, kMessageGetQueues = 0x09, kMessageGetReta = 0x0A,
                               kMessageGetRssKey = 0x0B, kMessageUpdateXcast = 0x0C,
                               kMessageGetLinkState = 0x10, kMessagePfControl = 0x0100;
inline constexpr std::uint32_t kMessageAck = 0x8000'0000, kMessageNack = 0x4000'0000,
                               kMessageCts = 0x2000'0000;

}  // namespace ladon::spec::ixgbevf
