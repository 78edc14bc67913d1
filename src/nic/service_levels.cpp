#include "nic/service_levels.h"

#include <algorithm>
#include <utility>

#include "nic/frame.h"

namespace ladon::nic {

namespace {

// What a function's link register says (spec/ixgbevf.h, kLinkSpeed10G).
constexpr std::uint64_t kLinkRate = 10'000'000'000;

qos::SchedulerOptions scheduler_options(std::uint16_t vfs) {
  return {.flows = vfs, .quantum = kMaxFrame + offload::kVlanTag};
}

// A millisecond of it, so that a device that sleeps between its turns keeps to it; a few frames at least.
std::uint64_t capacity_burst_bits(std::uint64_t bits_per_second) {
  return std::max<std::uint64_t>(bits_per_second / 1000, 8 * 4 * kMaxFrame);
}

}  // namespace

ServiceLevels::ServiceLevels(const NicOptions& options, Instant now)
    : levels_(options.vfs),
      memory_(options.packet_memory_bytes, options.vfs),
      needed_(options.vfs, now),
      limiters_(options.vfs),
      transmit_(scheduler_options(options.vfs), now),
      receive_(scheduler_options(options.vfs), now) {
  reset(now);
}

qos::PartitionSize ServiceLevels::equal_share() const {
  const std::uint64_t share = memory_.pool() / levels_.size();
  return {.guaranteed = share, .most = share};
}

void ServiceLevels::reset(Instant now) {
  // Everything is free before anything is given out.
  for (std::uint16_t vf = 0; vf < levels_.size(); ++vf) apply(vf, {}, now);
  set_capacity({}, now);
  for (std::uint16_t vf = 0; vf < levels_.size(); ++vf) apply(vf, {.memory = equal_share()}, now);
}

void ServiceLevels::forget(std::uint16_t vf, Instant now) {
  apply(vf, {.memory = levels_[vf].memory}, now);
}

qos::Headroom ServiceLevels::headroom(std::uint16_t vf) const {
  qos::Headroom left{.receive = capacity_.receive != 0 ? capacity_.receive : kLinkRate,
                     .transmit = capacity_.transmit != 0 ? capacity_.transmit : kLinkRate,
                     .memory = memory_.available(vf)};
  for (std::size_t other = 0; other < levels_.size(); ++other) {
    if (other == vf) continue;
    left.receive -= levels_[other].receive.guaranteed;
    left.transmit -= levels_[other].transmit.guaranteed;
  }
  return left;
}

std::optional<qos::LevelRefusal> ServiceLevels::set(std::uint16_t vf, const qos::ServiceLevel& level,
                                                    Instant now) {
  if (const auto refusal = qos::refuse(level, headroom(vf), kMaxFrame)) return refusal;
  apply(vf, level, now);
  return std::nullopt;
}

void ServiceLevels::apply(std::uint16_t vf, const qos::ServiceLevel& level, Instant now) {
  const qos::ServiceLevel before = std::exchange(levels_[vf], level);
  memory_.resize(vf, level.memory);
  // What stays as it is keeps its tokens: whoever repeats a level gives nobody a burst.
  if (qos::limiter_rates(level) != qos::limiter_rates(before))
    limiters_[vf] = qos::Limiter(qos::limiter_rates(level), now);
  if (qos::transmit_share(level) != transmit_.share(vf))
    transmit_.set_share(vf, qos::transmit_share(level), now);
  if (qos::receive_share(level) != receive_.share(vf)) receive_.set_share(vf, qos::receive_share(level), now);
}

void ServiceLevels::lend_again(Instant now) {
  for (std::uint16_t vf = 0; vf < levels_.size(); ++vf) {
    if (!memory_.calling(vf)) continue;
    if (!memory_.rested(vf))
      needed_[vf] = now;
    else if (now - needed_[vf] >= kCallLasts)
      memory_.lend_again(vf);
  }
}

bool ServiceLevels::set_capacity(const Capacity& capacity, Instant now) {
  std::uint64_t receive = 0, transmit = 0;
  for (const auto& level : levels_) {
    receive += level.receive.guaranteed;
    transmit += level.transmit.guaranteed;
  }
  if (receive > (capacity.receive != 0 ? capacity.receive : kLinkRate) ||
      transmit > (capacity.transmit != 0 ? capacity.transmit : kLinkRate))
    return false;
  capacity_ = capacity;
  receive_.set_capacity(capacity.receive, capacity_burst_bits(capacity.receive), now);
  transmit_.set_capacity(capacity.transmit, capacity_burst_bits(capacity.transmit), now);
  return true;
}

bool ServiceLevels::transmit_in_turns() const {
  const auto asks = [](const qos::ServiceLevel& level) {
    return level.transmit != qos::RateRange{} || level.transmit_turns != qos::Turns{};
  };
  return capacity_.transmit != 0 || std::ranges::any_of(levels_, asks);
}

}  // namespace ladon::nic
