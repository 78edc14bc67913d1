// A limit in the plainest form: what has passed since the beginning may at no time exceed rate x time +
// burst.
#pragma once

#include "para/policer.h"

namespace ladon::para {

class TestPolicer final : public Policer {
 public:
  // Bytes a second, bytes.
  TestPolicer(std::uint64_t rate, std::uint64_t burst, Instant now)
      : rate_(rate), burst_(burst), tokens_at_(now), tokens_(static_cast<double>(burst)) {}

  bool allows(const Load& load, Instant now) override {
    return tokens(now) >= static_cast<double>(load.bytes);
  }
  void charge(const Load& load, Instant now) override {
    tokens_ = tokens(now) - static_cast<double>(load.bytes);
    tokens_at_ = now;
    passed += load.bytes;
    ++frames;
  }
  std::optional<Instant> when(const Load& load, Instant now) const override {
    if (load.bytes > burst_) return std::nullopt;
    const double missing = static_cast<double>(load.bytes) - tokens(now);
    if (missing <= 0) return now;
    return now + Duration(static_cast<Duration::rep>(missing / static_cast<double>(rate_) * 1e9) + 1);
  }

  std::uint64_t passed = 0, frames = 0;

 private:
  [[nodiscard]] double tokens(Instant now) const {
    const double gained = static_cast<double>((now - tokens_at_).count()) * 1e-9 * static_cast<double>(rate_);
    return std::min(static_cast<double>(burst_), tokens_ + gained);
  }
  std::uint64_t rate_, burst_;
  Instant tokens_at_;
  double tokens_;
};

}  // namespace ladon::para
