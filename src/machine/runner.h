// A rack that runs: its machine on an engine thread, the management host's program as a process of its own,
// everything in a run directory that goes with it.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/process.h"
#include "console/message.h"
#include "machine/machine.h"
#include "machine/run_directory.h"

namespace ladon::machine {

struct RunnerOptions {
  // The program to run as `PROGRAM mh ...`; empty: the management host's software runs on a thread of this
  // process.
  std::string program;
  std::string log_level = "warning";
  std::string management_log;  // file for what that program says; empty: standard error
};

class Runner {
 public:
  // To be called before other threads exist, on a thread that lives as long as the runner. The error is a
  // sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<Runner>, std::string> start(const Rack& rack,
                                                                                 const RunnerOptions& options,
                                                                                 const Log& log);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Until every guest's slot has its VF: ten seconds, and a tenth more for each guest with a function of its
  // own. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> wait_assigned();
  // Starts the management host's program again if it has ended; to be called now and then.
  [[nodiscard]] std::expected<void, std::string> keep_managed();

  // Runs `task` on the engine's thread and waits for it.
  template <class Task>
  auto on_engine(Task task) -> decltype(task(std::declval<Machine&>())) {
    using Returned = decltype(task(*machine_));
    std::packaged_task<Returned()> packaged([&] { return task(*machine_); });
    auto result = packaged.get_future();
    machine_->post([&packaged] { packaged(); });
    return result.get();
  }

  // Asks the management host's program (management_verbs.h), waiting a while for one that has just been
  // started. Not on the engine's thread. The error is a sentence for a person.
  [[nodiscard]] std::expected<console::Json, std::string> ask_management(const console::Json& request) const;

  // Guests that share a function, on any thread but the engine's: what their hosts' software lets one send
  // and be sent from now on - false if no guest that shares has that name -, and what has passed and was
  // dropped.
  [[nodiscard]] bool set_shared_limits(const std::string& guest, const SharedLimits& limits);
  [[nodiscard]] std::vector<SharedFunctionReport> shared_functions();

  [[nodiscard]] const std::string& directory() const { return directory_.path(); }
  [[nodiscard]] std::string journal() const { return directory() + "/journal"; }  // the management host's
  // What never changes after the start may be read from any thread.
  [[nodiscard]] const Machine& machine() const { return *machine_; }
  // The remote test host of a NIC; nullptr if its wire has none. Its commands may be run from the caller's
  // thread.
  [[nodiscard]] port::RemoteHost* remote(std::size_t nic) { return machine_->wire(nic).remote.get(); }

 private:
  Runner(RunDirectory directory, RunnerOptions options, Log log);
  [[nodiscard]] std::expected<void, std::string> start_management();
  [[nodiscard]] std::string management_control() const { return directory() + "/mh.sock"; }
  void stop_management();

  RunDirectory directory_;
  RunnerOptions options_;
  Log log_;
  SteadyClock clock_;
  std::unique_ptr<Machine> machine_;
  std::thread engine_;
  std::unique_ptr<Process> management_;
  std::thread management_thread_;
  Instant next_start_;  // of the management program: not more often than once a second
  std::atomic<bool> stop_management_{false};
};

}  // namespace ladon::machine
