// The device's packet memory as an account of bytes: one pool, cut into partitions. A partition is guaranteed
// so many bytes and may hold up to a cap; what it holds beyond its guarantee is lent to it from what nobody
// is guaranteed. What has been accepted is never taken back: a partition that shrinks or is freed keeps what
// it holds as a loan until that has drained, and a guarantee that grows into lent memory is backed as the
// loans are repaid, first come, first served. Until then nothing is lent, so it waits for no more than what
// is held at that moment.
//
// A partition may let a part of its guarantee be lent while it needs little of it: only its reserve, the rest
// of the guarantee, is then set aside. As soon as it holds more than half of the reserve - or is refused
// anything - it calls the whole guarantee in: from then on nothing is lent to anybody, and its memory comes
// back as the loans are repaid, in the order of the calls. What it waits for is therefore at most what others
// hold beyond their own at the moment of the call, and the reserve is there all the time. It lends again when
// its caller, who knows the time, finds that it has long needed no more than a quarter of the reserve.
//
// At any time  sum(guaranteed) <= pool  and  sum(backed) + sum(lent) <= pool.  All calls are O(1), settling
// amortized over the calls that have grown or called in a guarantee.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace ladon::qos {

// In bytes. A partition with `most` 0 does not exist.
struct PartitionSize {
  std::uint64_t guaranteed = 0;
  std::uint64_t most = 0;      // guaranteed and lent together; at least `guaranteed`
  std::uint64_t lendable = 0;  // of the guarantee, to others; what is left of it is the reserve

  [[nodiscard]] std::uint64_t reserve() const { return guaranteed - lendable; }

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
  // Bytes of the guarantee that are set aside: the reserve or, once called in, all of it; short of that while
  // loans to others are being repaid.
  [[nodiscard]] std::uint64_t backed(std::uint16_t i) const { return partitions_[i].backed; }
  [[nodiscard]] std::uint64_t lent(std::uint16_t i) const { return partitions_[i].loan(); }
  // A change that has not taken effect yet: bytes of the guarantee still to be backed, or held above the cap.
  [[nodiscard]] std::uint64_t pending(std::uint16_t i) const {
    const Partition& p = partitions_[i];
    return std::max(p.wanted() - p.backed, p.held - std::min(p.held, p.size.most));
  }
  // It has called its guarantee in.
  [[nodiscard]] bool calling(std::uint16_t i) const { return partitions_[i].calling; }
  // Its call has been met, and it has held no more than a quarter of its reserve since the last time of
  // asking.
  [[nodiscard]] bool rested(std::uint16_t i) {
    Partition& p = partitions_[i];
    // Its reserve may have become smaller meanwhile: what it holds now counts too.
    const bool needed = std::exchange(p.needed, p.needs()) || p.needs();
    return p.calling && !needed && p.backed == p.size.guaranteed;
  }
  // After rested(): ends its call.
  void lend_again(std::uint16_t i);
  // How often it has, when not all of it was there.
  [[nodiscard]] std::uint64_t calls(std::uint16_t i) const { return partitions_[i].calls; }
  // It has borrowed memory that is called in: what it stores there must not wait for anything but its turn.
  // (What it holds beyond its guarantee because that was made smaller is not borrowed.)
  [[nodiscard]] bool called_in(std::uint16_t i) const {
    const Partition& p = partitions_[i];
    return unbacked_ != 0 && p.loan() != 0 && !p.shrunk;
  }

