#include "host/packet_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ladon::host::detail {

namespace {

// Room for more descriptors than a message may carry, so that surplus ones can be closed.
constexpr std::size_t kDescriptorRoom = 16;

std::expected<sockaddr_un, std::string> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return std::unexpected(path + ": a socket's path has 1 to " +
                           std::to_string(sizeof address.sun_path - 1) + " bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::string system_error(const std::string& path) {
  return path + ": " + std::strerror(errno);
}

FileDescriptor new_socket() {
  return FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

SocketStatus status_of_errno() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? SocketStatus::would_block
                                                                     : SocketStatus::closed;
}

// Keeps the first descriptor, closes the others; true if there were others.
bool take_descriptors(msghdr& header, FileDescriptor& kept) {
  bool surplus = false;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      FileDescriptor owned(fd);
      if (!kept)
        kept = std::move(owned);
      else
        surplus = true;
    }
  }
  return surplus;
}

}  // namespace

SocketStatus send_packet(int socket, ConstBytes bytes, int fd) {
  iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  if (fd >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) return status_of_errno();
  return SocketStatus::done;
}

Packet receive_packet(int socket, Bytes buffer) {
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kDescriptorRoom * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  Packet packet;
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    packet.status = status_of_errno();
    return packet;
  }
  const bool surplus = take_descriptors(header, packet.fd);
  if (got == 0) return packet;  // the peer is gone: no message of ours is empty
  packet.status = SocketStatus::done;
  packet.length = static_cast<std::size_t>(got);
  packet.cut = surplus || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  return packet;
}

std::expected<FileDescriptor, std::string> connect_to(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  FileDescriptor socket = new_socket();
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) < 0)
    return std::unexpected(system_error(path));
  return socket;
}

std::expected<FileDescriptor, std::string> listen_at(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  FileDescriptor socket = new_socket();
  if (!socket) return std::unexpected(system_error(path));
  struct stat old{};
  if (::lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) ::unlink(path.c_str());
  // Nobody can connect between bind and chmod: a socket that does not listen yet refuses.
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) < 0 ||
      ::chmod(path.c_str(), 0600) < 0 || ::listen(socket.get(), 8) < 0)
    return std::unexpected(system_error(path));
  return socket;
}

}  // namespace ladon::host::detail
