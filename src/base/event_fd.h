// An eventfd: a counter in the kernel that wakes whoever waits for it (eventfd(2)).
#pragma once

#include <cstdint>
#include <expected>

#include "base/descriptor.h"

namespace ladon {

enum class EventFdError : std::uint8_t { not_an_eventfd, no_descriptor };

class EventFd {
 public:
  // A new one, counter 0.
  [[nodiscard]] static std::expected<EventFd, EventFdError> create();
  // One that another process has sent. Anything but an eventfd is refused (a pipe or a file could block).
  [[nodiscard]] static std::expected<EventFd, EventFdError> adopt(FileDescriptor fd);

  [[nodiscard]] static bool is_eventfd(int fd);

  [[nodiscard]] int get() const { return fd_.get(); }

  // Adds one to the counter. Never waits, whatever another owner of it does meanwhile (kernel_signal.h): if
  // the counter is full, that one has a signal waiting already.
  void signal() const;
  // Takes the counter's value and sets it to 0; 0 if it was. Never waits either.
  std::uint64_t take() const;

 private:
  EventFd(FileDescriptor fd, bool shared) : fd_(std::move(fd)), shared_(shared) {}
  FileDescriptor fd_;
  bool shared_;  // another process has it too
};

}  // namespace ladon
