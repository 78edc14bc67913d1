// What one vNIC may take, in three measures at once: bytes, packets and processing cost. A packet has the
// worst of its three colours, and one that is red in any measure takes nothing from any.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "qos/meter.h"

namespace ladon::qos {

// Bytes are metered in bits, so that rates are those of the wire.
enum class Measure : std::uint8_t { bits, packets, cost, count_ };
inline constexpr std::size_t kMeasures = static_cast<std::size_t>(Measure::count_);

// A packet's size in each measure.
struct Load {
  std::uint32_t bytes = 0;
  std::uint32_t cost = 0;
};

// What the device does for a frame, in units of its own: 8 for the frame, 8 for each descriptor (one for
// every 2 KiB), 1 for every 16 bytes that it moves and 1 for every 16 that it sums. A property of this
// device, stated in doc/hardware/nic.md.
[[nodiscard]] constexpr std::uint32_t cost_of(std::uint32_t bytes, bool verified) {
  const std::uint32_t lines = (bytes + 15) / 16;
  return 8 + 8 * ((bytes + 2047) / 2048) + (verified ? 2 * lines : lines);
}

class Limiter {
 public:
  // A measure without rates is not limited.
  using Rates = std::array<std::optional<MeterRates>, kMeasures>;
  Limiter() = default;
  Limiter(const Rates& rates, Instant now) {
    for (std::size_t i = 0; i < kMeasures; ++i) {
      if (!rates[i]) continue;
      meters_[i] = Meter(*rates[i], now);
      used_ |= 1u << i;
    }
  }

  [[nodiscard]] bool limits() const { return used_ != 0; }
  struct Verdict {
    Colour colour = Colour::green;
    std::array<Colour, kMeasures> by{};  // green where there is no limit
    // Of a red packet: the first measure that says so.
    [[nodiscard]] Measure measure() const {
      for (std::size_t i = 0; i < kMeasures; ++i)
        if (by[i] == Colour::red) return static_cast<Measure>(i);
      return Measure::count_;
    }
  };
  [[nodiscard]] Verdict judge(const Load& load, Instant now) {
    Verdict verdict;
    for (std::size_t i = 0; i < kMeasures; ++i) {
      if ((used_ >> i & 1) == 0) continue;
      verdict.by[i] = meters_[i].colour(units(i, load), now);
      verdict.colour = std::max(verdict.colour, verdict.by[i]);
    }
    return verdict;
  }
  // The packet is admitted: `verdict` is judge()'s, of the same instant, and not red.
  void take(const Verdict& verdict, const Load& load) {
    for (std::size_t i = 0; i < kMeasures; ++i)
      if ((used_ >> i & 1) != 0) meters_[i].take(verdict.by[i], units(i, load));
  }

 private:
  [[nodiscard]] static std::uint64_t units(std::size_t measure, const Load& load) {
    switch (static_cast<Measure>(measure)) {
      case Measure::bits:
        return std::uint64_t{load.bytes} * 8;
      case Measure::packets:
        return 1;
      default:
        return load.cost;
    }
  }

  std::array<Meter, kMeasures> meters_{};
  std::uint32_t used_ = 0;  // bit i: measure i is limited
};

}  // namespace ladon::qos
