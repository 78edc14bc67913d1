// A child process that cannot outlive us: it is killed when this object goes, and by the kernel if we are
// killed.
#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace ladon {

struct ProcessOptions {
  std::vector<std::string> command;  // the program's path and its arguments; no shell
  std::string output;                // standard output and error go to this file; empty: /dev/null
  bool share_error = false;          // standard error is ours
};

class Process {
 public:
  // Why it could not be started, as text.
  [[nodiscard]] static std::expected<Process, std::string> start(const ProcessOptions& options);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Wait status once it has ended; nullopt while it runs.
  [[nodiscard]] std::optional<int> poll();
  // SIGTERM, and SIGKILL if it has not ended after `grace`.
  void stop(Duration grace);
  // SIGKILL at once, as a failing machine would.
  void kill();

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  std::optional<int> status_;
};

}  // namespace ladon
