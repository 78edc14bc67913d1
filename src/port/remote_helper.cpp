#include "port/remote_helper.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <span>

#include "port/pass_descriptors.h"
#include "port/tap_wire.h"

namespace ladon::port::helper {
namespace {

constexpr int kControl = 3, kChildren = 4;  // descriptors: control socket, SIGCHLD

bool write_file(const char* path, const char* text) {
  const FileDescriptor file(::open(path, O_WRONLY | O_CLOEXEC));
  const auto length = static_cast<ssize_t>(std::strlen(text));
  return file && ::write(file.get(), text, static_cast<std::size_t>(length)) == length;
}

// user_namespaces(7): one user may be mapped without privileges, groups only after setgroups is denied.
bool map_user(const Setup& setup) {
  char line[32];
  std::snprintf(line, sizeof line, "0 %u 1", setup.uid);
  if (!write_file("/proc/self/uid_map", line)) return false;
  if (!write_file("/proc/self/setgroups", "deny")) return false;
  std::snprintf(line, sizeof line, "0 %u 1", setup.gid);
  return write_file("/proc/self/gid_map", line);
}

// netdevice(7): one request about the interface `name`.
class Interface {
 public:
  explicit Interface(const char* name) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    std::memcpy(request_.ifr_name, name, std::min(std::strlen(name), sizeof request_.ifr_name - 1));
  }
  bool set_mac(const std::array<std::uint8_t, 6>& mac) {
    request_.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request_.ifr_hwaddr.sa_data, mac.data(), mac.size());
    return ask(SIOCSIFHWADDR);
  }
  bool set_mtu(std::uint32_t mtu) {
    request_.ifr_mtu = static_cast<int>(mtu);
    return ask(SIOCSIFMTU);
  }
  bool set_address(std::uint32_t address, std::uint32_t mask) {
    return set(address, SIOCSIFADDR) && set(mask, SIOCSIFNETMASK);
  }
  bool set_up() {
    request_.ifr_flags = IFF_UP | IFF_RUNNING;
    return ask(SIOCSIFFLAGS);
  }

 private:
  bool set(std::uint32_t address, unsigned long what) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(address);
    std::memcpy(&request_.ifr_addr, &in, sizeof in);
    return ask(what);
  }
  bool ask(unsigned long what) { return ::ioctl(socket_.get(), what, &request_) == 0; }

  FileDescriptor socket_;
  ifreq request_{};
};

// IPv6 would fill an idle wire with router and neighbour discovery; the test host speaks IPv4.
void silence_ipv6(const char* interface) {
  char path[80];
  std::snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", interface);
  (void)write_file(path, "1");  // a kernel without IPv6 has no such file
}

Step prepare(const Setup& setup, FileDescriptor& tap) {
  const char* name = setup.interface.data();
  if (setup.map_user && !map_user(setup)) return Step::user;
  auto opened = open_tap(name);
  if (!opened) {
    errno = opened.error();
    return Step::tap;
  }
  tap = std::move(*opened);
  silence_ipv6(name);
  Interface interface(name);
  if (setup.has_mac && !interface.set_mac(setup.mac)) return Step::mac;
  if (!interface.set_mtu(setup.mtu)) return Step::mtu;
  if (!interface.set_address(setup.address, setup.mask)) return Step::address;
  if (!interface.set_up()) return Step::up;
  return Interface("lo").set_up() ? Step::done : Step::up;
}

struct Command {
  pid_t pid = 0;  // 0: free
  int status = -1;
};

class Server {
 public:
  int run() {
    for (;;) {
      std::array<pollfd, 2 + kMaxCommands> watched{};
      watched[0] = {kControl, POLLIN, 0};
      watched[1] = {kChildren, POLLIN, 0};
      for (std::size_t i = 0; i < kMaxCommands; ++i) watched[2 + i] = {commands_[i].status, 0, 0};
      if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return 1;
      for (std::size_t i = 0; i < kMaxCommands; ++i)
        if (commands_[i].pid != 0 && (watched[2 + i].revents & (POLLHUP | POLLERR)) != 0)
          abandon(commands_[i]);
      if (watched[1].revents != 0) reap();
      if (watched[0].revents != 0 && !accept()) return 0;
    }
  }

