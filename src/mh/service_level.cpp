#include "mh/service_level.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "base/units.h"

namespace ladon::mh {

namespace {

enum class Measure : std::uint8_t { bits, packets, cost };

struct Range {
  RateRange ServiceLevel::* range;
  Measure measure;
  std::string_view guaranteed, most, burst;  // fields
};
constexpr std::array kRanges{
    Range{&ServiceLevel::receive, Measure::bits, "rx_guaranteed", "rx_max", "rx_burst"},
    Range{&ServiceLevel::transmit, Measure::bits, "tx_share", "tx_max", "tx_burst"},
    Range{&ServiceLevel::receive_packets, Measure::packets, "rx_packets_guaranteed", "rx_packets_max",
          "rx_packets_burst"},
    Range{&ServiceLevel::receive_cost, Measure::cost, "rx_cost_guaranteed", "rx_cost_max", "rx_cost_burst"}};

// What the device charges for the largest frame (doc/hardware/nic.md): 8, 8 for each 2 KiB, 2 for each 16
// bytes.
constexpr std::uint64_t kLargestCost = 8 + 8 * ((kLargestFrame + 2047) / 2048) + kLargestFrame / 16 * 2;
// The device counts at most 2^62 / 10^9 units of a burst, bits where bytes are stated.
constexpr std::uint64_t kMostBurstUnits = (std::uint64_t{1} << 62) / 1'000'000'000;

std::uint64_t least_burst(Measure measure) {
  if (measure == Measure::packets) return 1;
  return measure == Measure::bits ? kLargestFrame : kLargestCost;
}
std::uint64_t most_burst(Measure measure) {
  return measure == Measure::bits ? kMostBurstUnits / 8 : kMostBurstUnits;
}

std::string amount(std::uint64_t value, Measure measure) {
  return measure == Measure::bits ? format_size(value) : std::to_string(value);
}
std::string rate(std::uint64_t value, Measure measure) {
  return measure == Measure::bits ? format_rate(static_cast<double>(value)) : fmt::format("{}/s", value);
}

std::optional<LevelMistake> mistake_in(const RateRange& range, const Range& names) {
  if (range.most != 0 && range.most < range.guaranteed)
    return LevelMistake{std::string(names.most),
                        fmt::format("{} are less than the {} of {}", rate(range.most, names.measure),
                                    rate(range.guaranteed, names.measure), names.guaranteed),
                        fmt::format("raise it, or lower {}", names.guaranteed)};
  if (range.burst == 0) return std::nullopt;
  if (const std::uint64_t least = least_burst(names.measure); range.burst < least)
    return LevelMistake{std::string(names.burst),
                        fmt::format("{} are smaller than the largest frame: nothing like it would ever pass",
                                    amount(range.burst, names.measure)),
                        fmt::format("write {} or more, or leave it out", amount(least, names.measure))};
  if (const std::uint64_t most = most_burst(names.measure); range.burst > most)
    return LevelMistake{std::string(names.burst),
                        fmt::format("{} are more than the device counts", amount(range.burst, names.measure)),
                        fmt::format("write {} or less", amount(most, names.measure))};
  return std::nullopt;
}

}  // namespace

std::optional<LevelMistake> mistake_in(const ServiceLevel& level) {
  for (const Range& names : kRanges)
    if (auto mistake = mistake_in(level.*names.range, names)) return mistake;
  if (level.memory_lendable != 0) {
    if (!level.memory || level.memory_lendable > *level.memory)
      return LevelMistake{"memory_lendable",
                          fmt::format("{} are more than its memory", format_size(level.memory_lendable)),
                          "state memory, and lend less of it"};
    if (*level.memory - level.memory_lendable < kLargestFrame)
      return LevelMistake{"memory_lendable", "what is not lent does not hold the largest frame",
                          fmt::format("keep {} or more", format_size(3 * kPacketPage))};
  }
  if (!level.memory || !level.has_partition()) return std::nullopt;
  if (const std::uint64_t most = *level.memory + level.memory_shared; most < kLargestFrame)
    return LevelMistake{
        "memory", fmt::format("{} do not hold the largest frame", format_size(most)),
        fmt::format("write {} or more, or 0 B for no partition and no link", format_size(3 * kPacketPage))};
  return std::nullopt;
}

}  // namespace ladon::mh
