// A token bucket in exact arithmetic. Its tokens are billionths of a unit (a bit, a packet, a unit of cost),
// so that a rate of r units a second fills it by r tokens a nanosecond: no remainder, hence no drift, however
// the calls are spread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace ladon::qos {

class Bucket {
 public:
  static constexpr std::int64_t kTokensPerUnit = 1'000'000'000;
  // The largest burst, in units: 4.6 Gbit.
  static constexpr std::uint64_t kMostBurst =
      static_cast<std::uint64_t>((std::int64_t{1} << 62) / kTokensPerUnit);

  constexpr Bucket() = default;
  // `rate` in units a second; `burst` in units, at most kMostBurst. Full at the start.
  constexpr Bucket(std::uint64_t rate, std::uint64_t burst)
      : rate_(rate),
        capacity_(static_cast<std::int64_t>(std::min(burst, kMostBurst)) * kTokensPerUnit),
        tokens_(capacity_) {}

  [[nodiscard]] constexpr std::uint64_t rate() const { return rate_; }
  [[nodiscard]] constexpr std::uint64_t burst() const {
    return static_cast<std::uint64_t>(capacity_ / kTokensPerUnit);
  }

  // `elapsed` >= 0 has passed since the last call.
  constexpr void advance(Duration elapsed) {
    const auto missing = static_cast<Wide>(capacity_) - tokens_;
    const auto gained = static_cast<Wide>(rate_) * static_cast<std::uint64_t>(elapsed.count());
    tokens_ = gained >= missing ? capacity_ : tokens_ + static_cast<std::int64_t>(gained);
  }
  [[nodiscard]] constexpr bool covers(std::uint64_t units) const {
    return tokens_ >= static_cast<Wide>(units) * kTokensPerUnit;
  }
  // Whole units at hand; negative if more was taken than covered.
  [[nodiscard]] constexpr std::int64_t units() const {
    return tokens_ >= 0 ? tokens_ / kTokensPerUnit : -((kTokensPerUnit - 1 - tokens_) / kTokensPerUnit);
  }
  // May take more than is covered: the bucket then owes it.
  constexpr void take(std::uint64_t units) { tokens_ -= static_cast<std::int64_t>(units) * kTokensPerUnit; }
  // Takes what is there, at most `units`.
  constexpr void take_some(std::uint64_t units) {
    tokens_ = covers(units) ? tokens_ - static_cast<std::int64_t>(units) * kTokensPerUnit
                            : std::min<std::int64_t>(tokens_, 0);
  }
  // How long until `units` are covered; kNever if they never will be.
  static constexpr Duration kNever = Duration::max();
  [[nodiscard]] constexpr Duration until(std::uint64_t units) const {
    const auto wanted = static_cast<Wide>(units) * kTokensPerUnit;
    if (tokens_ >= wanted) return Duration::zero();
    if (wanted > capacity_ || rate_ == 0) return kNever;
    const auto missing = static_cast<std::uint64_t>(wanted - tokens_);
    return Duration(static_cast<Duration::rep>(missing / rate_ + (missing % rate_ != 0 ? 1 : 0)));
  }

 private:
  __extension__ using Wide = __int128;

  std::uint64_t rate_ = 0;
  std::int64_t capacity_ = 0, tokens_ = 0;
};

}  // namespace ladon::qos
