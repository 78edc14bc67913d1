#include "client/virtio_queue.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "spec/virtio.h"

namespace ladon::client {

namespace {

namespace virtio = spec::virtio;

[[nodiscard]] std::atomic_ref<std::uint16_t> shared(const GuestMemory& part, std::size_t at) {
  return std::atomic_ref(*reinterpret_cast<std::uint16_t*>(part.bytes.data() + at));
}

}  // namespace

std::optional<VirtioQueue> VirtioQueue::make(const Options& options, Arena& arena) {
  VirtioQueue queue(options);
  const auto descriptors = arena.take(virtio::descriptor_table_bytes(options.size)),
             available = arena.take(virtio::available_ring_bytes(options.size)),
             used = arena.take(virtio::used_ring_bytes(options.size)),
             tables =
                 arena.take(options.indirect ? options.size * virtio::descriptor_table_bytes(kIndirect) : 16);
  if (!descriptors || !available || !used || !tables) return std::nullopt;
  queue.descriptors_ = *descriptors, queue.available_ = *available, queue.used_ = *used;
  queue.tables_ = *tables;
  for (const GuestMemory& part : {*descriptors, *available, *used})
    std::ranges::fill(part.bytes, std::byte{0});
  queue.chains_.resize(options.size);
  queue.free_count_ = options.size;
  for (std::uint16_t i = 0; i < options.size; ++i)
    queue.put_descriptor(i, 0, 0, 0, static_cast<std::uint16_t>(i + 1));
  return queue;
}

void VirtioQueue::put_descriptor(std::uint32_t index, std::uint64_t address, std::uint32_t length,
                                 std::uint16_t flags, std::uint16_t next) {
  write(descriptors_, index, {Iova(address), length, false}, flags, next);
}

void VirtioQueue::write(const GuestMemory& table, std::uint32_t index, const Buffer& buffer,
                        std::uint16_t flags, std::uint16_t next) {
  std::byte* const at = table.bytes.data() + std::size_t{index} * virtio::kDescriptorBytes;
  if (buffer.writable) flags |= virtio::kDescWrite;
  store_le(at + virtio::kDescriptorAddress, buffer.address.bits());
  store_le(at + virtio::kDescriptorLength, buffer.length);
  store_le(at + virtio::kDescriptorFlags, flags);
  store_le(at + virtio::kDescriptorNext, next);
}

std::uint16_t VirtioQueue::free_after(std::uint16_t descriptor) const {
  return load_le<std::uint16_t>(descriptors_.bytes.data() +
                                std::size_t{descriptor} * virtio::kDescriptorBytes + virtio::kDescriptorNext);
}

bool VirtioQueue::add(std::span<const Buffer> buffers, std::uint64_t token) {
  const bool indirect = options_.indirect && buffers.size() > 1;
  const auto needed = static_cast<std::uint16_t>(indirect ? 1 : buffers.size());
  if (needed == 0 || needed > free_count_ || (indirect && buffers.size() > kIndirect)) return false;
  const std::uint16_t head = free_;
  if (indirect) {
    const std::uint64_t bytes = virtio::descriptor_table_bytes(kIndirect), offset = head * bytes;
    const GuestMemory table{Iova(tables_.base.bits() + offset), tables_.bytes.subspan(offset, bytes)};
    for (std::uint16_t i = 0; i < buffers.size(); ++i) {
      const bool last = i + 1u == buffers.size();
      write(table, i, buffers[i], last ? 0 : virtio::kDescNext, static_cast<std::uint16_t>(i + 1));
    }
    free_ = free_after(head);
    const auto length = static_cast<std::uint32_t>(virtio::descriptor_table_bytes(1) * buffers.size());
    write(descriptors_, head, {table.base, length, false}, virtio::kDescIndirect, free_);
  } else {
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const std::uint16_t at = free_;
      free_ = free_after(at);
      write(descriptors_, at, buffers[i], i + 1 == buffers.size() ? 0 : virtio::kDescNext, free_);
    }
  }
  free_count_ -= needed;
  chains_[head] = {token, needed};
  put_available(head);
  return true;
}

void VirtioQueue::put_available(std::uint16_t head) {
  const std::size_t slot = next_available_ & (options_.size - 1u);
  store_le(available_.bytes.data() + virtio::kAvailRing + slot * virtio::kAvailEntry, head);
  ++next_available_;
}

void VirtioQueue::set_available_index(std::uint16_t index) {
  next_available_ = index;
}

bool VirtioQueue::publish() {
  const std::uint16_t before = std::exchange(published_, next_available_);
  shared(available_, virtio::kAvailIndex).store(next_available_, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (before == published_) return false;
  if (!options_.event_idx) return (shared(used_, virtio::kUsedFlags).load() & virtio::kUsedNoNotify) == 0;
  const std::uint16_t wish =
      shared(used_, virtio::kUsedRing + std::size_t{options_.size} * virtio::kUsedEntry).load();
  return static_cast<std::uint16_t>(published_ - wish - 1) < static_cast<std::uint16_t>(published_ - before);
}

std::uint16_t VirtioQueue::used_index() const {
  return shared(used_, virtio::kUsedIndex).load(std::memory_order_acquire);
}

std::optional<VirtioQueue::Used> VirtioQueue::take() {
  const auto waiting = static_cast<std::uint16_t>(used_index() - next_used_);
  if (waiting > options_.size) broken_ = true;
  if (waiting == 0 || broken_) return std::nullopt;
  const std::byte* const element = used_.bytes.data() + virtio::kUsedRing +
                                   std::size_t{next_used_ & (options_.size - 1u)} * virtio::kUsedEntry;
  const auto head = load_le<std::uint32_t>(element);
  if (head >= options_.size || chains_[head].descriptors == 0) {
    broken_ = true;
    return std::nullopt;
  }
  ++next_used_;
  const Chain chain = std::exchange(chains_[head], Chain{});
  std::uint16_t last = static_cast<std::uint16_t>(head);
  for (std::uint16_t i = 1; i < chain.descriptors; ++i) last = free_after(last);
  store_le(descriptors_.bytes.data() + std::size_t{last} * virtio::kDescriptorBytes + virtio::kDescriptorNext,
           free_);
  free_ = static_cast<std::uint16_t>(head);
  free_count_ += chain.descriptors;
  want_signal(wants_signal_);
  return Used{static_cast<std::uint16_t>(head), load_le<std::uint32_t>(element + virtio::kUsedLength),
              chain.token};
}

void VirtioQueue::want_signal(bool wanted) {
  wants_signal_ = wanted;
  if (options_.event_idx) {
    // An event far ahead is none.
    const auto wish = static_cast<std::uint16_t>(wanted ? next_used_ : next_used_ + 0x8000);
    shared(available_, virtio::kAvailRing + std::size_t{options_.size} * virtio::kAvailEntry).store(wish);
  } else {
    shared(available_, virtio::kAvailFlags).store(wanted ? 0 : virtio::kAvailNoInterrupt);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace ladon::client
