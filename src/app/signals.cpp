#include "app/signals.h"

#include <signal.h>

#include <array>

namespace ladon::app {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
// A handler may touch nothing else; lock-free atomics are allowed in it.
std::atomic<bool> stop_requested{false}, report_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void request_stop(int) {
  stop_requested.store(true, std::memory_order_relaxed);
}

void request_report(int) {
  report_requested.store(true, std::memory_order_relaxed);
}

void handle(void (*stop)(int), void (*report)(int)) {
  struct sigaction action{};
  action.sa_handler = stop;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
  action.sa_handler = report;
  ::sigaction(SIGUSR1, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals() {
  handle(request_stop, request_report);
  ::signal(SIGPIPE, SIG_IGN);
}
StopSignals::~StopSignals() {
  handle(SIG_DFL, SIG_DFL);
}

const std::atomic<bool>& StopSignals::stopped() const {
  return stop_requested;
}

bool StopSignals::take_report_request() const {
  return report_requested.exchange(false, std::memory_order_relaxed);
}

}  // namespace ladon::app
