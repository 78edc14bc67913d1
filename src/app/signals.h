// SIGINT, SIGTERM and SIGHUP as a flag, while this object lives.
#pragma once

#include <atomic>

namespace ladon::app {

class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  [[nodiscard]] const std::atomic<bool>& stopped() const;
};

}  // namespace ladon::app
