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

void handle(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals() {
  handle(request_stop);
  ::signal(SIGPIPE, SIG_IGN);
}
StopSignals::~StopSignals() {
  handle(SIG_DFL);
}

const std::atomic<bool>& StopSignals::stopped() const {
  return stop_requested;
}

}  // namespace ladon::app
