// A link of a fixed capacity that sends what a scheduler says, in simulated time: every flow has a queue that
// is full, or fed at a rate, and the link is never idle while the scheduler has someone.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "qos/scheduler.h"

namespace ladon::qos::testing {

class Link {
 public:
  // The length of a flow's next frame in bytes; 0: it has none now.
  using NextFrame = std::function<std::uint32_t(std::uint16_t flow)>;
  // Called for every frame that has been sent.
  using Sent = std::function<void(std::uint16_t flow, std::uint32_t bytes, Instant at)>;

  Link(Scheduler& scheduler, std::uint64_t capacity, std::uint16_t flows, NextFrame next_frame)
      : sent(flows), scheduler_(scheduler), capacity_(capacity), next_frame_(std::move(next_frame)) {}

  void start(std::uint16_t flow) { scheduler_.activate(flow, next_frame_(flow), now); }

  // Sends until `end`.
  void run(Instant end) {
    while (now < end) {
      const auto turn = scheduler_.next(now);
      if (!turn) {
        const auto deadline = scheduler_.deadline(now);
        const Instant until = deadline ? std::max(*deadline, now + Duration(1)) : end;
        idle += std::min(until, end) - now;
        now = until;
        continue;
      }
      serve(*turn);
    }
  }

  std::vector<std::uint64_t> sent;  // bytes, by flow
  std::uint64_t total = 0;
  Duration idle{};
  Instant now{};
  Sent on_sent;
  std::function<void(std::uint16_t flow)> frame_sent;  // takes the frame off its queue

 private:
  void serve(const Scheduler::Turn& turn) {
    std::uint32_t bytes = 0;
    while (true) {
      const std::uint32_t frame = next_frame_(turn.flow);
      if (frame == 0 || bytes + frame > turn.bytes) return scheduler_.served(turn, bytes, frame, now);
      bytes += frame;
      sent[turn.flow] += frame;
      total += frame;
      if (on_sent) on_sent(turn.flow, frame, now);
      // The wire is busy with it, to the nanosecond.
      remainder_ += std::uint64_t{frame} * 8 * 1'000'000'000;
      now += Duration(static_cast<Duration::rep>(remainder_ / capacity_));
      remainder_ %= capacity_;
      if (frame_sent) frame_sent(turn.flow);
    }
  }

  Scheduler& scheduler_;
  std::uint64_t capacity_, remainder_ = 0;
  NextFrame next_frame_;
};

}  // namespace ladon::qos::testing
