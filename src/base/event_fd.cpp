#include "base/event_fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "base/kernel_signal.h"

namespace ladon {

namespace {

void make_non_blocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if ((flags & O_NONBLOCK) == 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace

bool EventFd::is_eventfd(int fd) {
  std::array<char, 32> path{"/proc/self/fd/"};
  const std::size_t prefix = std::string_view(path.data()).size();
  *std::to_chars(path.data() + prefix, path.data() + path.size() - 1, fd).ptr = '\0';
  std::array<char, 32> target{};
  const ssize_t length = ::readlink(path.data(), target.data(), target.size());
  return length > 0 &&
         std::string_view(target.data(), static_cast<std::size_t>(length)) == "anon_inode:[eventfd]";
}

std::expected<EventFd, EventFdError> EventFd::create() {
  FileDescriptor fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) return std::unexpected(EventFdError::no_descriptor);
  return EventFd(std::move(fd), false);
}

std::expected<EventFd, EventFdError> EventFd::adopt(FileDescriptor fd) {
  if (!is_eventfd(fd.get())) return std::unexpected(EventFdError::not_an_eventfd);
  make_non_blocking(fd.get());
  return EventFd(std::move(fd), true);
}

void EventFd::signal() const {
  if (shared_ && KernelSignal::of_this_thread().available())
    return (void)KernelSignal::of_this_thread().raise(fd_.get());
  // O_NONBLOCK belongs to the open file, which a sharer may have changed since: look for room first.
  pollfd room{fd_.get(), POLLOUT, 0};
  if (shared_ && (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0)) return;
  const std::uint64_t one = 1;
  (void)!::write(fd_.get(), &one, sizeof one);
}

// O_NONBLOCK is not to be relied upon, and neither is a look before: a sharer may take the value in between.
std::uint64_t EventFd::take() const {
  std::uint64_t count = 0;
  const iovec into{&count, sizeof count};
  if (::preadv2(fd_.get(), &into, 1, -1, RWF_NOWAIT) == sizeof count) return count;
  if (errno != EOPNOTSUPP) return 0;
  pollfd value{fd_.get(), POLLIN, 0};
  if (::poll(&value, 1, 0) != 1) return 0;
  return ::read(fd_.get(), &count, sizeof count) == sizeof count ? count : 0;
}

}  // namespace ladon
