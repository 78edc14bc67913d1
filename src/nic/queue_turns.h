// The transmit queues of one function as its turns see them: which have something to send, how long the next
// frame of each is, and whose turn within the function it is.
#pragma once

#include <array>
#include <cstdint>

#include "spec/ixgbevf.h"

namespace ladon::nic {

class QueueTurns {
 public:
  static constexpr std::uint32_t kUnknown = 1;  // until the queue has looked at its descriptors

  // The queue has something, if it had nothing before.
  void offer(unsigned queue) {
    if (heads_[queue] == 0) heads_[queue] = kUnknown;
  }
  // What the queue has now; 0: nothing.
  void set(unsigned queue, std::uint32_t head) { heads_[queue] = head; }
  // The queues take turns where several have something. Some queue has.
  unsigned take() {
    do next_ = (next_ + 1) % kQueues;
    while (heads_[next_] == 0);
    return next_;
  }
  // Of the queue that take() will name; 0: nobody has anything.
  [[nodiscard]] std::uint32_t head() const {
    for (unsigned i = 1; i <= kQueues; ++i)
      if (const std::uint32_t head = heads_[(next_ + i) % kQueues]; head != 0) return head;
    return 0;
  }

 private:
  static constexpr unsigned kQueues = spec::ixgbevf::kQueues;
  std::array<std::uint32_t, kQueues> heads_{};
  unsigned next_ = 0;
};

}  // namespace ladon::nic
