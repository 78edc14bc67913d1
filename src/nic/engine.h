// The data path's middle: which queues are ready, the switch, the wire, and who must be told. One poll runs
// batches to completion; nothing here locks or allocates.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"
#include "base/wire.h"
#include "nic/counters.h"
#include "nic/frame.h"
#include "nic/options.h"
#include "nic/page_tables.h"
#include "nic/pf_events.h"
#include "nic/queue_set.h"
#include "nic/queue_turns.h"
#include "nic/service_levels.h"
#include "nic/switch.h"
#include "nic/tap.h"
#include "nic/vf.h"
#include "nic/wire_port.h"
#include "pcie/config_space.h"
#include "pcie/dma.h"

namespace ladon::nic {

// An additional unicast address of a function (spec::pf::kFilters).
struct AddressFilter {
  MacAddress mac;
  std::uint16_t vf = 0;
  bool valid = false;
};

class Engine {
 public:
  Engine(const NicOptions& options, const Clock& clock, Wire& wire, std::span<pcie::DmaPort* const> ports);

  [[nodiscard]] std::uint16_t vfs() const { return static_cast<std::uint16_t>(vfs_.size()); }
  [[nodiscard]] Vf& vf(std::uint16_t index) { return *vfs_[index]; }
  [[nodiscard]] const Vf& vf(std::uint16_t index) const { return *vfs_[index]; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  // Of the poll that is under way.
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] const NicOptions::Mutations& mutations() const { return mutations_; }
  [[nodiscard]] ServiceLevels& services() { return services_; }
  [[nodiscard]] PageTables& page_tables() { return page_tables_; }
  [[nodiscard]] Switch& fabric() { return switch_; }
  [[nodiscard]] WirePort& wire() { return wire_; }
  [[nodiscard]] PfEvents& events() { return events_; }
  [[nodiscard]] pcie::MsixTable& pf_msix() { return pf_msix_; }
  [[nodiscard]] pcie::DmaPort& pf_port() { return pf_port_; }

  // ---- work
  bool poll(std::size_t budget);
  [[nodiscard]] bool has_work() const {
    return !ready_.empty() || !round_.empty() || touched_ != 0 || (in_turns() && turn_due());
  }
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void completed(pcie::DmaTag tag, pcie::DmaStatus status);
  // The queue has something to do.
  void ready(unsigned queue) { ready_.add(queue); }
  void wake(QueueSet& sources) {
    ready_.merge(sources);
    sources.clear();
  }
  // Packet memory has become free: whoever waits for some looks again. What one releases may be lent to
  // another.
  void memory_released() {
    if (!memory_waiters_.empty()) [[unlikely]]
      wake(memory_waiters_);
  }
  void wait_for_memory(unsigned queue) { memory_waiters_.add(queue); }
  // The function may have an interrupt to signal.
  void touch(std::uint16_t vf) { touched_ |= VfMask{1} << vf; }
  // A frame went into this receive queue: it is to be written back before the batch ends.
  void delivered(unsigned queue) { filled_.add(queue); }
  // Registers that are written by the device's own DMA while a batch runs take effect after it. True if
  // `write` was kept, or lost because too many are waiting.
  template <class Write>
  bool defer(Write write) {
    if (!busy_) [[likely]]
      return false;
    if (deferred_.size() < kDeferred) deferred_.emplace_back(std::move(write));
    return true;
  }
  // After a register was written: signals what is due.
  void settle();

  // ---- the switch
  enum class Forwarded : std::uint8_t { done, wait };
  // Takes a frame to everybody it is for; `sender` null: from the wire. `wait`: nothing has happened, the
  // source will be made ready and must come again with the same frame.
  Forwarded forward(Frame& frame, FrameSource& source, Vf* sender);
  // The longest frame, without tag, that the only receiver of segments like `frame` takes instead of several
  // of them (kVfUnsegmented); 0: none.
  [[nodiscard]] std::uint32_t longest_whole(const Frame& frame, const Vf& sender) const;
  // The frame with its tag in place, good until the next call.
  [[nodiscard]] Frame with_tag(const Frame& frame);
  void tap(TapPoint point, std::uint16_t vf, const Frame& frame) {
    if (tap_ != nullptr) [[unlikely]]
      show(point, vf, frame);
  }
  void set_tap(FrameTap* tap) { tap_ = tap; }

