#include "vhost/split_ring.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace ladon::vhost {

namespace {

namespace virtio = spec::virtio;

// Sixteen bits that the driver and the device share. Aligned: whoever opened the ring has checked that.
[[nodiscard]] bool load(const Stretch& part, std::uint64_t at, std::uint16_t& value) {
  if (part.mapped == nullptr) return part.after(at).read(Bytes(reinterpret_cast<std::byte*>(&value), 2));
  auto& shared = *reinterpret_cast<std::uint16_t*>(part.mapped + at);
  value = std::atomic_ref(shared).load(std::memory_order_acquire);
  return true;
}
[[nodiscard]] bool store(const Stretch& part, std::uint64_t at, std::uint16_t value) {
  if (part.mapped == nullptr)
    return part.after(at).write(ConstBytes(reinterpret_cast<const std::byte*>(&value), 2));
  auto& shared = *reinterpret_cast<std::uint16_t*>(part.mapped + at);
  std::atomic_ref(shared).store(value, std::memory_order_release);
  return true;
}

}  // namespace

bool SplitRing::open(const GuestMemory& memory, const Parts& parts, std::uint16_t size, std::uint16_t base,
                     Features features) {
  memory_ = &memory;
  parts_ = parts;
  features_ = features;
  size_ = size;
  next_ = seen_ = base;
  flags_ = 0;
  // A backend before this one may have left its wishes, and taken what it has not given back.
  if (!store(parts_.used, virtio::kUsedFlags, 0) || !load(parts_.used, virtio::kUsedIndex, used_))
    return false;
  published_ = signalled_ = used_;
  return true;
}

void SplitRing::move_to(const GuestMemory& memory, const Parts& parts) {
  memory_ = &memory;
  parts_ = parts;
}

std::expected<std::uint16_t, RingFlaw> SplitRing::look() {
  std::uint16_t index = 0;
  if (!load(parts_.available, virtio::kAvailIndex, index)) return std::unexpected(RingFlaw::memory_gone);
  // An index that moves back is one that is far ahead.
  if (static_cast<std::uint16_t>(index - next_) > size_) return std::unexpected(RingFlaw::available_index);
  seen_ = index;
  return available();
}

std::expected<std::uint16_t, RingFlaw> SplitRing::head(std::uint16_t index) const {
  const auto slot = static_cast<std::uint16_t>(next_ + index) & (size_ - 1u);
  std::uint16_t head = 0;
  if (!load(parts_.available, virtio::kAvailRing + std::uint64_t{slot} * virtio::kAvailEntry, head))
    return std::unexpected(RingFlaw::memory_gone);
  if (head >= size_) return std::unexpected(RingFlaw::head_index);
  return head;
}

bool SplitRing::read(const Table& table, std::uint32_t index, Descriptor& into) {
  std::array<std::byte, virtio::kDescriptorBytes> bytes;
  if (!table.at.after(std::uint64_t{index} * bytes.size()).read(bytes)) return false;
  into.address = Gpa(load_le<std::uint64_t>(&bytes[virtio::kDescriptorAddress]));
  into.length = load_le<std::uint32_t>(&bytes[virtio::kDescriptorLength]);
  into.flags = load_le<std::uint16_t>(&bytes[virtio::kDescriptorFlags]);
  into.next = load_le<std::uint16_t>(&bytes[virtio::kDescriptorNext]);
  return true;
}

std::expected<SplitRing::Table, RingFlaw> SplitRing::indirect_table(const Descriptor& descriptor) const {
  if (!features_.indirect) return std::unexpected(RingFlaw::indirect_not_negotiated);
  if ((descriptor.flags & virtio::kDescNext) != 0) return std::unexpected(RingFlaw::indirect_with_next);
  const std::uint32_t size = descriptor.length / virtio::kDescriptorBytes;
  if (size == 0 || size > virtio::kMaxQueueSize || descriptor.length % virtio::kDescriptorBytes != 0)
    return std::unexpected(RingFlaw::indirect_size);
  const auto at = memory_->find(descriptor.address);
  if (!at || at->length < descriptor.length) return std::unexpected(RingFlaw::outside_memory);
  return Table{*at, size};
}

