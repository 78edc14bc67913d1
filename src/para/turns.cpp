#include "para/turns.h"

#include <algorithm>

namespace ladon::para {

bool Turns::may(unsigned guest) {
  if (count_ == 0) return true;
  if (active_ == guest && credit_[guest] > 0) return true;
  wait(guest);
  return false;
}

void Turns::wait(unsigned guest) {
  if (waits(guest)) return;
  members_ |= std::uint64_t{1} << guest;
  queue_[(head_ + count_) % kMaxGuests] = static_cast<std::uint8_t>(guest);
  ++count_;
  // Debts stay, or the largest frames would be cheapest sent one at a time.
  credit_[guest] = std::min<std::int64_t>(credit_[guest], 0);
}

void Turns::remove(unsigned guest) {
  unsigned kept = 0;
  for (unsigned i = 0; i < count_; ++i) {
    const std::uint8_t other = queue_[(head_ + i) % kMaxGuests];
    if (other != guest) queue_[(head_ + kept++) % kMaxGuests] = other;
  }
  count_ = kept;
  members_ &= ~(std::uint64_t{1} << guest);
}

void Turns::leave(unsigned guest) {
  if (!waits(guest)) return;
  if (queue_[head_] == guest) continues_ = false;
  if (active_ == guest) active_.reset();
  remove(guest);
}

std::optional<unsigned> Turns::begin() {
  if (count_ == 0) return std::nullopt;
  active_ = queue_[head_];
  // Nothing is saved up by a guest that does not use its turns.
  if (!continues_) credit_[*active_] = std::min<std::int64_t>(credit_[*active_] + quantum_, quantum_);
  continues_ = true;
  return active_;
}

void Turns::end(End how) {
  if (!active_) return;  // it has left meanwhile
  const unsigned guest = *active_;
  active_.reset();
  if (how == End::blocked) return;
  continues_ = false;
  remove(guest);
  if (how == End::idle) return;
  const std::int64_t credit = credit_[guest];
  wait(guest);
  credit_[guest] = credit;
}

}  // namespace ladon::para
