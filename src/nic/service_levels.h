// The service levels of a device's functions, and the parts that keep them: the partitions of packet memory,
// the limiters of admission and the two schedulers. A level is set whole or refused whole.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "nic/options.h"
#include "qos/level.h"
#include "qos/limiter.h"
#include "qos/partitions.h"
#include "qos/scheduler.h"

namespace ladon::nic {

// What the device takes on in each direction, in bits a second. 0: as much as it is able to; what is
// guaranteed is then reckoned against the link.
struct Capacity {
  std::uint64_t receive = 0, transmit = 0;

  friend bool operator==(const Capacity&, const Capacity&) = default;
};

class ServiceLevels {
 public:
  // Nothing is promised, and every function has an equal partition.
  ServiceLevels(const NicOptions& options, Instant now);

  [[nodiscard]] const qos::ServiceLevel& level(std::uint16_t vf) const { return levels_[vf]; }
  // What could be promised to this function in place of what it has.
  [[nodiscard]] qos::Headroom headroom(std::uint16_t vf) const;
  // nullopt: done; otherwise nothing has changed.
  std::optional<qos::LevelRefusal> set(std::uint16_t vf, const qos::ServiceLevel& level, Instant now);
  [[nodiscard]] const Capacity& capacity() const { return capacity_; }
  // False, and nothing changed, if more than that is guaranteed already.
  bool set_capacity(const Capacity& capacity, Instant now);
  // The function's rates and turns become those of one to whom nothing was promised; its partition stays.
  void forget(std::uint16_t vf, Instant now);
  // As at the start.
  void reset(Instant now);

  [[nodiscard]] qos::Partitions& memory() { return memory_; }
  [[nodiscard]] const qos::Partitions& memory() const { return memory_; }
  // Lent guarantees that were called in are lent again if their owners have needed little for kCallLasts.
  void lend_again(Instant now);
  static constexpr Duration kCallLasts = std::chrono::milliseconds(100);
  // Null: nothing that the function receives is refused for its rate.
  [[nodiscard]] qos::Limiter* limiter(std::uint16_t vf) {
    return limiters_[vf].limits() ? &limiters_[vf] : nullptr;
  }
  // Transmit queues wait for their function's turn, because somebody's level asks for it.
  [[nodiscard]] bool transmit_in_turns() const;
  // Received frames are stored and wait for their function's turn, because the device has a limit.
  [[nodiscard]] bool receive_in_turns() const { return capacity_.receive != 0; }
  [[nodiscard]] qos::Scheduler& transmit() { return transmit_; }
  [[nodiscard]] const qos::Scheduler& transmit() const { return transmit_; }
  [[nodiscard]] qos::Scheduler& receive() { return receive_; }
  [[nodiscard]] const qos::Scheduler& receive() const { return receive_; }

 private:
  void apply(std::uint16_t vf, const qos::ServiceLevel& level, Instant now);
  [[nodiscard]] qos::PartitionSize equal_share() const;

  std::vector<qos::ServiceLevel> levels_;
  Capacity capacity_;
  qos::Partitions memory_;
  std::vector<Instant> needed_;  // when a function last needed a guarantee that it lends
  std::vector<qos::Limiter> limiters_;
  qos::Scheduler transmit_, receive_;
};

}  // namespace ladon::nic