 private:
  static void answer(int status, int value) {
    [[maybe_unused]] const auto sent = ::send(status, &value, sizeof value, MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(status);
  }

  // Nobody waits for it any more: it and its process group end; reap() frees the slot.
  static void abandon(Command& command) {
    ::kill(-command.pid, SIGKILL);
    ::close(std::exchange(command.status, -1));
  }

  void reap() {
    signalfd_siginfo info;
    while (::read(kChildren, &info, sizeof info) > 0) continue;
    int value = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &value, WNOHANG)) > 0;)
      for (auto& command : commands_)
        if (command.pid == pid) {
          if (command.status >= 0) answer(command.status, value);
          command = {};
        }
  }

  // False when the program that started us is gone.
  bool accept() {
    std::array<char, kMaxCommandBytes> text;
    std::array<int, 4> fds{-1, -1, -1, -1};
    const ssize_t length =
        receive_with_descriptors(kControl, std::as_writable_bytes(std::span(text)), std::span(fds));
    if (length <= 0) return length < 0 && (errno == EINTR || errno == EAGAIN);
    for (auto& command : commands_)
      if (command.pid == 0) {
        start(command, std::span(text).first(static_cast<std::size_t>(length)), fds);
        return true;
      }
    constexpr int kNoSlot = 126 << 8;  // as a shell reports a command that cannot be run
    answer(fds[0], kNoSlot);
    for (std::size_t i = 1; i < fds.size(); ++i) ::close(fds[i]);
    return true;
  }

  static void start(Command& command, std::span<char> text, const std::array<int, 4>& fds) {
    std::array<char*, kMaxArguments + 1> arguments{};
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size() && count < kMaxArguments; ++count) {
      arguments[count] = &text[at];
      at += std::strlen(&text[at]) + 1;
    }
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setpgid(0, 0);
      sigset_t none;
      sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      // Received descriptors start above kChildren, so no dup2 overwrites one that is still needed.
      for (int target = 0; target < 3; ++target) ::dup2(fds[static_cast<std::size_t>(target) + 1], target);
      ::close_range(3, ~0u, 0);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    for (std::size_t i = 1; i < fds.size(); ++i) ::close(fds[i]);
    if (pid < 0) return answer(fds[0], 126 << 8);
    // A process group of its own, so that all of it can be killed; on both sides, as either may run first.
    ::setpgid(pid, pid);
    command = {pid, fds[0]};
  }

  std::array<Command, kMaxCommands> commands_{};
};

// Only the control socket stays, as kControl; standard streams go nowhere; signals are as in a new program.
bool settle(int control) {
  const int null = ::open("/dev/null", O_RDWR), safe = ::fcntl(control, F_DUPFD, kChildren + 1);
  if (null < 0 || safe < 0) return false;
  for (int stream = 0; stream < 3; ++stream) ::dup2(null, stream);
  if (::dup2(safe, kControl) < 0) return false;
  ::close_range(kControl + 1, ~0u, 0);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &children, nullptr);
  return ::signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC) == kChildren;
}

}  // namespace

int serve(const Setup& setup) {
  // Both this signal and the end of the control socket mean that the program is gone; either will do.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "ladon-remote");
  ::setsid();  // an interrupt at the terminal is for the program alone
  if (!settle(setup.control)) return 1;
  FileDescriptor tap;
  const Step step = prepare(setup, tap);
  const Report report{step, step == Step::done ? 0 : errno};
  const std::array<int, 1> fds{tap.get()};
  const auto passed = step == Step::done ? std::span<const int>(fds) : std::span<const int>();
  if (!send_with_descriptors(kControl, std::as_bytes(std::span(&report, 1)), passed)) return 1;
  if (step != Step::done) return 1;
  tap.reset();  // the program holds the device now, and the device goes with it
  return Server().run();
}

}  // namespace ladon::port::helper
