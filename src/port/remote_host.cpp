#include "port/remote_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <system_error>

#include "port/pass_descriptors.h"
#include "port/remote_helper.h"

namespace ladon::port {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

struct Cloned {
  pid_t pid = -1;
  FileDescriptor process;
  int error = 0;
};

Cloned clone_helper(const helper::Setup& setup) {
  // The helper's stack, in its own copy of this memory.
  static constexpr std::size_t kStack = 256 * 1024;
  const std::unique_ptr<std::byte[]> stack(new std::byte[kStack]);
  const auto main = [](void* with) { return helper::serve(*static_cast<const helper::Setup*>(with)); };
  int process = -1;
  const int flags =
      CLONE_NEWNET | CLONE_NEWPID | CLONE_PIDFD | SIGCHLD | (setup.map_user ? CLONE_NEWUSER : 0);
  const pid_t pid = ::clone(main, stack.get() + kStack, flags, const_cast<helper::Setup*>(&setup), &process);
  return {pid, FileDescriptor(process), pid < 0 ? errno : 0};
}

std::string explain(const helper::Report& report) {
  const char* what = "the control socket";
  switch (report.step) {
    case helper::Step::user:
      what = "its user namespace (/proc/self/uid_map)";
      break;
    case helper::Step::tap:
      what = "the tap device (/dev/net/tun)";
      break;
    case helper::Step::mac:
      what = "the interface's MAC address";
      break;
    case helper::Step::mtu:
      what = "the interface's MTU";
      break;
    case helper::Step::address:
      what = "the interface's IP address";
      break;
    case helper::Step::up:
      what = "bringing the interface up";
      break;
    case helper::Step::done:
    case helper::Step::control:
      break;
  }
  return fmt::format("cannot make the remote test host: {}: {}", what, reason(report.error));
}

constexpr std::string_view kInstead = "; run with more privileges or use a wire of kind 'peer'";

}  // namespace

std::expected<RemoteHost, std::string> RemoteHost::start(const RemoteHostOptions& options) {
  helper::Setup setup;
  if (options.interface.empty() || options.interface.size() >= setup.interface.size())
    return std::unexpected(
        fmt::format("'{}' is no name for an interface; use 1 to 15 characters", options.interface));
  std::ranges::copy(options.interface, setup.interface.begin());
  setup.address = options.address.address.bits;
  setup.mask = options.address.mask();
  setup.mtu = options.mtu;
  if (options.mac) setup.mac = options.mac->bytes, setup.has_mac = true;
  setup.uid = ::geteuid();
  setup.gid = ::getegid();

  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return std::unexpected(fmt::format("cannot make the remote test host: {}", reason(errno)));
  RemoteHost host;
  host.control_.reset(pair[0]);
  FileDescriptor theirs(pair[1]);
  setup.control = theirs.get();

  Cloned cloned = clone_helper(setup);
  if (cloned.error == EPERM) {  // not root: a user namespace gives its first process the rights it needs
    setup.map_user = true;
    cloned = clone_helper(setup);
  }
  if (cloned.error != 0)
    return std::unexpected(fmt::format("cannot make the remote test host: its namespaces: {}{}",
                                       reason(cloned.error), kInstead));
  host.pid_ = cloned.pid;
  host.process_ = std::move(cloned.process);
  theirs.reset();

  helper::Report report{helper::Step::control, EPIPE};
  std::array<int, 1> tap{-1};
  (void)receive_with_descriptors(host.control_.get(), std::as_writable_bytes(std::span(&report, 1)), tap);
  if (report.step != helper::Step::done || tap[0] < 0)
    return std::unexpected(explain(report) + std::string(kInstead));
  host.wire_ = std::make_unique<TapWire>(FileDescriptor(tap[0]));
  return host;
}

RemoteHost::~RemoteHost() {
  if (!process_) return;  // moved from, or never started
  // Through the pidfd, so that no stranger is hit even if someone else has reaped the process.
  ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
  ::waitpid(pid_, nullptr, 0);
}

std::unique_ptr<TapWire> RemoteHost::take_wire() {
  return std::move(wire_);
}

std::expected<RemoteCommand, std::string> RemoteHost::spawn(const std::vector<std::string>& arguments,
                                                            Streams streams) {
  std::string text;
  for (const auto& argument : arguments) text.append(argument.c_str(), argument.size() + 1);
  if (arguments.empty() || arguments.size() > helper::kMaxArguments ||
      text.size() > helper::kMaxCommandBytes ||
      std::ranges::count(text, '\0') != static_cast<std::ptrdiff_t>(arguments.size()))
    return std::unexpected(std::string("a command needs 1 to 128 arguments, 16 KiB together"));
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return std::unexpected(reason(errno));
  RemoteCommand command{FileDescriptor(pair[0])};
  const FileDescriptor status(pair[1]), null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto or_null = [&](int fd) { return fd < 0 ? null.get() : fd; };
  const std::array<int, 4> fds{status.get(), or_null(streams.in), or_null(streams.out),
                               or_null(streams.error)};
  if (!send_with_descriptors(control_.get(), std::as_bytes(std::span(text)), fds))
    return std::unexpected(fmt::format("the remote test host is gone: {}", reason(errno)));
  return command;
}

std::expected<CommandOutput, std::string> RemoteHost::run(const std::vector<std::string>& arguments,
                                                          std::chrono::milliseconds at_most) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return std::unexpected(reason(errno));
  const FileDescriptor from(pipe[0]);
  FileDescriptor to(pipe[1]);
  auto command = spawn(arguments, {.in = -1, .out = to.get(), .error = to.get()});
  to.reset();
  if (!command) return std::unexpected(command.error());

  const auto deadline = std::chrono::steady_clock::now() + at_most;
  const auto left = [&] {
    const auto rest =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return std::max(rest, std::chrono::milliseconds(0));
  };
  CommandOutput output;
  for (;;) {  // until every process that holds the pipe has closed it
    pollfd watched{from.get(), POLLIN, 0};
    if (::poll(&watched, 1, static_cast<int>(left().count())) == 0)
      return std::unexpected(
          fmt::format("{} did not end within {} ms in the remote test host", arguments[0], at_most.count()));
    std::array<char, 4096> buffer;
    const ssize_t length = ::read(from.get(), buffer.data(), buffer.size());
    if (length == 0) break;
    if (length < 0 && errno != EINTR) return std::unexpected(reason(errno));
    if (length > 0)
      output.text.append(buffer.data(),
                         std::min(static_cast<std::size_t>(length), kMaxOutput - output.text.size()));
  }
  const auto status = command->wait(left());
  if (!status) return std::unexpected(fmt::format("{} closed its output but did not end", arguments[0]));
  output.status = *status;
  return output;
}

std::optional<int> RemoteCommand::ended() {
  if (ended_) return ended_;
  int status = 0;
  const ssize_t length = ::recv(status_.get(), &status, sizeof status, MSG_DONTWAIT);
  if (length < 0) return std::nullopt;
  // The end without a status: the whole host has been killed.
  ended_ = length == sizeof status ? status : SIGKILL;
  return ended_;
}

std::optional<int> RemoteCommand::wait(std::chrono::milliseconds at_most) {
  if (auto status = ended()) return status;
  pollfd watched{status_.get(), POLLIN, 0};
  while (::poll(&watched, 1, static_cast<int>(at_most.count())) < 0 && errno == EINTR) continue;
  return ended();
}

}  // namespace ladon::port
