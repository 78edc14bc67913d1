// A limit of the paravirtual path with the device's own meters (RFC 4115): in bits and in frames of what goes
// over the wire, each with a burst. In every interval of length t at most rate t + burst passes.
#pragma once

#include <cstdint>
#include <optional>

#include "para/policer.h"
#include "qos/meter.h"

namespace ladon::para {

// What one guest may send, or be sent; zero is no limit.
struct RateLimit {
  std::uint64_t rate = 0;   // bits a second
  std::uint64_t burst = 0;  // bytes; 0: default_burst()
  bool operator==(const RateLimit&) const = default;
};

// The burst where none is stated: 5 ms of the rate, as the device has it, but never less than two segments of
// the greatest length a guest may leave to be cut, headers repeated: a frame above the burst never passes.
inline constexpr std::uint64_t kLeastBurst = std::uint64_t{256} << 10;  // bytes
[[nodiscard]] std::uint64_t default_burst(std::uint64_t rate);

class MeterPolicer final : public Policer {
 public:
  // A measure without rates is not limited. Full at `now`.
  struct Rates {
    std::optional<qos::MeterRates> bits, frames;
  };
  MeterPolicer(const Rates& rates, Instant now);
  // Of a rate that is not zero.
  MeterPolicer(const RateLimit& limit, Instant now);

  [[nodiscard]] bool allows(const Load& load, Instant now) override;
  void charge(const Load& load, Instant now) override;
  [[nodiscard]] std::optional<Instant> when(const Load& load, Instant now) const override;

 private:
  std::optional<qos::Meter> bits_, frames_;
};

}  // namespace ladon::para
