// Quiescent-state reclamation (McKenney and Slingwine 1998): an engine reads tables without a lock, and
// whoever takes something away from it waits until every engine has passed a point where it holds no
// reference.
//
// An engine registers once and calls `Reader::quiescent()` between two batches of work (a parked engine calls
// `offline()`). `Quiescence::after_grace(f)` runs f once every reader that was online at the call has been
// quiescent since: that is when an unmap may be answered and memory handed on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace ladon {

class Quiescence {
 public:
  class Reader {
   public:
    // The reader holds no reference taken before this call.
    void quiescent() {
      seen_.store(owner_.epoch_.load(std::memory_order_acquire), std::memory_order_release);
    }
    // The reader holds none and takes none until its next quiescent().
    void offline() { seen_.store(kOffline, std::memory_order_release); }

   private:
    friend class Quiescence;
    explicit Reader(Quiescence& owner) : owner_(owner) {}
    Quiescence& owner_;
    std::atomic<std::uint64_t> seen_{kOffline};
  };

  Reader& add_reader();

  // Runs `done` (on the thread that calls poll()) when all readers have passed a quiescent point.
  void after_grace(std::move_only_function<void()> done);
  // Runs what has become due; returns how many callbacks still wait. Callbacks may call after_grace again.
  std::size_t poll();

 private:
  static constexpr std::uint64_t kOffline = ~std::uint64_t{0};
  struct Waiting {
    std::uint64_t epoch;
    std::move_only_function<void()> done;
  };
  [[nodiscard]] std::uint64_t oldest_seen() const;

  std::atomic<std::uint64_t> epoch_{1};
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<Waiting> waiting_;
};

}  // namespace ladon
