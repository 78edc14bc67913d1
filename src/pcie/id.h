// Who is who on the bus: segments, bus/device/function, requester IDs, domains. PCIe Base
// Specification 6.0, 2.2.4.2 (requester ID) and PCI Firmware Specification (segment groups).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace ladon::pcie {

// bus:device.function, or with ARI bus:function (8 bits).
struct Bdf {
  std::uint16_t bits = 0;

  constexpr Bdf() = default;
  explicit constexpr Bdf(std::uint16_t value) : bits(value) {}
  constexpr Bdf(unsigned bus, unsigned device, unsigned function)
      : bits(static_cast<std::uint16_t>((bus & 0xFF) << 8 | (device & 0x1F) << 3 | (function & 7))) {}
  [[nodiscard]] constexpr std::uint8_t bus() const { return static_cast<std::uint8_t>(bits >> 8); }
  [[nodiscard]] constexpr std::uint8_t devfn() const { return static_cast<std::uint8_t>(bits); }
  [[nodiscard]] constexpr unsigned device() const { return (bits >> 3) & 0x1F; }
  [[nodiscard]] constexpr unsigned function() const { return bits & 7; }
  constexpr auto operator<=>(const Bdf&) const = default;
};

// One root complex's physical address space: 0 is the management host's, k the k-th compute host's.
enum class Domain : std::uint16_t {};
inline constexpr Domain kManagementDomain{0};

// A group of 256 buses; every domain has at least one.
enum class Segment : std::uint16_t {};

// Requester ID, made unique over the whole rack by the segment.
struct Rid {
  Segment segment{};
  Bdf bdf;
  constexpr auto operator<=>(const Rid&) const = default;
};

[[nodiscard]] std::string to_string(Bdf bdf);         // "03:10.2"
[[nodiscard]] std::string to_string(const Rid& rid);  // "0000:03:10.2"

}  // namespace ladon::pcie

template <>
struct std::hash<ladon::pcie::Rid> {
  std::size_t operator()(const ladon::pcie::Rid& rid) const noexcept {
    return std::hash<std::uint32_t>{}(static_cast<std::uint32_t>(rid.segment) << 16 | rid.bdf.bits);
  }
};
