// An Ethernet MAC address (IEEE 802).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ladon {

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  constexpr auto operator<=>(const MacAddress&) const = default;
  [[nodiscard]] constexpr bool is_multicast() const { return (bytes[0] & 1) != 0; }  // broadcast included
  [[nodiscard]] constexpr bool is_broadcast() const {
    for (const auto b : bytes)
      if (b != 0xFF) return false;
    return true;
  }
  [[nodiscard]] constexpr bool is_zero() const { return *this == MacAddress{}; }
  // The six bytes as an integer, first byte lowest: what register pairs RAL/RAH hold.
  [[nodiscard]] constexpr std::uint64_t bits() const {
    std::uint64_t value = 0;
    for (std::size_t i = 6; i-- > 0;) value = (value << 8) | bytes[i];
    return value;
  }
  [[nodiscard]] static constexpr MacAddress from_bits(std::uint64_t bits) {
    MacAddress mac;
    for (auto& b : mac.bytes) b = static_cast<std::uint8_t>(bits), bits >>= 8;
    return mac;
  }
};

// "52:54:00:12:34:56"; nullopt if it is not six two-digit hexadecimal bytes.
[[nodiscard]] std::optional<MacAddress> parse_mac(std::string_view text);
[[nodiscard]] std::string to_string(const MacAddress& mac);

}  // namespace ladon
