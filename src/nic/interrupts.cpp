#include "nic/interrupts.h"

#include <bit>

namespace ladon::nic {

namespace {

constexpr std::uint32_t kIntervalMask = 0x0FF8, kIntervalShift = 3;
constexpr std::uint32_t kKeepCounter = 1u << 31;  // CNT_WDIS: the running interval is not restarted
// The unit of the interval at 10 Gb/s (82599 Datasheet 8.2.3.5.12).
constexpr Duration kIntervalUnit{2048};

}  // namespace

bool Interrupts::update(Instant now) {
  bool accepted = true;
  for (std::uint32_t bits = asserted_ & mask_; bits != 0; bits &= bits - 1) {
    const auto vector = static_cast<std::uint16_t>(std::countr_zero(bits));
    const std::uint32_t bit = 1u << vector;
    if (now < not_before_[vector]) continue;
    asserted_ &= ~bit;
    cause_ &= ~(bit & auto_clear);
    mask_ &= ~(bit & auto_mask);
    not_before_[vector] = now + kIntervalUnit * ((throttle_[vector] & kIntervalMask) >> kIntervalShift);
    if (table_.raise(vector, port_) == pcie::DmaStatus::refused) accepted = false;
  }
  return accepted;
}

std::optional<Instant> Interrupts::deadline() const {
  std::optional<Instant> first;
  for (std::uint32_t bits = asserted_ & mask_; bits != 0; bits &= bits - 1) {
    const Instant at = not_before_[static_cast<std::size_t>(std::countr_zero(bits))];
    if (!first || at < *first) first = at;
  }
  return first;
}

void Interrupts::reset() {
  cause_ = mask_ = asserted_ = auto_clear = auto_mask = ivar_misc_ = 0;
  ivar_.fill(0);
  throttle_.fill(0);
  not_before_.fill(Instant{});
}

std::uint32_t Interrupts::read_cause() {
  const std::uint32_t causes = cause_;
  cause_ = asserted_ = 0;
  return causes;
}

void Interrupts::enable(std::uint32_t bits) {
  mask_ |= bits & kAll;
  // A cause that is still set when its vector is unmasked is signalled again: nothing is lost while masked.
  asserted_ |= cause_ & bits;
}

void Interrupts::set_throttle(std::uint32_t vector, std::uint32_t value) {
  throttle_[vector] = value & kIntervalMask;
  if ((value & kKeepCounter) == 0) not_before_[vector] = Instant{};
}

}  // namespace ladon::nic
