// Who is who on the bus: segments, bus/device/function, requester IDs, domains. PCIe Base Specification 6.0,
// 2.2.4.2 (requester ID) and PCI Firmware Specification 3.3, 4.1 (segment groups).
//
// Segments have two numbers. A host's software counts its own from 0, as Linux does (HostSegment, Sbdf). In a
// transaction they are numbered over the whole rack (Segment, Rid). One place knows both:
// fabric::Tables::segment() and host_address().
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

// A group of 256 buses: what lies below one root port. Every domain has at least one, the management host's
// may have more. Numbered over the whole rack: the management host's first, then one for each compute host.
enum class Segment : std::uint16_t {};
// The same as the host's own software numbers it, from 0.
enum class HostSegment : std::uint16_t {};

// A function's address, or a requester ID, as the software of one host knows it. A Bdf alone is one of
// segment 0, the only one that most hosts have.
struct Sbdf {
  HostSegment segment{};
  Bdf bdf;

  constexpr Sbdf() = default;
  constexpr Sbdf(Bdf value) : bdf(value) {}
  constexpr Sbdf(HostSegment in, Bdf value) : segment(in), bdf(value) {}
  // So many functions further.
  [[nodiscard]] constexpr Sbdf later(unsigned functions) const {
    return {segment, Bdf(static_cast<std::uint16_t>(bdf.bits + functions))};
  }
  [[nodiscard]] constexpr std::uint8_t bus() const { return bdf.bus(); }
  [[nodiscard]] constexpr std::uint8_t devfn() const { return bdf.devfn(); }
  constexpr auto operator<=>(const Sbdf&) const = default;
  constexpr bool operator==(const Sbdf&) const = default;
  // Equal numbers in different segments are different functions: the comparison needs both.
  friend bool operator==(const Sbdf&, Bdf) = delete;
};

// Requester ID, made unique over the whole rack by the segment.
struct Rid {
  Segment segment{};
  Bdf bdf;
  constexpr auto operator<=>(const Rid&) const = default;
};

[[nodiscard]] std::string to_string(Bdf bdf);              // "03:10.2"
[[nodiscard]] std::string to_string(const Sbdf& address);  // "0000:03:10.2"
[[nodiscard]] std::string to_string(const Rid& rid);       // the same, with the rack's number

}  // namespace ladon::pcie

template <>
struct std::hash<ladon::pcie::Rid> {
  std::size_t operator()(const ladon::pcie::Rid& rid) const noexcept {
    return std::hash<std::uint32_t>{}(static_cast<std::uint32_t>(rid.segment) << 16 | rid.bdf.bits);
  }
};