// A buffer may go on from one region to the next.
std::optional<RingFlaw> SplitRing::append(const Descriptor& descriptor, BufferList& into) const {
  if (descriptor.length == 0) return RingFlaw::empty_buffer;
  Gpa at = descriptor.address;
  std::uint32_t left = descriptor.length;
  while (true) {
    auto stretch = memory_->find(at);
    if (!stretch) return RingFlaw::outside_memory;
    if (into.count == BufferList::kCapacity) return RingFlaw::chain_too_long;
    const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(stretch->length, left));
    stretch->length = part;
    into.at[into.count++] = *stretch;
    into.bytes += part;
    left -= part;
    if (left == 0) return std::nullopt;
    const auto next = at.plus(part);
    if (!next) return RingFlaw::outside_memory;
    at = *next;
  }
}

std::optional<RingFlaw> SplitRing::gather(std::uint16_t head, Direction direction, BufferList& into) const {
  Table table{parts_.descriptors, size_};
  bool indirect = false;
  std::uint32_t index = head;
  for (std::size_t count = 0; count < kMaxChain; ++count) {
    Descriptor descriptor;
    if (!read(table, index, descriptor)) return RingFlaw::memory_gone;
    if ((descriptor.flags & virtio::kDescIndirect) != 0) {
      if (indirect) return RingFlaw::indirect_nested;
      const auto inner = indirect_table(descriptor);
      if (!inner) return inner.error();
      table = *inner;
      indirect = true;
      index = 0;
      continue;
    }
    const bool writable = (descriptor.flags & virtio::kDescWrite) != 0;
    if (writable != (direction == Direction::to_driver)) return RingFlaw::wrong_direction;
    if (const auto flaw = append(descriptor, into)) return flaw;
    if ((descriptor.flags & virtio::kDescNext) == 0) return std::nullopt;
    if (descriptor.next >= table.size) return RingFlaw::next_index;
    index = descriptor.next;
  }
  return RingFlaw::chain_too_long;
}

bool SplitRing::put(std::uint16_t index, std::uint16_t head, std::uint32_t written) const {
  const auto slot = static_cast<std::uint16_t>(used_ + index) & (size_ - 1u);
  std::array<std::byte, virtio::kUsedEntry> element;
  store_le(element.data(), std::uint32_t{head});
  store_le(&element[virtio::kUsedLength], written);
  return parts_.used.after(virtio::kUsedRing + std::uint64_t{slot} * element.size()).write(element);
}

bool SplitRing::publish() {
  if (published()) return true;
  published_ = used_;
  return store(parts_.used, virtio::kUsedIndex, used_);
}

bool SplitRing::wants_signal() {
  // The driver's wish is read after it can have seen what was published; its other half looks in the other
  // order.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto fresh = static_cast<std::uint16_t>(published_ - std::exchange(signalled_, published_));
  if (fresh == 0) return false;
  std::uint16_t wish = 0;
  if (!features_.event_idx)
    return load(parts_.available, virtio::kAvailFlags, wish) && (wish & virtio::kAvailNoInterrupt) == 0;
  const std::uint64_t used_event = virtio::kAvailRing + std::uint64_t{size_} * virtio::kAvailEntry;
  if (!load(parts_.available, used_event, wish)) return false;
  // The entry that the driver waits for is among the fresh ones.
  return static_cast<std::uint16_t>(published_ - wish - 1) < fresh;
}

void SplitRing::set_used_flags(std::uint16_t flags) {
  // A ring whose memory has gone is noticed where it is read.
  if (std::exchange(flags_, flags) != flags) (void)store(parts_.used, virtio::kUsedFlags, flags);
}

// With event_idx the driver looks at avail_event alone, and an old one is passed once in 65536 entries.
void SplitRing::quiet() {
  if (!features_.event_idx) set_used_flags(virtio::kUsedNoNotify);
}

void SplitRing::listen() {
  if (features_.event_idx)
    (void)store(parts_.used, virtio::kUsedRing + std::uint64_t{size_} * virtio::kUsedEntry, seen_);
  else
    set_used_flags(0);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace ladon::vhost
