// What one vNIC is promised and allowed: a plain value, and whether a device can still promise it. A level
// that cannot be met with what is left is refused, naming what is short; nothing is changed by asking.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "qos/limiter.h"
#include "qos/partitions.h"
#include "qos/scheduler.h"

namespace ladon::qos {

// A rate in units a second, and the burst in which it may come. Of bits: the burst is in bytes; of packets
// and cost: in those. The burst belongs to each of the two rates.
struct RateRange {
  std::uint64_t guaranteed = 0;  // CIR
  std::uint64_t most = 0;        // CIR + EIR; 0: no limit
  std::uint64_t burst = 0;       // 0: default_burst()

  [[nodiscard]] bool limits() const { return most != 0; }
  friend bool operator==(const RateRange&, const RateRange&) = default;
};

struct Turns {
  std::uint8_t priority = 0;  // 0 to kPriorities - 1, the highest first
  std::uint16_t weight = 1;   // 1 to kMostWeight

  friend bool operator==(const Turns&, const Turns&) = default;
};

// The default is what a vNIC has to whom nothing was promised: no limit, a share like everybody's, no memory.
struct ServiceLevel {
  RateRange receive, receive_packets, receive_cost;
  RateRange transmit;
  Turns receive_turns, transmit_turns;
  PartitionSize memory;

  friend bool operator==(const ServiceLevel&, const ServiceLevel&) = default;
};

// What the device has left to promise to this vNIC, in place of what it has now.
struct Headroom {
  std::uint64_t receive = 0, transmit = 0;  // bits a second
  std::uint64_t memory = 0;                 // bytes
};

enum class LevelError : std::uint8_t {
  none,
  receive_rate_short,  // more is guaranteed than the capacity has left
  transmit_rate_short,
  memory_short,
  memory_cap_below_guarantee,
  memory_below_frame,  // a partition that could never take a whole frame
  maximum_below_guarantee,
  burst_below_frame,  // nothing would ever pass
  burst_too_large,    // above Bucket::kMostBurst
  weight_out_of_range,
  priority_out_of_range,
  no_such_function,  // said by the device's registers
  memory_lend_above_guarantee,
  memory_reserve_below_frame,  // what is not to be lent would not take a whole frame
  count_
};
[[nodiscard]] std::string_view name(LevelError error);

struct LevelRefusal {
  LevelError error = LevelError::none;
  std::uint64_t wanted = 0, left = 0;  // in the units of what is short or out of range; 0 where nothing is
};

// `largest_frame` in bytes. nullopt: the level can be promised.
[[nodiscard]] std::optional<LevelRefusal> refuse(const ServiceLevel& level, const Headroom& left,
                                                 std::uint32_t largest_frame);

// The burst where none is stated: 5 ms of the higher rate, so that TCP behind a policer keeps its rate, and
// half a per cent of a second at most is added to it; 64 KiB (or 64 frames) at least.
[[nodiscard]] std::uint64_t default_burst(const RateRange& range, Measure measure);

// The level as the parts of the device take it.
[[nodiscard]] Limiter::Rates limiter_rates(const ServiceLevel& level);
[[nodiscard]] Share transmit_share(const ServiceLevel& level);
[[nodiscard]] Share receive_share(const ServiceLevel& level);

}  // namespace ladon::qos
