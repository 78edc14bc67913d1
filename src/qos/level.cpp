#include "qos/level.h"

#include <algorithm>

namespace ladon::qos {

namespace {

// Units of a bucket for one of a burst: bits are metered, bursts of them are stated in bytes.
std::uint64_t burst_units(Measure measure) {
  return measure == Measure::bits ? 8 : 1;
}

std::uint64_t burst_of(const RateRange& range, Measure measure) {
  return range.burst != 0 ? range.burst : default_burst(range, measure);
}

// The least burst that lets the largest frame pass.
std::uint64_t least_burst(Measure measure, std::uint32_t largest_frame) {
  switch (measure) {
    case Measure::bits:
      return largest_frame;
    case Measure::packets:
      return 1;
    default:
      return cost_of(largest_frame, true);
  }
}

std::optional<LevelRefusal> refuse_range(const RateRange& range, Measure measure,
                                         std::uint32_t largest_frame) {
  if (range.limits() && range.most < range.guaranteed)
    return LevelRefusal{LevelError::maximum_below_guarantee};
  if (range.burst == 0) return std::nullopt;
  const std::uint64_t least = least_burst(measure, largest_frame);
  if (range.burst < least) return LevelRefusal{LevelError::burst_below_frame, range.burst, least};
  const std::uint64_t most = Bucket::kMostBurst / burst_units(measure);
  if (range.burst > most) return LevelRefusal{LevelError::burst_too_large, range.burst, most};
  return std::nullopt;
}

std::optional<LevelRefusal> refuse_turns(const Turns& turns) {
  if (turns.weight < 1 || turns.weight > kMostWeight)
    return LevelRefusal{LevelError::weight_out_of_range, turns.weight, kMostWeight};
  if (turns.priority >= kPriorities)
    return LevelRefusal{LevelError::priority_out_of_range, turns.priority, kPriorities - 1};
  return std::nullopt;
}

std::optional<LevelRefusal> refuse_memory(const PartitionSize& memory, std::uint64_t left,
                                          std::uint32_t largest_frame) {
  if (memory.most < memory.guaranteed)
    return LevelRefusal{LevelError::memory_cap_below_guarantee, memory.most, memory.guaranteed};
  if (memory.most != 0 && memory.most < largest_frame)
    return LevelRefusal{LevelError::memory_below_frame, memory.most, largest_frame};
  if (memory.lendable > memory.guaranteed)
    return LevelRefusal{LevelError::memory_lend_above_guarantee, memory.lendable, memory.guaranteed};
  if (memory.lendable != 0 && memory.reserve() < largest_frame)
    return LevelRefusal{LevelError::memory_reserve_below_frame, memory.reserve(), largest_frame};
  if (memory.guaranteed > left) return LevelRefusal{LevelError::memory_short, memory.guaranteed, left};
  return std::nullopt;
}

std::optional<MeterRates> meter_rates(const RateRange& range, Measure measure) {
  // Without a maximum nothing is ever refused for its rate.
  if (!range.limits()) return std::nullopt;
  const std::uint64_t burst = burst_of(range, measure) * burst_units(measure);
  const std::uint64_t excess = range.most - range.guaranteed;
  return MeterRates{.committed = range.guaranteed,
                    .committed_burst = range.guaranteed != 0 ? burst : 0,
                    .excess = excess,
                    .excess_burst = excess != 0 ? burst : 0};
}

Share share(const RateRange& range, const Turns& turns) {
  const std::uint64_t burst = burst_of(range, Measure::bits);
  return {.priority = turns.priority,
          .weight = turns.weight,
          .guaranteed = range.guaranteed,
          .guaranteed_burst = range.guaranteed != 0 ? burst : 0,
          .most = range.most,
          .most_burst = range.most != 0 ? burst : 0};
}

}  // namespace

std::optional<LevelRefusal> refuse(const ServiceLevel& level, const Headroom& left,
                                   std::uint32_t largest_frame) {
  for (const auto& [range, measure] : {std::pair{&level.receive, Measure::bits},
                                       {&level.receive_packets, Measure::packets},
                                       {&level.receive_cost, Measure::cost},
                                       {&level.transmit, Measure::bits}})
    if (const auto refusal = refuse_range(*range, measure, largest_frame)) return refusal;
  for (const Turns* turns : {&level.receive_turns, &level.transmit_turns})
    if (const auto refusal = refuse_turns(*turns)) return refusal;
  if (level.receive.guaranteed > left.receive)
    return LevelRefusal{LevelError::receive_rate_short, level.receive.guaranteed, left.receive};
  if (level.transmit.guaranteed > left.transmit)
    return LevelRefusal{LevelError::transmit_rate_short, level.transmit.guaranteed, left.transmit};
  return refuse_memory(level.memory, left.memory, largest_frame);
}

std::uint64_t default_burst(const RateRange& range, Measure measure) {
  const std::uint64_t rate = std::max(range.guaranteed, range.most);
  const std::uint64_t floor = measure == Measure::bits      ? std::uint64_t{64} << 10
                              : measure == Measure::packets ? 64
                                                            : 64 * cost_of(1514, true);
  const std::uint64_t wanted = rate / burst_units(measure) / 200;  // 5 ms
  return std::clamp(wanted, floor, Bucket::kMostBurst / burst_units(measure));
}

Limiter::Rates limiter_rates(const ServiceLevel& level) {
  return {meter_rates(level.receive, Measure::bits), meter_rates(level.receive_packets, Measure::packets),
          meter_rates(level.receive_cost, Measure::cost)};
}

Share transmit_share(const ServiceLevel& level) {
  return share(level.transmit, level.transmit_turns);
}
Share receive_share(const ServiceLevel& level) {
  // The maximum is the limiter's affair, before anything is stored.
  Share made = share(level.receive, level.receive_turns);
  made.most = made.most_burst = 0;
  return made;
}

std::string_view name(LevelError error) {
  switch (error) {
    case LevelError::none:
      return "none";
    case LevelError::receive_rate_short:
      return "receive_rate_short";
    case LevelError::transmit_rate_short:
      return "transmit_rate_short";
    case LevelError::memory_short:
      return "memory_short";
    case LevelError::memory_cap_below_guarantee:
      return "memory_cap_below_guarantee";
    case LevelError::memory_below_frame:
      return "memory_below_frame";
    case LevelError::maximum_below_guarantee:
      return "maximum_below_guarantee";
    case LevelError::burst_below_frame:
      return "burst_below_frame";
    case LevelError::burst_too_large:
      return "burst_too_large";
    case LevelError::weight_out_of_range:
      return "weight_out_of_range";
    case LevelError::priority_out_of_range:
      return "priority_out_of_range";
    case LevelError::no_such_function:
      return "no_such_function";
    case LevelError::memory_lend_above_guarantee:
      return "memory_lend_above_guarantee";
    case LevelError::memory_reserve_below_frame:
      return "memory_reserve_below_frame";
    case LevelError::count_:
      break;
  }
  return "?";
}

}  // namespace ladon::qos
