// The NIC's physical-function registers (BAR 0, 64 KiB): our own small programming interface. The management
// host's PF driver is its only user. 32-bit registers, little endian.
#pragma once

#include <cstdint>

namespace ladon::spec::pf {

inline constexpr std::uint32_t kBarSize = 0x1'0000;
inline constexpr std::uint32_t kMaxVfs = 63;

inline constexpr std::uint32_t kId = 0x0000;         // RO kMagic
inline constexpr std::uint32_t kVersion = 0x0004;    // RO 1
inline constexpr std::uint32_t kControl = 0x0008;    // [0] device reset (self-clearing), [1] wire enable
inline constexpr std::uint32_t kStatus = 0x000C;     // RO [0] carrier
inline constexpr std::uint32_t kVfCount = 0x0010;    // RO VFs enabled in configuration space
inline constexpr std::uint32_t kMagic = 0x4C4E4943;  // "LNIC"
inline constexpr std::uint32_t kControlReset = 1u << 0, kControlWire = 1u << 1;

// Interrupt (MSI-X vector 0) while (cause & mask) != 0.
inline constexpr std::uint32_t kCause = 0x0020;  // W1C
inline constexpr std::uint32_t kMask = 0x0024;   // RW
inline constexpr std::uint32_t kCauseMailbox = 1u << 0, kCauseFault = 1u << 1, kCauseLink = 1u << 2,
                               kCauseFlr = 1u << 3;
// What the device takes on in each direction, in 1000 bits a second; 0: what it is able to. A write that is
// less than what is guaranteed already changes nothing.
inline constexpr std::uint32_t kRateUnit = 1000;
inline constexpr std::uint32_t kCapacityReceive = 0x0040, kCapacityTransmit = 0x0044;
inline constexpr std::uint32_t kMemoryPool = 0x0048,  // RO, bytes of packet memory (at most 4 GiB - 1)
    kMemoryFree = 0x004C,                             // RO, bytes of it that nobody is guaranteed
    kMemoryLent = 0x0050,              // RO, bytes that partitions hold beyond their guarantees
    kMemoryLentOfGuarantees = 0x0054;  // RO, bytes of those that somebody is guaranteed
// One bit a VF, two words (VF 0..31, 32..63).
inline constexpr std::uint32_t kMailboxPending = 0x0028;  // RO, cleared by acknowledging the VF's mailbox
inline constexpr std::uint32_t kFlrPending = 0x0030;      // W1C: this VF was reset (FLR or VFCTRL.RST)
inline constexpr std::uint32_t kFaultPending = 0x0038;  // W1C: this VF violated something; kVfFault says what

// Per VF.
inline constexpr std::uint32_t kVf = 0x1000, kVfStride = 0x100;
inline constexpr std::uint32_t kVfControl = 0x00;
inline constexpr std::uint32_t kVfEnable = 1u << 0,  // rings run; cleared: quiesce
    kVfLink = 1u << 1,                               // link reported up (with carrier or kVfLinkForced)
    kVfSpoofCheck = 1u << 2,                         // transmit only with own MAC
    kVfTrust = 1u << 3,                              // may be promiscuous
    kVfScrub = 1u << 4,  // write 1: disable, and forget everything the last owner left; self-clearing. The
                         // VF's registers take no writes from then on until kVfEnable
    kVfLinkForced = 1u << 5,    // with kVfLink: up without a carrier too
    kVfBackpressure = 1u << 6,  // frames to other VFs wait a while for a descriptor instead of being dropped
    kVfCoalesce = 1u << 7,      // TCP segments that follow one another are received as one frame
    kVfUnsegmented = 1u << 8;   // packets that another VF has segmented for this one are not cut
inline constexpr std::uint32_t kVfStatus = 0x04;       // RO
inline constexpr std::uint32_t kVfQuiesced = 1u << 0,  // disabled and no DMA outstanding
    kVfRingsOn = 1u << 1, kVfScrubbed = 1u << 2;       // kVfScrubbed: nothing of an owner is left
inline constexpr std::uint32_t kVfMacLow = 0x08, kVfMacHigh = 0x0C;  // high [15:0], [31] valid
inline constexpr std::uint32_t kVfVlan = 0x10;  // [11:0] VLAN, [31] insert on transmit, strip on receive
inline constexpr std::uint32_t kVfVlanFilter =
    0x28;  // W: [11:0] VLAN that the VF tags itself, [30] 1 add, 0
           // remove; bit 31: clear all first, [11:0] 0 then adds none
inline constexpr std::uint32_t kVfMaxFrame = 0x14;  // bytes without FCS that the VF may receive
inline constexpr std::uint32_t kVfReceiveMode =
    0x18;  // [0] broadcast, [1] multicast by filter, [2] all multicast, [3] promiscuous
inline constexpr std::uint32_t kReceiveBroadcast = 1u << 0, kReceiveMulticast = 1u << 1,
                               kReceiveAllMulticast = 1u << 2, kReceivePromiscuous = 1u << 3;
inline constexpr std::uint32_t kVfFault = 0x1C;  // RO: nic::VfFault of the first violation since last cleared
inline constexpr std::uint32_t kVfMailboxControl = 0x20;   // kMailbox* below
inline constexpr std::uint32_t kMailboxRequest = 1u << 0,  // RO: the VF has sent a message
    kMailboxVfAck = 1u << 1,                               // RO: the VF has acknowledged ours
    kMailboxSend = 1u << 2,       // W1: our message is in the memory: raise PFSTS at the VF
    kMailboxAck = 1u << 3,        // W1: we have read the VF's: raise PFACK, clear the request
    kMailboxResetDone = 1u << 4;  // W1: raise RSTD at the VF
inline constexpr std::uint32_t kVfMailboxMemory = 0x40, kMailboxWords = 16;
inline constexpr std::uint32_t kVfMulticast =
    0x24;  // W: set hash bit [11:0] of the VF's multicast table; bit 31: clear all first
// Counters, RO, 32-bit, wrapping; kVfCounterClear clears the VF's.
inline constexpr std::uint32_t kVfReceivedPackets = 0x80, kVfReceivedBytes = 0x84 /* low, high */,
                               kVfSentPackets = 0x8C, kVfSentBytes = 0x90 /* low, high */,
                               kVfDropped = 0x98 /* sum of all reasons */, kVfSpoofed = 0x9C,
                               kVfDmaFaults = 0xA0, kVfCounterClear = 0xA4 /* W */;
inline constexpr std::uint32_t kVfRefusedRate = 0xA8,  // RO: received frames above bits, packets or cost
    kVfRefusedMemory = 0xAC,                     // RO: received frames that the partition had no room for
    kVfMemoryHeld = 0xB0, kVfMemoryLent = 0xB4,  // RO, bytes: in the partition; of them beyond its guarantee
    kVfMemoryPending = 0xB8,  // RO, bytes: of a change of the partition, or of a guarantee that was lent and
                              // is called in, that still waits for memory to drain
    kVfMemoryCalls = 0xBC,    // RO: how often a lent guarantee was called in and was not there at once
    kVfRefusedCalled = 0xC0,  // RO: of kVfRefusedMemory, while that lasted: within the guarantee
    kVfCoalesced = 0xC4,      // RO: received frames that became part of the one before
    kVfReceivedWhole = 0xC8;  // RO: received frames that were not segmented (kVfUnsegmented)

// Service levels, a window: kLevelLoad shows a VF's level in the fields; kLevelApply makes the fields that
// VF's level, whole or not at all, and kLevelResult says which. A rate without a maximum (0) is not limited;
// a burst of 0 is the device's default. Scrubbing a VF takes all of its level but the partition.
inline constexpr std::uint32_t kLevel = 0x5000, kLevelSize = 0x80;
inline constexpr std::uint32_t kLevelCommand = 0x00;  // W: [5:0] VF, with one of
inline constexpr std::uint32_t kLevelLoad = 1u << 8, kLevelApply = 1u << 9;
inline constexpr std::uint32_t kLevelResult = 0x04;  // RO: qos::LevelError of the last command
inline constexpr std::uint32_t kLevelWanted = 0x08,
                               kLevelLeft = 0x0C;  // RO: of a refusal, in the field's units
// Fields, RW. Of each rate: guaranteed, maximum, burst.
inline constexpr std::uint32_t kLevelReceive = 0x10,  // 1000 bits a second; burst in bytes
    kLevelReceivePackets = 0x20,                      // packets a second; packets
    kLevelReceiveCost = 0x30,  // units of processing a second (doc/hardware/nic.md); units
    kLevelTransmit = 0x40;     // 1000 bits a second; burst in bytes
inline constexpr std::uint32_t kRateGuaranteed = 0x0, kRateMost = 0x4, kRateBurst = 0x8;
inline constexpr std::uint32_t kLevelReceiveTurns = 0x50,
                               kLevelTransmitTurns = 0x54;  // [7:0] priority, [31:16] weight
inline constexpr std::uint32_t kLevelMemory = 0x58,
                               kLevelMemoryMost = 0x5C,  // bytes: guaranteed; with what is lent to it
    kLevelMemoryLendable = 0x60;  // bytes of the guarantee that are lent to others while it is idle

// Page translation tables, one a VF, as spec/ixgbevf.h has them (kPageTable): W by the management software
// alone. An extent becomes valid only if all of it is packet memory and in nobody's table.
inline constexpr std::uint32_t kPageTables = 0xA000, kPageTableStride = 0x80;
// Additional MAC filters (beyond each VF's own).
inline constexpr std::uint32_t kFilters = 0x8000, kFilterStride = 0x10, kFilterCount = 128;
inline constexpr std::uint32_t kFilterMacLow = 0x00, kFilterMacHigh = 0x04;  // high [15:0]
inline constexpr std::uint32_t kFilterVf = 0x08;                             // [5:0] VF, [31] valid

}  // namespace ladon::spec::pf
