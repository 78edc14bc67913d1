#include "nic/rx_queue.h"

#include <algorithm>

#include "nic/dma_tag.h"
#include "nic/engine.h"
#include "nic/vf.h"
#include "spec/descriptor.h"
#include "spec/ixgbevf.h"

namespace ladon::nic {

namespace desc = spec::descriptor;
namespace reg = spec::ixgbevf;
using pcie::Access;
using pcie::DmaStatus;

// ---- descriptors

RxQueue::Room RxQueue::find_room(std::uint32_t length) {
  const std::uint32_t needed = buffer_bytes_ == 0 ? kSlots + 1 : (length + buffer_bytes_ - 1) / buffer_bytes_;
  if (needed > kSlots) return Room::none;
  while (fetched_ - used_ < needed) {
    switch (fetch()) {
      case Fetched::some:
        continue;
      case Fetched::pending:
        return Room::wait;
      case Fetched::none:
        // All slots are taken: those that are complete can be freed, the others will be.
        if (!live_ || kSlots - (fetched_ - released_) != 0) return Room::none;
        flush();
        if (live_ && kSlots == fetched_ - released_) return Room::wait;
    }
  }
  return Room::ready;
}

RxQueue::Fetched RxQueue::fetch() {
  if (fetching_ != 0) return Fetched::pending;
  // A tail outside the ring offers nothing; drivers test the register with any value.
  if (!live_ || tail_ >= shape_.size) return Fetched::none;
  const std::uint32_t count = std::min({shape_.distance(fetch_index_, tail_), shape_.size - fetch_index_,
                                        kSlots - (fetched_ - released_), kFetch});
  if (count == 0) return Fetched::none;
  const DmaWork work{.kind = DmaKind::rx_descriptors, .queue = id_};
  switch (vf_.port().read(shape_.at(fetch_index_), Bytes(raw_).first(count * kDescriptorBytes), work.tag())) {
    case DmaStatus::done:
      take_descriptors(count);
      return Fetched::some;
    case DmaStatus::pending:
      fetching_ = count;
      ++outstanding_;
      return Fetched::pending;
    case DmaStatus::refused:
      break;
  }
  stop(VfFault::rx_descriptor_refused);
  return Fetched::none;
}

void RxQueue::take_descriptors(std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i)
    slot(fetched_ + i).buffer = load_le<std::uint64_t>(raw_.data() + i * kDescriptorBytes);
  fetched_ += count;
  fetch_index_ = shape_.wrap(fetch_index_ + count);
}

// ---- frames

bool RxQueue::deliver(const Frame& frame, const Completion& completion, FrameSource& source) {
  if (frame.length <= buffer_bytes_) [[likely]] {
    Slot& to = slot(used_);
    if (std::byte* memory = vf_.port().direct(Iova(to.buffer), frame.length, Access::write)) [[likely]] {
      copy_whole(frame, memory);
      fill(to, completion, frame.length, completion.status | desc::kRxDone | desc::kRxEndOfPacket);
      ++used_;
      return true;
    }
  }
  return deliver_pieces(frame, completion, source);
}

bool RxQueue::deliver_pieces(const Frame& frame, const Completion& completion, FrameSource& source) {
  ConstBytes staged;
  for (std::uint32_t offset = 0; offset < frame.length;) {
    const std::uint32_t length = std::min(frame.length - offset, buffer_bytes_);
    Slot& to = slot(used_);
    if (std::byte* memory = vf_.port().direct(Iova(to.buffer), length, Access::write)) {
      copy_part(frame, offset, length, memory);
    } else {
      if (staged.empty()) staged = source.stage(frame);
      if (!write_staged(to, used_ % kSlots, staged.subspan(offset, length), source)) return false;
    }
    offset += length;
    const bool last = offset == frame.length;
    fill(to, completion, length, desc::kRxDone | (last ? completion.status | desc::kRxEndOfPacket : 0));
    ++used_;
  }
  return true;
}

bool RxQueue::write_staged(Slot& to, std::uint32_t slot, ConstBytes bytes, FrameSource& source) {
  const DmaWork work{
      .kind = DmaKind::deliver, .queue = id_, .source = source.id(), .slot = static_cast<std::uint8_t>(slot)};
  switch (vf_.port().write(Iova(to.buffer), bytes, work.tag())) {
    case DmaStatus::done:
      return true;
    case DmaStatus::pending:
      ++to.outstanding;
      ++outstanding_;
      source.write_issued();
      return true;
    case DmaStatus::refused:
      break;
  }
  stop(VfFault::rx_buffer_refused);
  return false;
}

void RxQueue::fill(Slot& to, const Completion& completion, std::uint32_t length, std::uint32_t status) {
  to.low = std::uint64_t{completion.hash} << 32 | completion.info;
  to.high = std::uint64_t{completion.vlan} << 48 | std::uint64_t{length} << 32 | status;
  vf_.hold_memory(length);
}

// ---- write-back

void RxQueue::flush() {
  if (!live_ || !end_run()) return;
  std::uint32_t complete = 0;
  while (written_ + complete != used_ && slot(written_ + complete).outstanding == 0) ++complete;
  while (complete != 0 && live_) {
    const std::uint32_t count = std::min(complete, shape_.size - head_);
    write_back(count);
    complete -= count;
  }
  release_slots();
}

