#include "base/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

namespace ladon {

namespace {

constexpr int kBatch = 64;

[[nodiscard]] std::uint32_t to_epoll(Events events) {
  std::uint32_t bits = 0;
  if (has(events, Events::readable)) bits |= EPOLLIN;
  if (has(events, Events::writable)) bits |= EPOLLOUT;
  return bits;
}

[[nodiscard]] Events from_epoll(std::uint32_t bits) {
  Events events = Events::none;
  if ((bits & EPOLLIN) != 0) events = events | Events::readable;
  if ((bits & EPOLLOUT) != 0) events = events | Events::writable;
  if ((bits & EPOLLHUP) != 0) events = events | Events::hangup;
  if ((bits & EPOLLERR) != 0) events = events | Events::error;
  return events;
}

// What epoll gives back: the generation tells a descriptor from an earlier one of the same number.
[[nodiscard]] epoll_event make_event(int fd, std::uint32_t generation, Events watched) {
  epoll_event event{};
  event.events = to_epoll(watched);
  event.data.u64 = std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
  return event;
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

struct EpollLoop::Ready {
  std::array<epoll_event, kBatch> events;
};

EpollLoop::EpollLoop(const Clock& clock)
    : clock_(clock),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      ready_(std::make_unique<Ready>()) {
  if (!epoll_ || !wake_) fail("event loop");
  add(wake_.get(), Events::readable, [this](Events) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
  });
}

EpollLoop::~EpollLoop() = default;

void EpollLoop::add(int fd, Events watched, Callback callback) {
  const auto slot = static_cast<std::size_t>(fd);
  if (slot >= entries_.size()) entries_.resize(slot + 1);
  epoll_event event = make_event(fd, ++generation_, watched);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail("watch a descriptor");
  entries_[slot] = std::make_unique<Entry>(Entry{generation_, std::move(callback)});
}

void EpollLoop::change(int fd, Events watched) {
  epoll_event event = make_event(fd, entries_.at(static_cast<std::size_t>(fd))->generation, watched);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) fail("watch a descriptor");
}

void EpollLoop::remove(int fd) {
  const auto slot = static_cast<std::size_t>(fd);
  if (slot >= entries_.size() || entries_[slot] == nullptr) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  if (dispatching_)
    removed_.push_back(std::move(entries_[slot]));
  else
    entries_[slot].reset();
}

EpollLoop::Timer EpollLoop::at(Instant deadline, std::move_only_function<void()> callback) {
  const Timer timer{deadline, ++sequence_};
  timers_.emplace(timer, std::move(callback));
  return timer;
}

void EpollLoop::cancel(const Timer& timer) {
  timers_.erase(timer);
}

void EpollLoop::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = ::write(wake_.get(), &one, sizeof one);
}

std::size_t EpollLoop::run_once(Duration longest) {
  if (!timers_.empty()) {
    const Duration left = std::max(timers_.begin()->first.first - clock_.now(), Duration::zero());
    longest = longest < Duration::zero() ? left : std::min(longest, left);
  }
  const std::size_t ran = run_descriptors(wait(longest));
  return ran + run_timers();
}

int EpollLoop::wait(Duration longest) {
  epoll_event* events = ready_->events.data();
  // Rounded up: a timer must not find the loop awake just before it is due, again and again.
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(longest).count();
  int milliseconds = static_cast<int>(std::min<std::int64_t>(rounded, std::numeric_limits<int>::max()));
  if (longest < Duration::zero()) milliseconds = -1;
  if (longest > Duration::zero()) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(longest);
    const timespec exact{seconds.count(), (longest - seconds).count()};
    const int ready = ::epoll_pwait2(epoll_.get(), events, kBatch, &exact, nullptr);
    if (ready >= 0 || errno != ENOSYS) return ready;
  }
  return ::epoll_wait(epoll_.get(), events, kBatch, milliseconds);
}

std::size_t EpollLoop::run_descriptors(int ready) {
  std::size_t ran = 0;
  dispatching_ = true;
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = ready_->events[static_cast<std::size_t>(i)];
    Entry* entry = entries_[static_cast<std::uint32_t>(event.data.u64)].get();
    // Removed, or removed and added again, by a callback of this very batch.
    if (entry == nullptr || entry->generation != event.data.u64 >> 32) continue;
    entry->callback(from_epoll(event.events));
    ++ran;
  }
  dispatching_ = false;
  removed_.clear();
  return ran;
}

std::size_t EpollLoop::run_timers() {
  std::size_t ran = 0;
  // Not those that a callback adds for this very instant: a timer that repeats must not keep the loop here.
  const Timer end{clock_.now(), sequence_};
  while (!timers_.empty() && timers_.begin()->first <= end) {
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
    ++ran;
  }
  return ran;
}

}  // namespace ladon
