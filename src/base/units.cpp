#include "base/units.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <span>

namespace ladon {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit kSizes[] = {
    {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}};
constexpr Unit kRates[] = {{"b/s", 1}, {"kb/s", 1'000}, {"Mb/s", 1'000'000}, {"Gb/s", 1'000'000'000}};
// As tc(8) and devlink-rate(8) write them; there "bps" are bytes, so it is nobody's here.
constexpr Unit kReadRates[] = {
    {"b/s", 1},          {"kb/s", 1'000},        {"Mb/s", 1'000'000},   {"Gb/s", 1'000'000'000},
    {"bit", 1},          {"kbit", 1'000},        {"Mbit", 1'000'000},   {"Gbit", 1'000'000'000},
    {"bit/s", 1},        {"kbit/s", 1'000},      {"Mbit/s", 1'000'000}, {"Gbit/s", 1'000'000'000},
    {"mbit", 1'000'000}, {"gbit", 1'000'000'000}};
constexpr Unit kPacketRates[] = {{"/s", 1}, {"k/s", 1'000}, {"M/s", 1'000'000}};
constexpr Unit kDurations[] = {
    {"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000}};

std::expected<std::uint64_t, UnitError> parse(std::string_view text, std::span<const Unit> units,
                                              std::uint64_t largest, std::uint64_t bare = 0) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return std::unexpected(UnitError::too_large);
  if (error != std::errc{}) return std::unexpected(UnitError::no_number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (text.empty()) {
    if (bare == 0) return std::unexpected(UnitError::no_unit);
    if (number > largest / bare) return std::unexpected(UnitError::too_large);
    return number * bare;
  }
  for (const auto& unit : units) {
    if (text != unit.name) continue;
    if (number > largest / unit.factor) return std::unexpected(UnitError::too_large);
    return number * unit.factor;
  }
  return std::unexpected(UnitError::unknown_unit);
}

// The value in the largest unit that leaves at least 1, rounded to three significant digits.
std::string format(double value, std::span<const Unit> units) {
  if (!std::isfinite(value)) return fmt::format("{} {}", value, units.front().name);
  if (std::abs(value) < 0.0005) return fmt::format("0 {}", units.front().name);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const double scaled = value / static_cast<double>(units[i].factor), size = std::abs(scaled);
    // 999.5 would be printed as 1000: that belongs to the next unit.
    if (i + 1 < units.size() &&
        size >= 0.9995 * static_cast<double>(units[i + 1].factor) / static_cast<double>(units[i].factor))
      continue;
    return fmt::format("{:.{}f} {}", scaled, size < 9.995 ? 2 : size < 99.95 ? 1 : 0, units[i].name);
  }
  return {};
}

}  // namespace

std::string_view describe(UnitError error) {
  switch (error) {
    case UnitError::no_number:
      return "does not start with a whole number";
    case UnitError::no_unit:
      return "has no unit";
    case UnitError::unknown_unit:
      return "has a unit that is not known";
    case UnitError::too_large:
      return "is too large";
  }
  return "is not understood";
}

std::expected<std::uint64_t, UnitError> parse_size(std::string_view text) {
  return parse(text, kSizes, std::numeric_limits<std::uint64_t>::max());
}

std::expected<std::uint64_t, UnitError> parse_rate(std::string_view text, std::uint64_t bare) {
  return parse(text, kReadRates, std::numeric_limits<std::uint64_t>::max(), bare);
}

std::expected<Duration, UnitError> parse_duration(std::string_view text) {
  const auto ns = parse(text, kDurations, static_cast<std::uint64_t>(Duration::max().count()));
  if (!ns) return std::unexpected(ns.error());
  return Duration(static_cast<Duration::rep>(*ns));
}

std::string format_size(std::uint64_t bytes) {
  const Unit* best = &kSizes[0];
  for (const auto& unit : kSizes)
    if (bytes != 0 && bytes % unit.factor == 0) best = &unit;
  return fmt::format("{} {}", bytes / best->factor, best->name);
}

std::string format_rate(double bits_per_second) {
  return format(bits_per_second, kRates);
}

std::string format_packet_rate(double packets_per_second) {
  return format(packets_per_second, kPacketRates);
}

std::string format_duration(Duration duration) {
  // Minutes are for input only: "90.0 s" reads better than "1.50 min".
  return format(static_cast<double>(duration.count()), std::span(kDurations).first(4));
}

}  // namespace ladon
