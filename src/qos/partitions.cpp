#include "qos/partitions.h"

namespace ladon::qos {

bool Partitions::resize(std::uint16_t i, const PartitionSize& size) {
  if (size.most < size.guaranteed || size.guaranteed > available(i)) return false;
  Partition& p = partitions_[i];
  unbacked_ -= p.size.guaranteed - p.backed;
  guaranteed_ = guaranteed_ - p.size.guaranteed + size.guaranteed;
  p.size = size;

  // Shrinking: what is held above the new guarantee becomes a loan.
  const std::uint64_t loan = p.loan();
  const std::uint64_t kept = std::min(p.backed, size.guaranteed);
  backed_ -= p.backed - kept;
  p.backed = kept;
  lent_ += p.loan() - loan;

  unbacked_ += size.guaranteed - p.backed;
  // Growing: its own loan backs it first, for that needs no memory of anybody's.
  back(p, std::min(size.guaranteed - p.backed, p.loan()));
  if (p.backed < size.guaranteed && !p.queued) enqueue(i);
  settle();
  return true;
}

void Partitions::back(Partition& p, std::uint64_t bytes) {
  const std::uint64_t loan = p.loan();
  p.backed += bytes;
  backed_ += bytes;
  unbacked_ -= bytes;
  lent_ -= loan - p.loan();
}

void Partitions::repay(std::uint64_t bytes) {
  lent_ -= bytes;
  settle();
}

void Partitions::enqueue(std::uint16_t i) {
  partitions_[i].queued = true;
  partitions_[i].next = kNone;
  (last_ == kNone ? first_ : partitions_[last_].next) = i;
  last_ = i;
}

void Partitions::settle() {
  while (first_ != kNone) {
    Partition& p = partitions_[first_];
    back(p, std::min(p.size.guaranteed - p.backed, free()));
    if (p.backed < p.size.guaranteed) return;
    p.queued = false;
    first_ = p.next;
    if (first_ == kNone) last_ = kNone;
  }
}

}  // namespace ladon::qos
