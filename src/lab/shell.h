// A guest's command line over its second serial port: one line out, the lines it printed and its exit status
// back. The protocol is guest/init's: "RUN id command", "BEGIN id", "| output", "END id status", "READY
// name", "FAILED why".
#pragma once

#include <deque>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/time.h"

namespace ladon::lab {

struct CommandResult {
  int status = 0;
  std::vector<std::string> lines;
  [[nodiscard]] std::string text() const;
};

class GuestShell {
 public:
  // Connects to QEMU's socket, waiting for it to appear.
  [[nodiscard]] static std::expected<GuestShell, std::string> connect(const std::string& path,
                                                                      Duration timeout);

  // Until the guest says that its network is up; the error is what it says failed.
  [[nodiscard]] std::expected<void, std::string> wait_ready(Duration timeout);
  // Runs `command` in the guest's shell. One at a time.
  [[nodiscard]] std::expected<CommandResult, std::string> run(std::string_view command, Duration timeout);
  // As run, in two halves, so that several guests work at once.
  [[nodiscard]] std::expected<void, std::string> start(std::string_view command);
  [[nodiscard]] std::expected<CommandResult, std::string> finish(Duration timeout);

 private:
  explicit GuestShell(FileDescriptor socket) : socket_(std::move(socket)) {}
  [[nodiscard]] std::expected<std::string, std::string> next_line(Instant deadline);

  static constexpr std::size_t kMaxLine = 64 * 1024, kMaxLines = 10'000;
  FileDescriptor socket_;
  std::string partial_;
  std::deque<std::string> lines_;
  unsigned next_id_ = 1;
};

}  // namespace ladon::lab
