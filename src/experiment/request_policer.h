// A limit on requests in a host's software, as a rule of netfilter on packets that carry data would be: it
// meters the frames of more than a bare TCP segment's length, and lets the others pass. By the time that it
// refuses a request, the device has received it and the host has looked at it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "para/policer.h"
#include "qos/meter.h"

namespace ladon::experiment {

// Ethernet, IPv4 and TCP headers with the options of a SYN come to 74 bytes.
inline constexpr std::uint64_t kLongestBareSegment = 80;

class RequestPolicer final : public para::Policer {
 public:
  // Requests a second; at most `burst` at once, one at least.
  RequestPolicer(double rate, double burst, Instant now)
      : meter_({.committed = thousandths(rate), .committed_burst = std::max(kRequest, thousandths(burst))},
               now) {}

  [[nodiscard]] bool allows(const para::Load& load, Instant now) override {
    if (!is_request(load) || meter_.colour(kRequest, now) != qos::Colour::red) return true;
    ++refused_frames_;
    refused_bytes_ += load.bytes;
    return false;
  }
  void charge(const para::Load& load, Instant) override {
    if (is_request(load)) meter_.take(qos::Colour::green, kRequest);
  }
  // On received frames, which do not wait.
  [[nodiscard]] std::optional<Instant> when(const para::Load&, Instant) const override {
    return std::nullopt;
  }

  [[nodiscard]] std::uint64_t refused_frames() const { return refused_frames_; }
  [[nodiscard]] std::uint64_t refused_bytes() const { return refused_bytes_; }

 private:
  static constexpr std::uint64_t kRequest = 1000;  // in the meter's units: rates below 1 a second have some
  [[nodiscard]] static std::uint64_t thousandths(double value) {
    return static_cast<std::uint64_t>(std::llround(std::max(0.0, value) * static_cast<double>(kRequest)));
  }
  [[nodiscard]] static bool is_request(const para::Load& load) {
    return load.bytes > load.frames * kLongestBareSegment;
  }

  qos::Meter meter_;
  std::uint64_t refused_frames_ = 0, refused_bytes_ = 0;
};

}  // namespace ladon::experiment
