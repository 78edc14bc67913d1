// The device's packet memory as an account of bytes: one pool, cut into partitions. A partition is guaranteed
// so many bytes and may hold up to a cap; what it holds beyond its guarantee is lent to it from what nobody
// is guaranteed. What has been accepted is never taken back: a partition that shrinks or is freed keeps what
// it holds as a loan until that has drained, and a guarantee that grows into lent memory is backed as the
// loans are repaid, first come, first served. Until then nothing is lent, so it waits for no more than what
// is held at that moment.
//
// At any time  sum(guaranteed) <= pool  and  sum(backed) + sum(lent) <= pool.  All calls are O(1), settling
// amortized over the calls that have grown a guarantee.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ladon::qos {

// In bytes. A partition with `most` 0 does not exist.
struct PartitionSize {
  std::uint64_t guaranteed = 0;
  std::uint64_t most = 0;  // guaranteed and lent together; at least `guaranteed`

  friend bool operator==(const PartitionSize&, const PartitionSize&) = default;
};

class Partitions {
 public:
  Partitions(std::uint64_t pool_bytes, std::uint16_t count) : pool_(pool_bytes), partitions_(count) {}

  [[nodiscard]] std::uint64_t pool() const { return pool_; }
  [[nodiscard]] std::uint16_t count() const { return static_cast<std::uint16_t>(partitions_.size()); }
  [[nodiscard]] bool exists(std::uint16_t i) const { return partitions_[i].size.most != 0; }
  [[nodiscard]] const PartitionSize& size(std::uint16_t i) const { return partitions_[i].size; }
  [[nodiscard]] std::uint64_t held(std::uint16_t i) const { return partitions_[i].held; }
  // Bytes of the guarantee that are there already; short of it while loans to others are being repaid.
  [[nodiscard]] std::uint64_t backed(std::uint16_t i) const { return partitions_[i].backed; }
  [[nodiscard]] std::uint64_t lent(std::uint16_t i) const { return partitions_[i].loan(); }
  // A change that has not taken effect yet: bytes of the guarantee still to be backed, or held above the cap.
  [[nodiscard]] std::uint64_t pending(std::uint16_t i) const {
    const Partition& p = partitions_[i];
    return std::max(p.size.guaranteed - p.backed, p.held - std::min(p.held, p.size.most));
  }

  // What could still be guaranteed to a partition in place of what it has.
  [[nodiscard]] std::uint64_t available(std::uint16_t i) const {
    return pool_ - guaranteed_ + partitions_[i].size.guaranteed;
  }
  // False, and nothing changed, if the pool does not have that much or the cap is below the guarantee.
  bool resize(std::uint16_t i, const PartitionSize& size);

  // Is there room for `bytes` more?
  [[nodiscard]] bool fits(std::uint16_t i, std::uint64_t bytes) const {
    const Partition& p = partitions_[i];
    const std::uint64_t after = p.held + bytes;
    if (after <= p.backed) [[likely]]
      return true;
    if (after > p.size.most || unbacked_ != 0) return false;
    return after - std::max(p.held, p.backed) <= free();
  }
  // After fits().
  void hold(std::uint16_t i, std::uint64_t bytes) {
    Partition& p = partitions_[i];
    const std::uint64_t before = p.loan();
    p.held += bytes;
    if (p.held > p.backed) [[unlikely]]
      lent_ += p.loan() - before;
  }
  void release(std::uint16_t i, std::uint64_t bytes) {
    Partition& p = partitions_[i];
    const std::uint64_t before = p.loan();
    p.held -= bytes;
    if (before != 0) [[unlikely]]
      repay(before - p.loan());
  }

  // As release(), where the bytes are held again at once, in another form: nobody is given them in between.
  // settle() ends it.
  void lift(std::uint16_t i, std::uint64_t bytes) {
    Partition& p = partitions_[i];
    const std::uint64_t before = p.loan();
    p.held -= bytes;
    lent_ -= before - p.loan();
  }
  // Backs guarantees from free memory, in the order in which they were demanded.
  void settle();

  // Over all partitions.
  [[nodiscard]] std::uint64_t guaranteed() const { return guaranteed_; }
  [[nodiscard]] std::uint64_t lent() const { return lent_; }
  [[nodiscard]] std::uint64_t unbacked() const { return unbacked_; }
  [[nodiscard]] std::uint64_t free() const { return pool_ - backed_ - lent_; }

 private:
  static constexpr std::uint16_t kNone = 0xFFFF;
  struct alignas(64) Partition {
    std::uint64_t backed = 0, held = 0;
    PartitionSize size;
    std::uint16_t next = kNone;  // of those waiting to be backed
    bool queued = false;
    [[nodiscard]] std::uint64_t loan() const { return held > backed ? held - backed : 0; }
  };
  void back(Partition& p, std::uint64_t bytes);
  void enqueue(std::uint16_t i);
  void repay(std::uint64_t bytes);

  std::uint64_t pool_;
  std::uint64_t guaranteed_ = 0, backed_ = 0, lent_ = 0, unbacked_ = 0;
  std::uint16_t first_ = kNone, last_ = kNone;  // waiting to be backed, in order of their demand
  std::vector<Partition> partitions_;
};

}  // namespace ladon::qos
