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

  // Adds one to the counter. Never waits: if the counter is full its owner has a signal waiting already, and
  // false is returned. The owner may have made the descriptor a blocking one at any time; see the source.
  bool signal() const;
  // Takes the counter's value and sets it to 0; 0 if it was.
  std::uint64_t take() const;

 private:
  explicit EventFd(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace ladon
