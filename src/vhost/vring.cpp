#include "vhost/vring.h"

#include <bit>

namespace ladon::vhost {

namespace {

namespace virtio = spec::virtio;

// A part of the ring: in one region, aligned both where the driver and where we see it.
[[nodiscard]] std::expected<Stretch, Refusal> find_part(const GuestMemory& memory, std::uint64_t address,
                                                        std::uint64_t bytes, std::uint64_t alignment) {
  auto at = memory.find(UserAddr(address));
  if (!at || at->length < bytes || at->offset % alignment != 0) return std::unexpected(Refusal::ring_address);
  at->length = bytes;
  return *at;
}

}  // namespace

Vring::Outcome Vring::set_size(std::uint32_t size) {
  if (started_) return std::unexpected(Refusal::ring_started);
  if (!std::has_single_bit(size) || size > virtio::kMaxQueueSize) return std::unexpected(Refusal::ring_size);
  size_ = static_cast<std::uint16_t>(size);
  return {};
}

Vring::Outcome Vring::set_base(std::uint32_t base) {
  if (started_) return std::unexpected(Refusal::ring_started);
  base_ = static_cast<std::uint16_t>(base);  // the index of a split ring has 16 bits
  return {};
}

std::expected<SplitRing::Parts, Refusal> Vring::resolve(const SetVringAddr& addresses,
                                                        const GuestMemory& memory) const {
  const auto descriptors = find_part(memory, addresses.descriptors, virtio::descriptor_table_bytes(size_),
                                     virtio::kDescriptorAlignment);
  const auto available =
      find_part(memory, addresses.available, virtio::available_ring_bytes(size_), virtio::kAvailAlignment);
  const auto used = find_part(memory, addresses.used, virtio::used_ring_bytes(size_), virtio::kUsedAlignment);
  if (!descriptors || !available || !used) return std::unexpected(Refusal::ring_address);
  return SplitRing::Parts{*descriptors, *available, *used};
}

Vring::Outcome Vring::set_addresses(const SetVringAddr& addresses, const GuestMemory* memory) {
  if ((addresses.flags & spec::vhost_user::kVringLog) != 0) return std::unexpected(Refusal::ring_logging);
  if (memory != nullptr && size_ != 0) {
    const auto parts = resolve(addresses, *memory);
    if (!parts) return std::unexpected(parts.error());
    if (started_) ring_.move_to(*memory, *parts);
  }
  addresses_ = addresses;
  return {};
}

Vring::Outcome Vring::start(const GuestMemory* memory, SplitRing::Features features) {
  if (started_) return {};  // another kick descriptor
  if (memory == nullptr || size_ == 0 || !addresses_) return std::unexpected(Refusal::ring_not_ready);
  const auto parts = resolve(*addresses_, *memory);
  if (!parts) return std::unexpected(parts.error());
  started_ = true;
  flaw_.reset();
  if (!ring_.open(*memory, *parts, size_, base_, features)) fail(RingFlaw::memory_gone);
  return {};
}

std::uint16_t Vring::stop() {
  if (!started_) return base_;
  flush();
  started_ = false;
  flaw_.reset();
  base_ = ring_.base();
  return base_;
}

void Vring::forget() {
  size_ = base_ = 0;
  addresses_.reset();
  started_ = enabled_ = false;
  flaw_.reset();
  call_.reset();
  error_.reset();
}

void Vring::move_to(const GuestMemory& memory) {
  if (!running()) return;  // it is looked at again when it is started
  if (const auto parts = resolve(*addresses_, memory))
    ring_.move_to(memory, *parts);
  else
    fail(RingFlaw::memory_gone);
}

void Vring::fail(RingFlaw flaw) {
  flaws_.add(flaw);
  if (flaw_) return;
  flaw_ = flaw;
  if (error_) error_->signal();
}

void Vring::flush() {
  if (!running() || ring_.published()) return;
  if (!ring_.publish()) return fail(RingFlaw::memory_gone);
  if (!ring_.wants_signal() || !call_) return;
  ++signals_;
  call_->signal();
}

}  // namespace ladon::vhost
