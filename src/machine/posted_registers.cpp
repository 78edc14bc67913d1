#include "machine/posted_registers.h"

#include <thread>
#include <utility>

#include "spec/ixgbevf.h"

namespace ladon::machine {

PostedRegisters::PostedRegisters(std::shared_ptr<ch::VfSlot> slot, std::function<void()> wake_engine,
                                 std::function<void()> idle)
    : slot_(std::move(slot)), wake_engine_(std::move(wake_engine)), idle_(std::move(idle)) {}

bool PostedRegisters::post(const Access& access) {
  const std::uint32_t at = posted_.load(std::memory_order_relaxed);
  while (at - done_.load(std::memory_order_acquire) == kPosted) {
    if (closed()) return false;
    std::this_thread::yield();  // the engine has been woken for what is there
  }
  accesses_[at % kPosted] = access;
  posted_.store(at + 1, std::memory_order_release);
  if (!asked_.exchange(true, std::memory_order_acq_rel)) wake_engine_();
  return !closed();
}

std::uint32_t PostedRegisters::read32(std::uint32_t offset) {
  if (!post({.offset = offset, .read = true})) return ~0u;
  answered_.acquire();
  return closed() ? ~0u : answer_;
}

void PostedRegisters::write32(std::uint32_t offset, std::uint32_t value) {
  (void)post({.offset = offset, .value = value});
}

bool PostedRegisters::serve() {
  // Most turns find nothing; what is posted just now has woken the engine for another.
  if (!asked_.load(std::memory_order_relaxed)) return false;
  // Before looking: what is posted from now on wakes the engine again.
  if (!asked_.exchange(false, std::memory_order_acq_rel)) return false;
  std::uint32_t at = done_.load(std::memory_order_relaxed);
  for (const std::uint32_t end = posted_.load(std::memory_order_acquire); at != end; ++at) {
    const Access access = accesses_[at % kPosted];
    done_.store(at + 1, std::memory_order_release);
    if (!access.read) {
      slot_->register_write(spec::ixgbevf::kRegisterBar, access.offset, 4, access.value);
      continue;
    }
    answer_ = static_cast<std::uint32_t>(slot_->register_read(spec::ixgbevf::kRegisterBar, access.offset, 4));
    answered_.release();
  }
  return true;
}

void PostedRegisters::close() {
  closed_.store(true, std::memory_order_release);
  answered_.release();
}

}  // namespace ladon::machine
