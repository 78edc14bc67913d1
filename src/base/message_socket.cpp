#include "base/message_socket.h"

#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ladon {

MessageSocket::MessageSocket(FileDescriptor socket, const Limits& limits,
                             std::move_only_function<void(Trouble)> report)
    : socket_(std::move(socket)),
      limits_(limits),
      report_(std::move(report)),
      control_(CMSG_SPACE(limits.descriptors * sizeof(int))) {}

void MessageSocket::begin() {
  descriptors_.clear();
  incomplete_ = false;
}

MessageSocket::Fill MessageSocket::fill(Bytes into) {
  while (filled_ < into.size()) {
    iovec room{into.data() + filled_, into.size() - filled_};
    msghdr message{};
    message.msg_iov = &room;
    message.msg_iovlen = 1;
    message.msg_control = control_.data();
    message.msg_controllen = control_.size();
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Fill::partial;
    if (got <= 0) return Fill::closed;
    take_descriptors(message);
    filled_ += static_cast<std::size_t>(got);
  }
  filled_ = 0;
  return Fill::full;
}

void MessageSocket::take_descriptors(msghdr& message) {
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    report_(Trouble::descriptors_lost);
    incomplete_ = true;
  }
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      FileDescriptor owned(fd);
      if (descriptors_.size() < limits_.descriptors) {
        descriptors_.push_back(std::move(owned));
        continue;
      }
      if (!incomplete_) report_(Trouble::too_many_descriptors);
      incomplete_ = true;
    }
  }
}

bool MessageSocket::hung_up() const {
  pollfd state{socket_.get(), 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

bool MessageSocket::send(ConstBytes message, int descriptor) {
  std::size_t sent = 0;
  if (output_.empty()) {
    const auto some = send_some(message, descriptor);
    if (!some) return false;
    sent = *some;
  }
  if (sent == message.size()) return true;
  const std::size_t left = message.size() - sent;
  if (left > limits_.output || output_bytes_ > limits_.output - left) {
    report_(Trouble::output_overflow);
    return false;
  }
  Waiting waiting{{message.begin(), message.end()}, sent, FileDescriptor()};
  if (descriptor >= 0 && sent == 0) waiting.descriptor.reset(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  output_.push_back(std::move(waiting));
  output_bytes_ += left;
  return true;
}

bool MessageSocket::flush() {
  while (!output_.empty()) {
    Waiting& first = output_.front();
    const int descriptor = first.sent == 0 ? first.descriptor.get() : -1;
    const auto some = send_some(ConstBytes(first.bytes).subspan(first.sent), descriptor);
    if (!some) return false;
    if (*some == 0) return true;
    first.sent += *some;
    output_bytes_ -= *some;
    if (first.sent == first.bytes.size()) output_.pop_front();
  }
  return true;
}

std::optional<std::size_t> MessageSocket::send_some(ConstBytes bytes, int descriptor) {
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};  // sendmsg only reads it
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }
  while (true) {
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return std::nullopt;
  }
}

}  // namespace ladon
