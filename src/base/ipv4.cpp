#include "base/ipv4.h"

#include <fmt/format.h>

#include <charconv>

namespace ladon {
namespace {

// A decimal number of at most `largest` without leading zeros, taken off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text, std::uint32_t largest) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || value > largest || (length > 1 && text[0] == '0')) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

}  // namespace

std::optional<Ipv4Address> parse_ipv4(std::string_view text) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) {
      if (text.empty() || text[0] != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    const auto number = take_number(text, 255);
    if (!number) return std::nullopt;
    bits = (bits << 8) | *number;
  }
  if (!text.empty()) return std::nullopt;
  return Ipv4Address{bits};
}

std::optional<Ipv4Interface> parse_ipv4_interface(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_ipv4(text.substr(0, slash));
  std::string_view rest = text.substr(slash + 1);
  const auto prefix = take_number(rest, 30);
  if (!address || !prefix || *prefix == 0 || !rest.empty()) return std::nullopt;
  const Ipv4Interface interface{*address, static_cast<std::uint8_t>(*prefix)};
  if (*address == interface.network() || *address == interface.broadcast()) return std::nullopt;
  return interface;
}

std::string to_string(Ipv4Address address) {
  const auto b = address.bits;
  return fmt::format("{}.{}.{}.{}", b >> 24, (b >> 16) & 0xFF, (b >> 8) & 0xFF, b & 0xFF);
}

std::string to_string(const Ipv4Interface& interface) {
  return fmt::format("{}/{}", to_string(interface.address), interface.prefix);
}

}  // namespace ladon
