#include "base/quiescence.h"

#include <algorithm>

namespace ladon {

Quiescence::Reader& Quiescence::add_reader() {
  const std::scoped_lock lock(mutex_);
  readers_.push_back(std::unique_ptr<Reader>(new Reader(*this)));
  return *readers_.back();
}

void Quiescence::after_grace(std::move_only_function<void()> done) {
  const std::scoped_lock lock(mutex_);
  // A reader that reports this epoch or a later one has been quiescent after the change was made.
  const std::uint64_t epoch = epoch_.fetch_add(1, std::memory_order_acq_rel) + 1;
  waiting_.push_back({epoch, std::move(done)});
}

std::uint64_t Quiescence::oldest_seen() const {
  std::uint64_t oldest = kOffline;
  for (const auto& reader : readers_)
    oldest = std::min(oldest, reader->seen_.load(std::memory_order_acquire));
  return oldest;
}

std::size_t Quiescence::poll() {
  std::vector<Waiting> due;
  std::size_t left = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (waiting_.empty()) return 0;
    const std::uint64_t oldest = oldest_seen();
    const auto split = std::ranges::find_if(waiting_, [&](const Waiting& w) { return w.epoch > oldest; });
    due.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(split));
    waiting_.erase(waiting_.begin(), split);
    left = waiting_.size();
  }
  for (auto& waiting : due) waiting.done();
  return left;
}

}  // namespace ladon
