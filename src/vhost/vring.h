// One virtqueue as the front end sets it up: size, addresses, eventfds, and whether it runs. vhost-user,
// "Ring states". A ring whose driver has broken it stops until it is started anew.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "base/event_fd.h"
#include "vhost/codec.h"
#include "vhost/guest_memory.h"
#include "vhost/refusal.h"
#include "vhost/split_ring.h"

namespace ladon::vhost {

class Vring {
 public:
  using Outcome = std::expected<void, Refusal>;

  // ---- what the front end does
  [[nodiscard]] Outcome set_size(std::uint32_t size);
  [[nodiscard]] Outcome set_base(std::uint32_t base);
  // `memory` is null if there is none yet.
  [[nodiscard]] Outcome set_addresses(const SetVringAddr& addresses, const GuestMemory* memory);
  // Runs from here on, if size, addresses and memory are there.
  [[nodiscard]] Outcome start(const GuestMemory* memory, SplitRing::Features features);
  // The entry that the driver's next buffer has, for the next start.
  [[nodiscard]] std::uint16_t stop();
  void set_enabled(bool enabled) { enabled_ = enabled; }
  void set_features(SplitRing::Features features) { ring_.set_features(features); }
  void set_call(std::optional<EventFd> event) { call_ = std::move(event); }
  void set_error(std::optional<EventFd> event) { error_ = std::move(event); }
  // As it was made, but for the counters.
  void forget();
  // The same ring, if it runs, in other memory.
  void move_to(const GuestMemory& memory);

  // ---- what the device does
  [[nodiscard]] bool running() const { return started_ && !flaw_; }
  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] bool enabled() const { return enabled_; }
  [[nodiscard]] SplitRing& ring() { return ring_; }
  // Why it has stopped, if it has.
  [[nodiscard]] std::optional<RingFlaw> flaw() const { return flaw_; }
  // Stops it, counts, and tells the front end.
  void fail(RingFlaw flaw);
  // Shows the driver what has been given back, and signals if it wants that.
  void flush();

  [[nodiscard]] const RingFlaws& flaws() const { return flaws_; }
  [[nodiscard]] std::uint64_t signals() const { return signals_; }

 private:
  [[nodiscard]] std::expected<SplitRing::Parts, Refusal> resolve(const SetVringAddr& addresses,
                                                                 const GuestMemory& memory) const;

  std::uint16_t size_ = 0, base_ = 0;
  std::optional<SetVringAddr> addresses_;
  bool started_ = false, enabled_ = false;
  std::optional<RingFlaw> flaw_;
  SplitRing ring_;
  std::optional<EventFd> call_, error_;
  RingFlaws flaws_;
  std::uint64_t signals_ = 0;
};

}  // namespace ladon::vhost
