// A memory transaction on its way through the rack: a CPU's load or store, a device's DMA, a
// message-signalled interrupt (a write of four bytes). PCIe Base Specification 6.0, section 2.2 (TLP header
// fields).
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/address.h"
#include "pcie/id.h"

namespace ladon::pcie {

enum class Access : std::uint8_t { read = 1, write = 2 };

// A set of accesses: permissions of a page, a window, a grant.
struct AccessSet {
  std::uint8_t bits = 0;
  [[nodiscard]] constexpr bool allows(Access access) const {
    return (bits & static_cast<std::uint8_t>(access)) != 0;
  }
  constexpr bool operator==(const AccessSet&) const = default;
};
inline constexpr AccessSet kNoAccess{0}, kReadOnly{1}, kWriteOnly{2}, kReadWrite{3};

// A virtual machine of one host, by number; unique within the host.
enum class Vm : std::uint16_t {};

// Where a transaction enters the rack. This is a physical fact that the initiator cannot forge, unlike the
// requester ID.
struct CpuOrigin {  // software of the host itself
  constexpr bool operator==(const CpuOrigin&) const = default;
};
struct VmOrigin {  // a guest's processor, behind second-level translation (EPT)
  Vm vm{};
  constexpr bool operator==(const VmOrigin&) const = default;
};
struct EndpointOrigin {  // a device below the fabric, numbered by the fabric
  std::uint16_t endpoint = 0;
  constexpr bool operator==(const EndpointOrigin&) const = default;
};
struct NtbOrigin {        // the function that a non-transparent bridge shows on one of its sides
  std::uint16_t ntb = 0;  // numbered by the fabric: it leads to domain ntb + 1
  bool link = false;      // the side in that domain; false: in the management host's
  constexpr bool operator==(const NtbOrigin&) const = default;
};
using Origin = std::variant<CpuOrigin, VmOrigin, EndpointOrigin, NtbOrigin>;

// What emits it is a device, not a processor.
[[nodiscard]] constexpr bool is_device(const Origin& origin) {
  return std::holds_alternative<EndpointOrigin>(origin) || std::holds_alternative<NtbOrigin>(origin);
}

// The address says by its type how far it has been translated: a guest's own (Gpa), untranslated (Iova, AT =
// 00b) or translated (BusAddr; from a device this is AT = 10b, which needs a grant).
using TargetAddress = std::variant<Gpa, Iova, BusAddr>;

[[nodiscard]] constexpr std::uint64_t address_bits(const TargetAddress& address) {
  return std::visit([](auto a) { return a.bits(); }, address);
}

struct Transaction {
  Segment segment{};
  Domain domain{};  // of the initiator
  Origin origin;
  Rid rid;  // as carried in the header
  TargetAddress address;
  std::uint32_t length =
      0;  // bytes, at least 1; a live access never crosses a 4 KiB boundary on its own, callers split
  Access access = Access::read;
  std::optional<std::uint32_t> pasid{};  // 20 bits
  std::uint16_t tag = 0;
  // What a write of four bytes writes: looked at only where the write turns out to be an interrupt.
  std::uint32_t data = 0;
};

}  // namespace ladon::pcie