  // What could still be guaranteed to a partition in place of what it has.
  [[nodiscard]] std::uint64_t available(std::uint16_t i) const {
    return pool_ - guaranteed_ + partitions_[i].size.guaranteed;
  }
  // False, and nothing changed, if the pool does not have that much, or the cap is below the guarantee, or
  // that below what is to be lent of it.
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
  // The same for what may stay for long: not in memory that somebody is guaranteed and may call in.
  [[nodiscard]] bool fits_for_long(std::uint16_t i, std::uint64_t bytes) const {
    const Partition& p = partitions_[i];
    const std::uint64_t after = p.held + bytes;
    if (after <= p.backed || !fits(i, bytes)) return after <= p.backed;
    return lent_ + after - std::max(p.held, p.backed) <= pool_ - guaranteed_;
  }
  // After fits() has said no: calls the guarantee in, if it is lent.
  void want(std::uint16_t i) {
    Partition& p = partitions_[i];
    if (p.size.lendable != 0 && !p.calling) call_in(i);
  }
  // After fits().
  void hold(std::uint16_t i, std::uint64_t bytes) {
    Partition& p = partitions_[i];
    p.held += bytes;
    if (p.held > p.watch) [[unlikely]]
      held_more(i, bytes);
  }
  void release(std::uint16_t i, std::uint64_t bytes) {
    Partition& p = partitions_[i];
    if (p.held > p.watch) [[unlikely]] {
      lift(i, bytes);
      settle();
    } else {
      p.held -= bytes;
    }
  }

  // As release(), where the bytes are held again at once, in another form: nobody is given them in between.
  // settle() ends it.
  void lift(std::uint16_t i, std::uint64_t bytes) {
    Partition& p = partitions_[i];
    const std::uint64_t before = p.loan();
    p.held -= bytes;
    lent_ -= before - p.loan();
    p.shrunk = p.shrunk && p.loan() != 0;
  }
  // Backs guarantees from free memory, in the order in which they were demanded.
  void settle();

  // Over all partitions.
  [[nodiscard]] std::uint64_t guaranteed() const { return guaranteed_; }
  [[nodiscard]] std::uint64_t lent() const { return lent_; }
  [[nodiscard]] std::uint64_t unbacked() const { return unbacked_; }
  [[nodiscard]] std::uint64_t free() const { return pool_ - backed_ - lent_; }
  // How many have called their guarantees in; how often that has happened, as calls(i).
  [[nodiscard]] std::uint16_t callers() const { return callers_; }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  // Of what is lent, what somebody is guaranteed.
  [[nodiscard]] std::uint64_t lent_of_guarantees() const {
    const std::uint64_t nobodys = pool_ - guaranteed_;
    return lent_ > nobodys ? lent_ - nobodys : 0;
  }

 private:
  static constexpr std::uint16_t kNone = 0xFFFF;
  struct alignas(64) Partition {
    std::uint64_t backed = 0, held = 0;
    // Nothing but `held` changes while it stays at or below this.
    std::uint64_t watch = 0;
    PartitionSize size;
    std::uint64_t calls = 0;
    std::uint16_t next = kNone;  // of those waiting to be backed
    bool queued = false, calling = false;
    bool needed = false;  // it has held more than a quarter of its reserve
    bool shrunk = false;  // what is lent to it was its own once, until all of that is repaid
    [[nodiscard]] std::uint64_t loan() const { return held > backed ? held - backed : 0; }
    [[nodiscard]] std::uint64_t wanted() const { return calling ? size.guaranteed : size.reserve(); }
    [[nodiscard]] bool needs() const { return held > size.reserve() / 4; }
    void set_watch() {
      const std::uint64_t own = size.lendable != 0 ? size.reserve() / 2 : backed;
      watch = calling ? 0 : std::min(backed, own);
    }
  };
  void held_more(std::uint16_t i, std::uint64_t bytes);
  void call_in(std::uint16_t i);
  void demand(std::uint16_t i);
  void back(Partition& p, std::uint64_t bytes);
  void keep_backed(Partition& p, std::uint64_t most);
  void enqueue(std::uint16_t i);

  std::uint64_t pool_;
  std::uint64_t guaranteed_ = 0, backed_ = 0, lent_ = 0, unbacked_ = 0, calls_ = 0;
  std::uint16_t first_ = kNone, last_ = kNone;  // waiting to be backed, in order of their demand
  std::uint16_t callers_ = 0;
  std::vector<Partition> partitions_;
};

}  // namespace ladon::qos
