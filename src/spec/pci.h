// Offsets and bits of configuration space that both hardware and software name. PCI Local Bus 3.0 chapter 6,
// PCIe Base Specification 6.0 chapter 7.
#pragma once

#include <cstdint>

namespace ladon::spec::pci {

inline constexpr std::uint16_t kVendorId = 0x00, kDeviceId = 0x02, kCommand = 0x04, kStatus = 0x06,
                               kRevision = 0x08, kClassCode = 0x09, kHeaderType = 0x0E, kBar0 = 0x10,
                               kSubsystemVendor = 0x2C, kSubsystem = 0x2E, kCapabilityPointer = 0x34,
                               kInterruptLine = 0x3C, kInterruptPin = 0x3D;
// Type 1 header.
inline constexpr std::uint16_t kPrimaryBus = 0x18, kSecondaryBus = 0x19, kSubordinateBus = 0x1A,
                               kMemoryBase = 0x20, kMemoryLimit = 0x22, kPrefetchableBase = 0x24,
                               kPrefetchableLimit = 0x26, kPrefetchableBaseUpper = 0x28,
                               kPrefetchableLimitUpper = 0x2C, kBridgeControl = 0x3E;

inline constexpr std::uint16_t kCommandMemory = 1u << 1, kCommandBusMaster = 1u << 2,
                               kCommandIntxDisable = 1u << 10;
inline constexpr std::uint16_t kStatusCapabilities = 1u << 4;
inline constexpr std::uint8_t kHeaderMultiFunction = 0x80;

inline constexpr std::uint8_t kCapMsi = 0x05, kCapExpress = 0x10, kCapMsix = 0x11;
inline constexpr std::uint16_t kExtAer = 0x0001, kExtSerialNumber = 0x0003, kExtAcs = 0x000D,
                               kExtAri = 0x000E, kExtSriov = 0x0010;

// Offsets within capabilities.
inline constexpr std::uint16_t kExpressCapabilities = 0x02, kExpressDeviceCapabilities = 0x04,
                               kExpressDeviceControl = 0x08, kExpressDeviceStatus = 0x0A,
                               kExpressDeviceControl2 = 0x28;
inline constexpr std::uint32_t kDeviceCapabilitiesFlr = 1u << 28;
inline constexpr std::uint16_t kDeviceControlFlr = 1u << 15;
inline constexpr std::uint16_t kDeviceControl2AriForwarding = 1u << 5;
inline constexpr std::uint16_t kDeviceStatusPending = 1u << 5;

inline constexpr std::uint16_t kMsixControl = 0x02, kMsixTable = 0x04, kMsixPending = 0x08;
inline constexpr std::uint16_t kMsixControlEnable = 1u << 15, kMsixControlFunctionMask = 1u << 14;

inline constexpr std::uint16_t kAcsCapabilities = 0x04, kAcsControl = 0x06;
inline constexpr std::uint16_t kAcsSourceValidation = 1u << 0, kAcsTranslationBlocking = 1u << 1,
                               kAcsRequestRedirect = 1u << 2, kAcsCompletionRedirect = 1u << 3,
                               kAcsUpstreamForwarding = 1u << 4;

inline constexpr std::uint16_t kSriovCapabilities = 0x04, kSriovControl = 0x08, kSriovStatus = 0x0A,
                               kSriovInitialVfs = 0x0C, kSriovTotalVfs = 0x0E, kSriovNumVfs = 0x10,
                               kSriovFirstOffset = 0x14, kSriovStride = 0x16, kSriovVfDevice = 0x1A,
                               kSriovSupportedPageSizes = 0x1C, kSriovSystemPageSize = 0x20,
                               kSriovVfBar0 = 0x24;
inline constexpr std::uint16_t kSriovControlVfEnable = 1u << 0, kSriovControlVfMemory = 1u << 3,
                               kSriovControlAriHierarchy = 1u << 4;

// The range in which a memory write of four bytes is an interrupt, in every domain of an x86 host (Intel SDM
// 3A, 11.11).
inline constexpr std::uint64_t kInterruptBase = 0xFEE0'0000, kInterruptLength = 0x10'0000;

// Identities of the emulated parts. NTB, switch and PF are our own programming interfaces under a vendor ID
// that no shipped device uses in this way; VFs carry Intel's, because Intel's driver runs them.
inline constexpr std::uint16_t kLadonVendor = 0x1AF4 ^ 0x5A5A;
inline constexpr std::uint16_t kRootPortDevice = 0x0001, kSwitchDevice = 0x0002, kNtbDevice = 0x0003,
                               kNtbLinkDevice = 0x0004, kHostBridgeDevice = 0x0005, kNicPfDevice = 0x0010;
inline constexpr std::uint16_t kIntelVendor = 0x8086, kX550VfDevice = 0x1565, k82599VfDevice = 0x10ED;

}  // namespace ladon::spec::pci
