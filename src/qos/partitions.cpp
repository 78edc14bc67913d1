#include "qos/partitions.h"

namespace ladon::qos {

bool Partitions::resize(std::uint16_t i, const PartitionSize& size) {
  if (size.most < size.guaranteed || size.lendable > size.guaranteed || size.guaranteed > available(i))
    return false;
  Partition& p = partitions_[i];
  const std::uint64_t loan = p.loan();
  unbacked_ -= p.wanted() - p.backed;
  guaranteed_ = guaranteed_ - p.size.guaranteed + size.guaranteed;
  p.size = size;
  if (p.calling) --callers_;
  p.calling = size.lendable != 0 && (p.calling || p.held > size.reserve() / 2);
  if (p.calling) ++callers_;
  // Shrinking: what is held above the new guarantee becomes a loan.
  keep_backed(p, p.wanted());
  p.shrunk = p.loan() > loan || (p.shrunk && p.loan() != 0);
  unbacked_ += p.wanted() - p.backed;
  demand(i);
  return true;
}

// ---- calling in and lending again

void Partitions::held_more(std::uint16_t i, std::uint64_t bytes) {
  Partition& p = partitions_[i];
  const std::uint64_t own = p.backed - std::min(p.backed, p.held - bytes);
  if (bytes > own) lent_ += bytes - own;
  if (p.size.lendable == 0) return;
  p.needed |= p.needs();
  if (!p.calling && p.held > p.size.reserve() / 2) call_in(i);
}

void Partitions::call_in(std::uint16_t i) {
  Partition& p = partitions_[i];
  p.calling = p.needed = true;
  ++callers_;
  unbacked_ += p.size.lendable;
  demand(i);
  if (p.backed == p.size.guaranteed) return;
  ++p.calls;
  ++calls_;
}

void Partitions::lend_again(std::uint16_t i) {
  Partition& p = partitions_[i];
  p.calling = false;
  --callers_;
  keep_backed(p, p.size.reserve());
  settle();
}

// ---- backing

// What the partition wants and does not have yet.
void Partitions::demand(std::uint16_t i) {
  Partition& p = partitions_[i];
  // Its own loan backs it first, for that needs no memory of anybody's.
  back(p, std::min(p.wanted() - p.backed, p.loan()));
  if (p.backed < p.wanted() && !p.queued) enqueue(i);
  settle();
}

void Partitions::back(Partition& p, std::uint64_t bytes) {
  const std::uint64_t loan = p.loan();
  p.backed += bytes;
  backed_ += bytes;
  unbacked_ -= bytes;
  lent_ -= loan - p.loan();
  p.set_watch();
}

// No more than `most` is set aside for it; what it holds beyond that is a loan.
void Partitions::keep_backed(Partition& p, std::uint64_t most) {
  const std::uint64_t loan = p.loan();
  const std::uint64_t kept = std::min(p.backed, most);
  backed_ -= p.backed - kept;
  p.backed = kept;
  lent_ += p.loan() - loan;
  p.set_watch();
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
    back(p, std::min(p.wanted() - p.backed, free()));
    if (p.backed < p.wanted()) return;
    p.queued = false;
    first_ = p.next;
    if (first_ == kNone) last_ = kNone;
  }
}

}  // namespace ladon::qos
