// The event loop as its users see it: descriptors with callbacks, and timers. Everything runs on the thread
// that calls run_once; only wake() may be called from another.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/time.h"

namespace ladon {

// A set of conditions; what a descriptor is watched for, and what has come true. `hangup` and `error` are
// reported whether watched or not.
enum class Events : std::uint8_t { none = 0, readable = 1, writable = 2, hangup = 4, error = 8 };
[[nodiscard]] constexpr Events operator|(Events a, Events b) {
  return static_cast<Events>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
[[nodiscard]] constexpr bool has(Events set, Events one) {
  return (static_cast<std::uint8_t>(set) & static_cast<std::uint8_t>(one)) != 0;
}

class EventLoop {
 public:
  using Callback = std::move_only_function<void(Events)>;

  virtual ~EventLoop() = default;
  // Level-triggered. `fd` is not yet in the loop and stays open until it is removed. A callback may add,
  // change and remove any descriptor, its own included.
  virtual void add(int fd, Events watched, Callback callback) = 0;
  virtual void change(int fd, Events watched) = 0;
  virtual void remove(int fd) = 0;
};

// The loop over Linux's epoll. Construction throws std::system_error if the kernel gives no descriptor.
class EpollLoop final : public EventLoop {
 public:
  using Timer = std::pair<Instant, std::uint64_t>;  // deadline, sequence number: totally ordered

  explicit EpollLoop(const Clock& clock);
  ~EpollLoop() override;

  void add(int fd, Events watched, Callback callback) override;
  void change(int fd, Events watched) override;
  void remove(int fd) override;

  // Runs `callback` once, at the first run_once that ends at or after `deadline`.
  Timer at(Instant deadline, std::move_only_function<void()> callback);
  // Nothing happens if it has run or been cancelled.
  void cancel(const Timer& timer);

  // Waits for at most `longest` (shorter if a timer is due sooner; 0 does not wait; negative waits without
  // end) and runs what is ready. Returns how many callbacks ran.
  std::size_t run_once(Duration longest);
  // Makes a run_once that waits, or the next one, return without waiting. From any thread.
  void wake();

 private:
  struct Entry {
    std::uint32_t generation = 0;
    Callback callback;
  };
  [[nodiscard]] int wait(Duration longest);
  std::size_t run_descriptors(int ready);
  std::size_t run_timers();

  const Clock& clock_;
  FileDescriptor epoll_, wake_;
  std::vector<std::unique_ptr<Entry>> entries_;  // by descriptor
  std::vector<std::unique_ptr<Entry>> removed_;  // kept until no callback of theirs can be running
  std::uint32_t generation_ = 0;
  bool dispatching_ = false;
  std::map<Timer, std::move_only_function<void()>> timers_;
  std::uint64_t sequence_ = 0;
  struct Ready;
  std::unique_ptr<Ready> ready_;
};

}  // namespace ladon