  // ---- the PF's side
  void addresses_changed();
  void forget_filters(std::uint16_t vf);
  void clear_pending(std::uint16_t vf) { events_.forget(vf); }
  void mailbox_request(std::uint16_t vf) { events_.mailbox(vf); }
  void fault_pending(std::uint16_t vf) { events_.fault(vf); }
  void flr_pending(std::uint16_t vf) { events_.reset(vf); }
  std::array<AddressFilter, spec::pf::kFilterCount> filters;
  [[nodiscard]] bool carrier() const { return carrier_; }
  void check_carrier();
  // Service levels; as ServiceLevels says.
  std::optional<qos::LevelRefusal> set_level(std::uint16_t vf, const qos::ServiceLevel& level);
  bool set_capacity(const Capacity& capacity);
  void forget_level(std::uint16_t vf);
  void reset_levels();
  // What the SR-IOV capability says; functions that vanish are scrubbed.
  void set_sriov(const pcie::ConfigSpace::Sriov& sriov);
  [[nodiscard]] std::uint16_t vfs_enabled() const { return enabled_; }
  [[nodiscard]] std::vector<pcie::BarRange> vf_ranges(std::uint16_t vf) const;
  void decode_changed() { ++decode_version_; }
  [[nodiscard]] std::uint64_t decode_version() const { return decode_version_; }

 private:
  struct Direction {
    VfMask to = 0;
    [[nodiscard]] bool one() const { return to != 0 && (to & (to - 1)) == 0; }
    bool outside = false;  // to the wire, too
    bool reserved = false;
  };
  [[nodiscard]] Direction direct(const Frame& frame, const Vf* sender) const;
  Forwarded forward_along(const Direction& direction, Frame& frame, FrameSource& source, Vf* sender);
  Forwarded forward_otherwise(const Direction& direction, Frame& frame, FrameSource& source, Vf* sender);
  Forwarded forward_within_vlan(Frame& frame, FrameSource& source, Vf* sender);
  [[nodiscard]] VfMask members(VfMask vfs, const Frame& frame) const;
  Forwarded forward_to(Vf& to, Frame& frame, FrameSource& source, Vf* sender);
  Forwarded forward_to_many(VfMask to, Frame& frame, FrameSource& source);
  bool may_wait(RxQueue& queue, FrameSource& source, const Vf* sender);
  void wake_patient();
  void levels_changed();
  void drop_unroutable(const Direction& direction, Vf* sender);
  std::size_t run_round(std::size_t budget);
  std::size_t run_queue(unsigned queue);
  // Where a service level asks for turns (turns.cpp).
  [[nodiscard]] bool in_turns() const { return transmit_in_turns_ || receive_in_turns_; }
  void offer(unsigned source);
  std::size_t run_turns(std::size_t budget);
  std::size_t transmit_turn(const qos::Scheduler::Turn& turn);
  std::size_t receive_turn(const qos::Scheduler::Turn& turn);
  void keep(Vf& to, const Frame& frame);
  void end_keeping();
  void hurry_borrowers();
  [[nodiscard]] std::optional<Instant> next_turn(Instant now) const;
  [[nodiscard]] bool turn_due() const {
    const Instant now = clock_.now();
    const auto turn = next_turn(now);
    return turn && *turn <= now;
  }
  void flush();
  void signal();
  void run_deferred();
  void show(TapPoint point, std::uint16_t vf, const Frame& frame);

  static constexpr std::size_t kDeferred = 64;
  // How long a frame waits for a receiver's buffers where backpressure is on.
  static constexpr Duration kPatience = std::chrono::milliseconds(10);

  const Clock& clock_;
  NicOptions::Mutations mutations_;
  pcie::DmaPort& pf_port_;
  pcie::MsixTable pf_msix_;
  PfEvents events_;
  ServiceLevels services_;
  PageTables page_tables_;
  Switch switch_;
  WirePort wire_;
  Instant now_{};                         // of this poll
  std::optional<Instant> patience_ends_;  // of the first of impatient_
  QueueSet ready_, round_, filled_, impatient_, memory_waiters_;
  VfMask touched_ = 0, moderated_ = 0;
  bool busy_ = false, carrier_ = false;
  bool transmit_in_turns_ = false, receive_in_turns_ = false;
  bool port_vlans_ = false;       // some function's port has a VLAN
  std::uint64_t calls_seen_ = 0;  // of lent memory
  std::vector<QueueTurns> turns_;
  std::uint16_t enabled_ = 0;
  std::uint64_t decode_version_ = 1;
  pcie::ConfigSpace::Sriov sriov_;
  FrameTap* tap_ = nullptr;
  std::vector<std::move_only_function<void()>> deferred_;
  std::array<std::byte, offload::kMaxSnapshot + offload::kVlanTag> tagged_head_{};
  std::vector<std::byte> scratch_;
  std::vector<std::unique_ptr<Vf>> vfs_;
};

}  // namespace ladon::nic
