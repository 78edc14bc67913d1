#include "para/meter_policer.h"

#include <algorithm>
#include <utility>

#include "qos/level.h"

namespace ladon::para {
namespace {

constexpr std::uint64_t kBitsPerByte = 8;

[[nodiscard]] MeterPolicer::Rates rates_of(const RateLimit& limit) {
  const std::uint64_t burst = limit.burst != 0 ? limit.burst : default_burst(limit.rate);
  const std::uint64_t bits = std::min(burst, qos::Bucket::kMostBurst / kBitsPerByte) * kBitsPerByte;
  return {.bits = qos::MeterRates{.committed = limit.rate, .committed_burst = bits}, .frames = std::nullopt};
}

void take(std::optional<qos::Meter>& meter, std::uint64_t units, Instant now) {
  if (meter) meter->take(meter->colour(units, now), units);
}

}  // namespace

std::uint64_t default_burst(std::uint64_t rate) {
  return std::max(kLeastBurst, qos::default_burst({.most = rate}, qos::Measure::bits));
}

MeterPolicer::MeterPolicer(const Rates& rates, Instant now) {
  if (rates.bits) bits_.emplace(*rates.bits, now);
  if (rates.frames) frames_.emplace(*rates.frames, now);
}

MeterPolicer::MeterPolicer(const RateLimit& limit, Instant now) : MeterPolicer(rates_of(limit), now) {}

bool MeterPolicer::allows(const Load& load, Instant now) {
  const auto red = [now](std::optional<qos::Meter>& meter, std::uint64_t units) {
    return meter && meter->colour(units, now) == qos::Colour::red;
  };
  return !red(bits_, load.bytes * kBitsPerByte) && !red(frames_, load.frames);
}

void MeterPolicer::charge(const Load& load, Instant now) {
  take(bits_, load.bytes * kBitsPerByte, now);
  take(frames_, load.frames, now);
}

std::optional<Instant> MeterPolicer::when(const Load& load, Instant now) const {
  Instant at = now;
  for (const auto& [meter, units] :
       {std::pair(&bits_, load.bytes * kBitsPerByte), std::pair(&frames_, std::uint64_t{load.frames})}) {
    if (!*meter) continue;
    const auto covered = (*meter)->when(units);
    if (!covered) return std::nullopt;
    at = std::max(at, *covered);
  }
  return at;
}

}  // namespace ladon::para
