#include "lab/shell.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>

namespace ladon::lab {
namespace {

Instant now() {
  return SteadyClock().now();
}

FileDescriptor try_connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::ranges::copy(path, address.sun_path);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return socket;
}

}  // namespace

std::string CommandResult::text() const {
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::expected<GuestShell, std::string> GuestShell::connect(const std::string& path, Duration timeout) {
  const Instant deadline = now() + timeout;
  while (now() < deadline) {
    if (auto socket = try_connect(path)) return GuestShell(std::move(socket));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return std::unexpected(fmt::format("{}: nobody listens there", path));
}

std::expected<std::string, std::string> GuestShell::next_line(Instant deadline) {
  while (lines_.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now());
    if (left.count() <= 0) return std::unexpected("no answer in time");
    pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, static_cast<int>(std::min<long long>(left.count(), 1000))) <= 0) continue;
    std::array<char, 4096> chunk;
    const ssize_t got = ::read(socket_.get(), chunk.data(), chunk.size());
    if (got <= 0) return std::unexpected("the guest is gone");
    for (const char c : std::string_view(chunk.data(), static_cast<std::size_t>(got))) {
      if (c == '\n') {
        lines_.push_back(std::exchange(partial_, {}));
      } else if (c != '\r' && partial_.size() < kMaxLine) {
        partial_ += c;
      }
    }
  }
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

std::expected<void, std::string> GuestShell::wait_ready(Duration timeout) {
  const Instant deadline = now() + timeout;
  for (;;) {
    const auto line = next_line(deadline);
    if (!line) return std::unexpected(line.error());
    if (line->starts_with("READY")) return {};
    if (line->starts_with("FAILED")) return std::unexpected(*line);
  }
}

std::expected<void, std::string> GuestShell::start(std::string_view command) {
  const std::string request = fmt::format("RUN {} {}\n", next_id_, command);
  std::size_t sent = 0;
  while (sent < request.size()) {
    const ssize_t n = ::send(socket_.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return std::unexpected(fmt::format("writing to the guest: {}", std::strerror(errno)));
    sent += static_cast<std::size_t>(n);
  }
  return {};
}

std::expected<CommandResult, std::string> GuestShell::finish(Duration timeout) {
  const Instant deadline = now() + timeout;
  const unsigned id = next_id_++;
  const std::string end = fmt::format("END {} ", id);
  CommandResult result;
  for (;;) {
    const auto line = next_line(deadline);
    if (!line) return std::unexpected(line.error());
    if (line->starts_with("BEGIN "))
      result.lines.clear();  // what came before belongs to a command given up on
    if (line->starts_with("| ") && result.lines.size() < kMaxLines) result.lines.push_back(line->substr(2));
    if (!line->starts_with(end)) continue;
    const auto status = std::string_view(*line).substr(end.size());
    std::from_chars(status.data(), status.data() + status.size(), result.status);
    return result;
  }
}

std::expected<CommandResult, std::string> GuestShell::run(std::string_view command, Duration timeout) {
  if (const auto started = start(command); !started) return std::unexpected(started.error());
  return finish(timeout);
}

}  // namespace ladon::lab
