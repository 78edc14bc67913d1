#include "console/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/descriptor.h"

namespace ladon::console {
namespace {

std::string system_error(const std::string& path) {
  return path + ": " + std::strerror(errno);
}

std::expected<FileDescriptor, std::string> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return std::unexpected(path + ": a socket's path has 1 to " +
                           std::to_string(sizeof address.sun_path - 1) + " bytes");
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::unexpected(system_error(path));
  return socket;
}

// 0 at the end; the error is errno's.
std::expected<std::size_t, int> receive(int socket, std::array<char, 65536>& into, Instant deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock().now());
  pollfd ready{.fd = socket, .events = POLLIN, .revents = 0};
  const int polled = left.count() <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left.count()));
  if (polled == 0) return std::unexpected(ETIMEDOUT);
  if (polled < 0) return std::unexpected(errno);
  const ssize_t got = ::recv(socket, into.data(), into.size(), MSG_DONTWAIT);
  if (got < 0) return std::unexpected(errno);
  return static_cast<std::size_t>(got);
}

}  // namespace

std::expected<Json, std::string> ask(const std::string& path, const Json& request, Duration longest) {
  const Instant deadline = SteadyClock().now() + longest;
  const auto socket = connect_to(path);
  if (!socket) return std::unexpected(socket.error());
  const std::string line = to_line(request);
  // Shorter than any socket's buffer: whole or not at all.
  if (::send(socket->get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return std::unexpected(system_error(path));
  std::string reply;
  std::array<char, 65536> piece{};
  while (!reply.ends_with('\n') && reply.size() <= kMaxReply) {
    const auto got = receive(socket->get(), piece, deadline);
    if (!got && (got.error() == EINTR || got.error() == EAGAIN)) continue;
    if (!got) return std::unexpected(path + ": " + std::strerror(got.error()));
    if (*got == 0) return std::unexpected(path + ": the rack is gone, or does not speak with this user");
    reply.append(piece.data(), *got);
  }
  auto result = parse_reply(reply);
  if (!result) return std::unexpected(path + ": " + result.error());
  return result;
}

}  // namespace ladon::console
