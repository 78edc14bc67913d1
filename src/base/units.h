// Sizes, rates and durations as people write and read them. Sizes count in powers of 1024 and are exact;
// rates count in powers of 1000.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ladon {

enum class UnitError : std::uint8_t { no_number, no_unit, unknown_unit, too_large };
// What is wrong, to follow the quoted text: "has no unit".
[[nodiscard]] std::string_view describe(UnitError error);

// "4MiB" or "4 MiB": a whole number and one of B, KiB, MiB, GiB, TiB; in bytes.
[[nodiscard]] std::expected<std::uint64_t, UnitError> parse_size(std::string_view text);
// "10Gb/s", "10Gbit" or "10Gbit/s": a whole number and one of b/s, kb/s, Mb/s, Gb/s, or of bit, kbit, Mbit,
// Gbit; in bits a second. A number without a unit counts in `bare` bits a second; 0: it must have one.
[[nodiscard]] std::expected<std::uint64_t, UnitError> parse_rate(std::string_view text,
                                                                 std::uint64_t bare = 0);
// "10ms": a whole number and one of ns, us, ms, s, min.
[[nodiscard]] std::expected<Duration, UnitError> parse_duration(std::string_view text);

// Exact, in the largest unit that leaves a whole number: "4 MiB", "1536 MiB", "1025 B".
[[nodiscard]] std::string format_size(std::uint64_t bytes);
// Three significant digits: "1.85 Gb/s", "12.0 kb/s", "0 b/s".
[[nodiscard]] std::string format_rate(double bits_per_second);
// Three significant digits: "8.60 M/s".
[[nodiscard]] std::string format_packet_rate(double packets_per_second);
// Three significant digits: "1.25 ms", "90.0 s".
[[nodiscard]] std::string format_duration(Duration duration);

}  // namespace ladon