void RxQueue::write_back(std::uint32_t count) {
  const Iova at = shape_.at(head_);
  if (std::byte* memory = vf_.port().direct(at, count * kDescriptorBytes, Access::write)) [[likely]] {
    for (std::uint32_t i = 0; i < count; ++i, memory += kDescriptorBytes) {
      const Slot& from = slot(written_ + i);
      store_le(memory, from.low);
      // The driver takes the length for completion: everything else must be visible before.
      __atomic_store_n(reinterpret_cast<std::uint64_t*>(memory + 8), from.high, __ATOMIC_RELEASE);
    }
  } else if (!write_back_slowly(count, at)) {
    return stop(VfFault::rx_write_back_refused);
  }
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < count; ++i) bytes += slot(written_ + i).length();
  vf_.release_memory(bytes);
  written_ += count;
  head_ = shape_.wrap(head_ + count);
}

bool RxQueue::write_back_slowly(std::uint32_t count, Iova at) {
  for (std::uint32_t i = 0; i < count; ++i) {
    Slot& from = slot(written_ + i);
    const DmaWork work{.kind = DmaKind::rx_write_back,
                       .queue = id_,
                       .slot = static_cast<std::uint8_t>((written_ + i) % kSlots)};
    // Two writes for the same reason; posted writes of one requester stay in order.
    for (const auto& [offset, word] : {std::pair{0u, &from.low}, std::pair{8u, &from.high}}) {
      const Iova to(at.bits() + i * kDescriptorBytes + offset);
      const DmaStatus status = vf_.port().write(to, std::as_bytes(std::span(word, 1)), work.tag());
      if (status == DmaStatus::refused) return false;
      if (status == DmaStatus::pending) ++from.outstanding, ++outstanding_;
    }
  }
  return true;
}

// Write-backs have landed: their slots are free and the driver may be told.
void RxQueue::release_slots() {
  const std::uint32_t before = released_;
  while (released_ != written_ && slot(released_).outstanding == 0) ++released_;
  if (released_ == before) return;
  vf_.cause(index_, QueueDirection::receive);
  wake();
}

void RxQueue::completed(const DmaWork& work, DmaStatus status) {
  --outstanding_;
  switch (work.kind) {
    case DmaKind::rx_descriptors: {
      const std::uint32_t count = std::exchange(fetching_, 0);
      if (abandoned_) break;
      if (status == DmaStatus::refused) return stop(VfFault::rx_descriptor_refused);
      take_descriptors(count);
      wake();
      break;
    }
    case DmaKind::deliver:
      --slots_[work.slot].outstanding;
      if (abandoned_) break;
      if (status == DmaStatus::refused) return stop(VfFault::rx_buffer_refused);
      flush();
      break;
    default:
      --slots_[work.slot].outstanding;
      if (abandoned_) break;
      if (status == DmaStatus::refused) return stop(VfFault::rx_write_back_refused);
      release_slots();
      break;
  }
  if (abandoned_) settle();
}

// ---- state

void RxQueue::stop(VfFault fault) {
  stopped_ = true;
  refresh();
  vf_.fault(fault);
}

void RxQueue::refresh() {
  const bool enabled = (control_ & reg::kQueueEnable) != 0;
  const bool live = enabled && !stopped_ && !abandoned_ && vf_.running();
  if (live == live_) return;
  live_ = live;
  if (!live) abandon();
}

// Forgets descriptors and frames that are not written back; what is under way must still complete.
void RxQueue::abandon() {
  live_ = false;
  abandoned_ = outstanding_ != 0;
  if (run_.segments() != 0) vf_.give_back_context(qos::ContextKind::coalescing);
  run_.end();
  std::uint64_t bytes = 0;
  for (std::uint32_t i = written_; i != used_; ++i) bytes += slot(i).length();
  vf_.release_memory(bytes);
  used_ = fetched_ = released_ = written_;
  fetch_index_ = head_;
  wake();
}

void RxQueue::settle() {
  if (outstanding_ != 0) return;
  abandoned_ = false;
  refresh();
  vf_.quieted();
}

void RxQueue::wake() {
  if (!waiters_.empty()) vf_.engine().wake(waiters_);
}

void RxQueue::reset() {
  control_ = srrctl_ = coalescing = tail_ = 0;
  ring = {};
  shape_ = {};
  stopped_ = given_up_ = false;
  abandon();
  head_ = fetch_index_ = 0;
  buffer_bytes_ = 0;
}

void RxQueue::scrub() {
  slots_.fill({});
  raw_.fill({});
}

// ---- registers

void RxQueue::set_head(std::uint32_t value) {
  if ((control_ & reg::kQueueEnable) == 0) head_ = value & 0xFFFF;
}

void RxQueue::set_tail(std::uint32_t value) {
  tail_ = value & 0xFFFF;
  given_up_ = false;
  wake();
}

void RxQueue::set_buffer_control(std::uint32_t value) {
  srrctl_ = value;
  set_buffer_size();
}

void RxQueue::set_control(std::uint32_t value) {
  const bool was_enabled = (control_ & reg::kQueueEnable) != 0;
  control_ = value;
  set_buffer_size();
  if (!was_enabled && (value & reg::kQueueEnable) != 0) {
    shape_ = ring.shape();
    if (head_ >= shape_.size) head_ = 0;
    fetch_index_ = head_;
  }
  refresh();
}

// A buffer holds BSIZEPKT or, where that is set and smaller, RLPML bytes: the driver keeps the rest of the
// buffer for itself (X550 Datasheet, VFRXDCTL).
void RxQueue::set_buffer_size() {
  buffer_bytes_ = (srrctl_ & desc::kSrrctlSizeMask) * 1024;
  if ((control_ & reg::kRxLengthEnable) != 0)
    buffer_bytes_ = std::min(buffer_bytes_, control_ & reg::kRxLengthMask);
}

bool RxQueue::drops_without_buffer() const {
  return (srrctl_ & reg::kSrrctlDropEnable) != 0;
}

bool RxQueue::strips_vlan() const {
  return (control_ & reg::kRxVlanStrip) != 0;
}

}  // namespace ladon::nic
