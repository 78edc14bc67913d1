// SIGINT, SIGTERM and SIGHUP as one flag, SIGUSR1 as another, while this object lives.
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
  // SIGUSR1 has come since the last call.
  [[nodiscard]] bool take_report_request() const;
};

}  // namespace ladon::app
