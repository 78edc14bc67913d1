#include "port/frame_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace ladon::port {

FrameQueue::FrameQueue(std::size_t slots) : slots_(slots), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (slots == 0) throw std::invalid_argument("a frame queue needs a slot");
  if (!wake_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

bool FrameQueue::push(ConstBytes frame) {
  const std::uint64_t at = pushed_.load(std::memory_order_relaxed);
  if (at - popped_.load(std::memory_order_acquire) == slots_.size()) return false;
  Slot& slot = slots_[at % slots_.size()];
  slot.length = static_cast<std::uint32_t>(frame.size());
  std::memcpy(slot.bytes.data(), frame.data(), frame.size());
  // Sequentially consistent against rearm(): either this side sees `armed_`, or the consumer sees the frame.
  pushed_.store(at + 1, std::memory_order_seq_cst);
  if (armed_.exchange(false, std::memory_order_seq_cst)) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);  // cannot be full
  }
  return true;
}

ConstBytes FrameQueue::front() {
  const std::uint64_t at = popped_.load(std::memory_order_relaxed);
  if (pushed_.load(std::memory_order_acquire) == at && !rearm()) return {};
  const Slot& slot = slots_[at % slots_.size()];
  return ConstBytes(slot.bytes).first(slot.length);
}

void FrameQueue::pop() {
  popped_.store(popped_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

// The queue looked empty: make the descriptor unreadable, then look again.
bool FrameQueue::rearm() {
  if (!armed_.load(std::memory_order_relaxed)) {
    std::uint64_t count = 0;
    // Nothing to read yet: the producer is between its exchange and its write, and will wake us.
    if (::read(wake_.get(), &count, sizeof count) == sizeof count)
      armed_.store(true, std::memory_order_seq_cst);
  }
  return pushed_.load(std::memory_order_seq_cst) != popped_.load(std::memory_order_relaxed);
}

}  // namespace ladon::port
