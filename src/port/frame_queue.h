// A bounded queue of frames between one producer and one consumer, each perhaps on a thread of its own, with
// a descriptor that is readable while the consumer has something to fetch. No lock; no allocation after
// construction.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "port/counted_wire.h"

namespace ladon::port {

class FrameQueue {
 public:
  // `slots` is at least 1. Throws (std::system_error) if the system has no descriptor left.
  explicit FrameQueue(std::size_t slots);

  // Producer: false if full. The frame is at most kMaxFrame bytes.
  [[nodiscard]] bool push(ConstBytes frame);

  // Consumer: the oldest frame, valid until pop(); empty if none waits.
  [[nodiscard]] ConstBytes front();
  void pop();

  [[nodiscard]] int fd() const { return wake_.get(); }

 private:
  struct Slot {
    std::uint32_t length = 0;
    std::array<std::byte, kMaxFrame> bytes;
  };
  [[nodiscard]] bool rearm();

  std::vector<Slot> slots_;
  FileDescriptor wake_;  // eventfd
  // Counts of frames ever pushed and popped; their difference is the queue's length.
  alignas(64) std::atomic<std::uint64_t> pushed_{0};
  alignas(64) std::atomic<std::uint64_t> popped_{0};
  // True: the consumer saw the queue empty and wants to be woken. While it is true the eventfd is not
  // readable; while it is false the eventfd is readable or about to be.
  alignas(64) std::atomic<bool> armed_{true};
};

}  // namespace ladon::port
