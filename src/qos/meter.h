// A two-rate three-colour meter after RFC 4115, colour-blind: what the committed rate covers is green, what
// the excess rate covers is yellow, the rest is red. The committed rate is what is guaranteed, committed and
// excess together are the most that passes. In every interval of length t
//   green <= CIR t + CBS    and    green + yellow <= (CIR + EIR) t + CBS + EBS.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "qos/bucket.h"

namespace ladon::qos {

enum class Colour : std::uint8_t { green, yellow, red };

// Rates in units a second, bursts in units.
struct MeterRates {
  std::uint64_t committed = 0, committed_burst = 0;  // CIR, CBS
  std::uint64_t excess = 0, excess_burst = 0;        // EIR, EBS

  friend bool operator==(const MeterRates&, const MeterRates&) = default;
};

class Meter {
 public:
  Meter() = default;
  // Full at `now`.
  Meter(const MeterRates& rates, Instant now)
      : committed_(rates.committed, rates.committed_burst),
        excess_(rates.excess, rates.excess_burst),
        last_(now) {}

  // The colour of `units` now. Nothing is taken: a packet may yet be refused for another reason. A clock
  // that stands still or goes back adds nothing.
  [[nodiscard]] Colour colour(std::uint64_t units, Instant now) {
    if (now > last_) {
      committed_.advance(now - last_);
      excess_.advance(now - last_);
      last_ = now;
    }
    // RFC 4115 section 3 asks for more tokens than bytes; here as many will do, so that a burst of one frame
    // passes one.
    if (committed_.covers(units)) return Colour::green;
    return excess_.covers(units) ? Colour::yellow : Colour::red;
  }
  // When colour() stops saying red of so many units, if nothing is taken until then; nullopt: never.
  [[nodiscard]] std::optional<Instant> when(std::uint64_t units) const {
    const Duration wait = std::min(committed_.until(units), excess_.until(units));
    if (wait == Bucket::kNever) return std::nullopt;
    return wait > Instant::max() - last_ ? Instant::max() : last_ + wait;
  }
  // After colour() said `colour`, which is not red.
  void take(Colour colour, std::uint64_t units) {
    (colour == Colour::green ? committed_ : excess_).take(units);
  }

 private:
  Bucket committed_, excess_;
  Instant last_{};
};
// So that a thousand of them stay in the first-level cache's neighbourhood: one line each.
static_assert(sizeof(Meter) <= 64);

}  // namespace ladon::qos
