// vhost_cable SOCKET SOCKET: joins two virtio-net guests back to back over vhost-user, until SIGTERM or
// SIGINT; then says as JSON what each has sent and what was refused.
#include "fakes/vhost_cable.h"

#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <exception>

#include "base/event_loop.h"
#include "base/time.h"

namespace {

using namespace ladon;

std::atomic<bool> ended = false;

std::string refusals_of(const vhost::Backend& backend) {
  std::string all;
  const auto add = [&all](auto reason, std::uint64_t count) {
    all += fmt::format("{}\"{}\": {}", all.empty() ? "" : ", ", name(reason), count);
  };
  backend.refusals().each(add);
  backend.flaws().each(add);
  backend.traffic().drops.each(add);
  return all;
}

void report(const vhost::Backend& backend, const char* separator) {
  const vhost::Traffic& traffic = backend.traffic();
  fmt::print(
      "{{\"sent_frames\": {}, \"sent_bytes\": {}, \"received_frames\": {}, \"received_bytes\": {}, "
      "\"port_busy\": "
      "{}, \"guest_busy\": {}, \"kicks\": {}, \"signals\": {}, \"refused\": {{{}}}}}{}",
      traffic.from_guest_frames, traffic.from_guest_bytes, traffic.to_guest_frames, traffic.to_guest_bytes,
      traffic.port_busy, traffic.guest_busy, backend.kicks(), backend.signals(), refusals_of(backend),
      separator);
}

int run(char** arguments) {
  const SteadyClock clock;
  EpollLoop loop(clock);
  fakes::VhostCable cable(loop, {arguments[1], arguments[2]}, {});
  fmt::print(stderr, "ready\n");
  while (!ended) loop.run_once(std::chrono::milliseconds(100));
  fmt::print("[");
  report(cable.backend(0), ", ");
  report(cable.backend(1), "]\n");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    fmt::print(stderr, "usage: vhost_cable SOCKET SOCKET\n");
    return 2;
  }
  for (const int number : {SIGTERM, SIGINT}) ::signal(number, [](int) { ended = true; });
  try {
    return run(arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
