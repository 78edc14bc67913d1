// The remote test host: a machine of its own at the other end of a tap wire, made of anonymous Linux
// namespaces (network and process; also a user namespace if the caller has no privileges and the system
// allows that). Programs run in it as on another machine: ping, iperf3. It leaves nothing behind: when this
// object or its process goes, however it goes, the namespaces, their processes and the tap go too.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/ipv4.h"
#include "base/mac.h"
#include "port/tap_wire.h"

namespace ladon::port {

struct RemoteHostOptions {
  std::string interface = "eth0";  // at most 15 characters
  Ipv4Interface address;
  std::uint32_t mtu = 1500;
  std::optional<MacAddress> mac{};  // nullopt: the kernel picks one at random
};

// A program that runs in the remote host. It is killed, with its process group, when this goes.
class RemoteCommand {
 public:
  explicit RemoteCommand(FileDescriptor status) : status_(std::move(status)) {}
  // Readable when it has ended.
  [[nodiscard]] int fd() const { return status_.get(); }
  // The wait status (see wait(2): WIFEXITED, WEXITSTATUS) once it has ended; nullopt while it runs. 127: no
  // such program; 126: could not be started. Never blocks.
  [[nodiscard]] std::optional<int> ended();
  // Blocks until it has ended or the time is over.
  [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds at_most);

 private:
  FileDescriptor status_;
  std::optional<int> ended_;
};

struct CommandOutput {
  int status = 0;    // wait status
  std::string text;  // standard output and standard error, at most RemoteHost::kMaxOutput bytes
};

class RemoteHost {
 public:
  static constexpr std::size_t kMaxOutput = 1 << 20;

  // Called by a thread that lives as long as the host is wanted (prctl(2), PR_SET_PDEATHSIG), best before
  // other threads exist. The error says what failed and what can be done.
  [[nodiscard]] static std::expected<RemoteHost, std::string> start(const RemoteHostOptions& options);
  RemoteHost(RemoteHost&&) noexcept = default;
  RemoteHost& operator=(RemoteHost&&) = delete;
  ~RemoteHost();

  // The near end of the wire: once; nullptr afterwards.
  [[nodiscard]] std::unique_ptr<TapWire> take_wire();

  // Starts a program, found through PATH, with these standard streams (-1: /dev/null).
  struct Streams {
    int in = -1, out = -1, error = -1;
  };
  [[nodiscard]] std::expected<RemoteCommand, std::string> spawn(const std::vector<std::string>& arguments,
                                                                Streams streams);
  // Runs a program to its end and collects its output. Blocks; an error if it takes longer than `at_most`
  // (then it is killed) or could not be started.
  [[nodiscard]] std::expected<CommandOutput, std::string> run(const std::vector<std::string>& arguments,
                                                              std::chrono::milliseconds at_most);

  // The first process of the host, as this process's namespace numbers it.
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  RemoteHost() = default;
  FileDescriptor control_, process_;  // process_: a pidfd
  pid_t pid_ = -1;
  std::unique_ptr<TapWire> wire_;
};

}  // namespace ladon::port
