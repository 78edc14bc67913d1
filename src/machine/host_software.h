// The software of one host that drives the functions its guests share: a thread with an event loop of its
// own, beside the engine that is the hardware. It waits for the engine (registers) and for the management
// host (mailboxes); nobody there waits for it.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ch/host_part.h"
#include "machine/shared_function.h"

namespace ladon::machine {

class HostSoftware {
 public:
  struct Options {
    std::string directory;
    std::function<void()> wake_engine;  // from any thread
  };
  // On the engine's thread. Nothing runs before run(). `rack` outlives it. The error is a sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<HostSoftware>, std::string> make(
      const Rack& rack, std::size_t host, ch::HostPart& part, const Options& options, const Clock& clock,
      const Log& log);
  // Stops: the engine needs not serve any more.
  ~HostSoftware();
  HostSoftware(const HostSoftware&) = delete;
  HostSoftware& operator=(const HostSoftware&) = delete;

  void run();

  // ---- the engine's thread
  bool serve();
  // A slot of this host's part has got its VF, or lost it.
  void assigned(std::uint8_t slot, bool is);

  // ---- any thread but the engine's, which these may need
  // False if no guest here has that name.
  [[nodiscard]] bool set_limits(const std::string& guest, const SharedLimits& limits);
  [[nodiscard]] std::vector<SharedFunctionReport> report();

 private:
  HostSoftware(const Clock& clock) : clock_(clock), loop_(clock) {}
  // One round of the loop, no longer than so; `controls`: functions are also looked after.
  void turn(Duration longest, bool controls);
  // What a driver does that waits: the guests are served meanwhile.
  void pause();
  void run_tasks();
  template <class Task>
  auto call(Task task) -> decltype(task());

  const Clock& clock_;
  EpollLoop loop_;
  struct Entry {
    std::uint8_t slot = 0;
    std::unique_ptr<SharedFunction> function;
  };
  std::vector<Entry> functions_;  // one a NIC
  std::mutex tasks_mutex_;
  std::vector<std::move_only_function<void()>> tasks_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace ladon::machine
