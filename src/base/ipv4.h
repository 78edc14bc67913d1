// IPv4 addresses, and an address with the prefix length of its network (RFC 791, RFC 4632).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ladon {

struct Ipv4Address {
  std::uint32_t bits = 0;  // host byte order: 10.0.0.1 is 0x0A000001
  constexpr auto operator<=>(const Ipv4Address&) const = default;
};

// The address of an interface: "10.10.0.1/24".
struct Ipv4Interface {
  Ipv4Address address;
  std::uint8_t prefix = 24;  // 1..30: smaller networks have no two hosts that could talk

  [[nodiscard]] constexpr std::uint32_t mask() const { return ~std::uint32_t{0} << (32 - prefix); }
  [[nodiscard]] constexpr Ipv4Address network() const { return {address.bits & mask()}; }
  [[nodiscard]] constexpr Ipv4Address broadcast() const { return {address.bits | ~mask()}; }
  [[nodiscard]] constexpr bool contains(Ipv4Address other) const {
    return (other.bits & mask()) == network().bits;
  }
  constexpr auto operator<=>(const Ipv4Interface&) const = default;
};

// Four decimal numbers without leading zeros; nullopt if it is anything else.
[[nodiscard]] std::optional<Ipv4Address> parse_ipv4(std::string_view text);
// nullopt also if the prefix is not 1..30 or the address is the network's own or its broadcast address.
[[nodiscard]] std::optional<Ipv4Interface> parse_ipv4_interface(std::string_view text);
[[nodiscard]] std::string to_string(Ipv4Address address);
[[nodiscard]] std::string to_string(const Ipv4Interface& interface);

}  // namespace ladon
