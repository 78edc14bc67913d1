#include "client/rx_ring.h"

#include <atomic>

#include "spec/ixgbevf.h"

namespace ladon::client {

namespace ixgbevf = spec::ixgbevf;
namespace descriptor = spec::descriptor;

namespace {

constexpr int kEnableTries = 10;

// Status and error, then length and VLAN: the half of the write-back that says it is there.
[[nodiscard]] std::uint64_t upper(std::byte* at) {
  auto& word = *reinterpret_cast<std::uint64_t*>(at + descriptor::kRxStatus);
  return std::atomic_ref(word).load(std::memory_order_acquire);
}
[[nodiscard]] std::uint32_t length_of(std::uint64_t upper) {
  return upper >> 32 & 0xFFFF;
}
[[nodiscard]] std::uint32_t status_of(std::uint64_t upper) {
  return static_cast<std::uint32_t>(upper);
}

}  // namespace

std::uint32_t RxRing::reg(std::uint32_t offset) const {
  return ixgbevf::kRx + queue_ * ixgbevf::kQueueStride + offset;
}

std::expected<RxRing, VfError> RxRing::make(Mmio& registers, std::uint16_t queue, const RxOptions& options,
                                            Arena& arena) {
  RxRing ring(registers, queue, options);
  const auto descriptors = arena.take(std::size_t{options.size} * descriptor::kSize);
  const auto buffers = arena.take(std::size_t{options.size} * options.buffer);
  if (!descriptors || !buffers) return std::unexpected(VfError::no_memory);
  ring.ring_ = *descriptors;
  ring.buffers_ = *buffers;
  return ring;
}

std::expected<void, VfError> RxRing::start() {
  std::ranges::fill(ring_.bytes, std::byte{0});
  std::ranges::fill(buffers_.bytes, kCanary);
  next_ = pending_ = 0;
  for (std::uint32_t i = 0; i < options_.size; ++i) arm(i);
  const std::uint32_t control = options_.strip_vlan ? ixgbevf::kRxVlanStrip : 0;
  registers_->write32(reg(ixgbevf::kQueueControl), control);
  registers_->write32(reg(ixgbevf::kBaseLow), static_cast<std::uint32_t>(ring_.base.bits()));
  registers_->write32(reg(ixgbevf::kBaseHigh), static_cast<std::uint32_t>(ring_.base.bits() >> 32));
  registers_->write32(reg(ixgbevf::kLength), options_.size * descriptor::kSize);
  registers_->write32(reg(ixgbevf::kDca), 1u << 9);  // relaxed ordering for descriptor reads
  registers_->write32(reg(ixgbevf::kHead), 0);
  registers_->write32(reg(ixgbevf::kTail), 0);
  registers_->write32(reg(ixgbevf::kSrrctl), options_.buffer / 1024 | descriptor::kSrrctlOneBuffer |
                                                 (options_.drop_enable ? ixgbevf::kSrrctlDropEnable : 0));
  registers_->write32(
      reg(ixgbevf::kQueueControl),
      control | ixgbevf::kQueueEnable | (options_.limit ? ixgbevf::kRxLengthEnable | *options_.limit : 0u));
  for (int i = 0; i < kEnableTries; ++i) {
    if ((registers_->read32(reg(ixgbevf::kQueueControl)) & ixgbevf::kQueueEnable) != 0) {
      write_tail(options_.size - 1u);
      return {};
    }
    registers_->pause();
  }
  return std::unexpected(VfError::queue_stuck);
}

void RxRing::stop() {
  registers_->write32(reg(ixgbevf::kQueueControl), options_.strip_vlan ? ixgbevf::kRxVlanStrip : 0);
}

void RxRing::arm(std::uint32_t index) {
  put_raw(index, buffers_.base.bits() + std::uint64_t{index} * options_.buffer, 0);
}

void RxRing::put_raw(std::uint32_t index, std::uint64_t packet, std::uint64_t header) {
  store_le(descriptor(index), packet);
  store_le(descriptor(index) + 8, header);
}

void RxRing::write_tail(std::uint32_t value) {
  registers_->write32(reg(ixgbevf::kTail), value);
}

void RxRing::give_back() {
  arm(next_);
  next_ = after(next_);
  if (++pending_ >= kRefill) refill();
}

void RxRing::refill() {
  if (pending_ == 0) return;
  pending_ = 0;
  // One descriptor stays out, so that a full ring differs from an empty one.
  write_tail(next_ == 0 ? options_.size - 1u : next_ - 1u);
}

std::uint32_t RxRing::complete() const {
  std::uint32_t count = 0;
  for (std::uint32_t at = next_; count < options_.size; at = after(at)) {
    const std::uint64_t word = upper(descriptor(at));
    if (length_of(word) == 0) return 0;
    ++count;
    if ((status_of(word) & descriptor::kRxEndOfPacket) != 0) return count;
  }
  return 0;
}

std::optional<FrameInPlace> RxRing::front(std::span<ConstBytes> parts) const {
  FrameInPlace frame{.buffers = complete()};
  if (frame.buffers == 0) return std::nullopt;
  const bool fits = frame.buffers <= parts.size();
  std::uint32_t at = next_;
  for (std::uint32_t i = 0; i < frame.buffers; ++i, at = after(at)) {
    const std::uint64_t word = upper(descriptor(at));
    frame.status = status_of(word);
    if ((frame.status & descriptor::kRxVlanPacket) != 0) frame.vlan = static_cast<std::uint16_t>(word >> 48);
    if (!fits) continue;
    parts[i] = buffer(at).first(std::min<std::size_t>(length_of(word), options_.buffer));
    frame.length += static_cast<std::uint32_t>(parts[i].size());
  }
  return frame;
}

void RxRing::pop(const FrameInPlace& frame) {
  for (std::uint32_t i = 0; i < frame.buffers; ++i) give_back();
}

std::optional<ReceivedFrame> RxRing::receive() {
  // Nothing is given back before the whole frame is there.
  std::uint32_t count = complete();
  if (count == 0) return std::nullopt;
  ReceivedFrame frame;
  frame.buffers = count;
  frame.info = load_le<std::uint32_t>(descriptor(next_) + descriptor::kRxInfo);
  frame.hash = load_le<std::uint32_t>(descriptor(next_) + descriptor::kRxHash);
  for (; count > 0; --count) {
    const std::uint64_t word = upper(descriptor(next_));
    const Bytes part = buffer(next_).first(std::min<std::size_t>(length_of(word), options_.buffer));
    frame.bytes.insert(frame.bytes.end(), part.begin(), part.end());
    frame.status = status_of(word);
    if ((frame.status & descriptor::kRxVlanPacket) != 0) frame.vlan = static_cast<std::uint16_t>(word >> 48);
    give_back();
  }
  refill();
  return frame;
}

std::uint32_t RxRing::receive_batch(std::uint32_t count) {
  std::uint32_t frames = 0;
  while (frames < count) {
    const std::uint64_t word = upper(descriptor(next_));
    if (length_of(word) == 0) break;
    if ((status_of(word) & descriptor::kRxEndOfPacket) != 0) ++frames;
    give_back();
  }
  return frames;
}

bool RxRing::canaries_hold() const {
  if (!options_.limit) return true;
  for (std::uint32_t i = 0; i < options_.size; ++i)
    for (const std::byte byte : buffer(i).subspan(std::min<std::uint32_t>(*options_.limit, options_.buffer)))
      if (byte != kCanary) return false;
  return true;
}

}  // namespace ladon::client
