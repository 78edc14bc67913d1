// The non-transparent bridge's registers: our own programming interface, in the manner of PLX 87xx and
// Switchtec parts (windows with a translation base and a limit, requester-ID look-up table, doorbells,
// scratchpads).
//
// An NTB shows one endpoint to each of two domains. The *management side* owns every translation; the *link
// side* sees the same block but may use only identification, doorbells, scratchpads and its own MSI-X table:
// all else reads as zero there and refuses writes.
//
// Each side's function has an MSI-X capability (PCIe Base Specification 6.0, 7.7.2) with one vector, whose
// table and pending bits lie in its control BAR. While a bit of its doorbell status is set that its doorbell
// mask does not hide, MSI-X is enabled and bus mastering is on, the doorbell rings: when it starts to ring
// the vector is signalled, once; a message that is still pending when the doorbell stops is not sent. Bits
// that come while it rings signal nothing: software clears the status, then looks at what it was rung for.
//
// Management side BARs: 0 control (32-bit, 64 KiB), 1 MSI window (32-bit, 1 MiB), 2 DMA window (64-bit,
// default 64 GiB). Link side BARs:       0 control (32-bit, 64 KiB), 2 register window (64-bit, default 64
// MiB).
#pragma once

#include <cstdint>

namespace ladon::spec::ntb {

inline constexpr std::uint32_t kControlBarSize = 0x1'0000, kMsiBarSize = 0x10'0000;
inline constexpr std::uint8_t kControlBar = 0, kMsiBar = 1, kDmaBar = 2;  // management side
inline constexpr std::uint8_t kRegisterBar = 2;                           // link side

inline constexpr std::uint32_t kId = 0x0000;       // RO kMagic
inline constexpr std::uint32_t kVersion = 0x0004;  // RO 1
inline constexpr std::uint32_t kSide = 0x0008;     // RO 0 management, 1 link
// RO [7:0] windows each way, [23:8] LUT entries each way, [31:24] log2 of the link side's register BAR in
// bytes, which cannot be sized from the management side. NTBs of one rack may differ.
inline constexpr std::uint32_t kShape = 0x000C;
inline constexpr std::uint32_t kPeer = 0x0010;  // RO the domain number on the other side
inline constexpr std::uint32_t kLink = 0x0014;  // [0] link up: management side RW, link side RO
inline constexpr std::uint32_t kError =
    0x0018;  // RO reason (Error) of the last refused enable; W1C by writing anything
// RO, management side: what parts of its kind cannot do (ntb_parts.h). [5:0] log2 of the granule of windows
// in the link side's register BAR: offset, length and translation are its multiples. [8] a window's
// translation is a multiple of the window's length, rounded up to a power of two. [9] a window in the DMA BAR
// is all of that BAR. [10] there is no requester-ID look-up table: everyone arrives as the NTB itself, and
// completions come back without one. [11] an entry of the table stands for all functions of its requester's
// device.
inline constexpr std::uint32_t kLimits = 0x001C;
inline constexpr std::uint32_t kLimitSizeAligned = 1u << 8, kLimitWholeBar = 1u << 9,
                               kLimitNoTable = 1u << 10, kLimitByDevice = 1u << 11;
inline constexpr std::uint32_t kMagic = 0x4C4E5442;  // "LNTB"

// Windows. Outbound: entered on the management side, out on the link side (VF -> host). Inbound: the reverse.
inline constexpr std::uint32_t kOutbound = 0x1000, kInbound = 0x2000, kWindowStride = 0x20;
inline constexpr std::uint32_t kMaxWindows = 128;
inline constexpr std::uint32_t kWindowControl = 0x00;  // kWindow* bits below
inline constexpr std::uint32_t kWindowOffsetLow = 0x04,
                               kWindowOffsetHigh = 0x08;  // within the BAR, 4 KiB aligned
inline constexpr std::uint32_t kWindowLengthLow = 0x0C,
                               kWindowLengthHigh = 0x10;  // bytes, a multiple of 4 KiB
inline constexpr std::uint32_t kWindowTranslationLow = 0x14,
                               kWindowTranslationHigh = 0x18;  // in the other domain
// A window is checked when it is enabled; if it is refused the enable bit stays 0 and kError says why. While
// enabled its other fields are read-only.
inline constexpr std::uint32_t kWindowEnable = 1u << 0, kWindowRead = 1u << 1, kWindowWrite = 1u << 2;
inline constexpr std::uint32_t kWindowBarShift = 8;  // [10:8] the BAR it is entered through
enum class Error : std::uint32_t {
  none,
  no_such_bar,
  unaligned,
  empty,
  outside_bar,
  overlap,
  wrap,
  duplicate /* LUT */
};

// Requester-ID look-up tables: outbound RID of the management domain -> proxy device/function on the link
// side's bus; inbound RID of the link domain -> proxy device/function on the management side's bus. Within
// one direction no two valid entries share a RID or a proxy (Error::duplicate). A completion is looked up
// too: the table of the direction in which it travels must have its completer's RID (memory completes as the
// host bridge, 00:00.0).
inline constexpr std::uint32_t kLutOutbound = 0x4000, kLutInbound = 0x6000, kLutStride = 0x08;
inline constexpr std::uint32_t kMaxLut = 512;
inline constexpr std::uint32_t kLutEntry = 0x00;  // [15:0] RID (bus:device.function), [31] valid
inline constexpr std::uint32_t kLutProxy = 0x04;  // [7:0] device/function of the proxy; read-only while valid
inline constexpr std::uint32_t kLutValid = 1u << 31;

// Shared by both sides.
inline constexpr std::uint32_t kScratchpads = 0x8000, kScratchpadCount = 32;  // 32-bit each, seen by both
inline constexpr std::uint32_t kDoorbellPeer = 0x8100;    // W: set these bits in the peer's status
inline constexpr std::uint32_t kDoorbellStatus = 0x8104;  // W1C
inline constexpr std::uint32_t kDoorbellMask = 0x8108;    // RW, 1 = no interrupt; reset: all ones
inline constexpr std::uint32_t kMessagesRefused =
    0x810C;  // RO, each side its own: interrupt messages that were refused on their way, or lost
// MSI-X, each side its own: one entry (address low and high, data, vector control); pending bits, RO.
inline constexpr std::uint32_t kMsixTable = 0x9000, kMsixPending = 0xA000;
inline constexpr std::uint16_t kVectors = 1, kDoorbellVector = 0;
// Counters, RO, management side.
inline constexpr std::uint32_t kLutMisses = 0x8200, kWindowMisses = 0x8204, kRefusedWrites = 0x8208;

}  // namespace ladon::spec::ntb
