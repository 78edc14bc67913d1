// One receive queue: descriptors are fetched ahead in batches, frames are written to their buffers, and
// completions are written back in ring order. Intel 82599 Datasheet 7.1.3 to 7.1.6; spec/descriptor.h.
//
// A slot holds one descriptor on its way: fetched, filled (perhaps with writes still under way), written
// back. Counters run freely: released <= written <= used <= fetched <= released + kSlots.
#pragma once

#include <array>
#include <cstdint>

#include "nic/fault.h"
#include "nic/frame.h"
#include "nic/offload/coalesce.h"
#include "nic/queue_set.h"
#include "nic/ring.h"
#include "pcie/dma.h"

namespace ladon::nic {

class Vf;
struct DmaWork;

class RxQueue {
 public:
  RxQueue(Vf& vf, std::uint8_t id, std::uint8_t index) : vf_(vf), id_(id), index_(index) {}

  [[nodiscard]] std::uint8_t id() const { return id_; }
  // A frame may be delivered: the queue is enabled, not stopped, and its function runs.
  [[nodiscard]] bool live() const { return live_; }

  enum class Room : std::uint8_t {
    ready,  // deliver() may be called
    wait,   // descriptors are on their way; ask again when woken
    none,   // the driver has provided no buffers
  };
  // Are there buffers for `length` bytes? Fetches descriptors if need be.
  [[nodiscard]] Room room(std::uint32_t length) {
    if (length <= buffer_bytes_ && fetched_ != used_) [[likely]]
      return Room::ready;
    return find_room(length);
  }

  struct Completion {
    std::uint32_t info = 0, hash = 0, status = 0;
    std::uint16_t vlan = 0;
    friend bool operator==(const Completion&, const Completion&) = default;
  };
  // After room() said ready. False if the tables refused the write: the queue has stopped.
  bool deliver(const Frame& frame, const Completion& completion, FrameSource& source);
  // The same, coalescing: the frame may become part of the one before (rx_coalesce.cpp).
  bool gather(const Frame& frame, const Completion& completion, FrameSource& source);
  [[nodiscard]] std::uint32_t buffer_bytes() const { return buffer_bytes_; }
  // Writes back what is complete and causes the interrupt.
  void flush();
  void completed(const DmaWork& work, pcie::DmaStatus status);
  // Wakes `source` when there may be room again.
  void wake_later(unsigned source) { waiters_.add(source); }

  // The driver asks for frames without a buffer to be dropped (82599 Datasheet 8.2.3.8.7, SRRCTL.Drop_En).
  [[nodiscard]] bool drops_without_buffer() const;

  // A sender has waited in vain for buffers: nobody waits again before the driver provides some.
  void give_up() { given_up_ = true; }
  [[nodiscard]] bool given_up() const { return given_up_; }

  // Nothing of this queue's is under way.
  [[nodiscard]] bool quiet() const { return outstanding_ == 0; }
  // The function's state has changed.
  void refresh();
  // All registers as after power-on; stopped no longer. What is under way is abandoned, not awaited.
  void reset();
  void scrub();  // after reset, when quiet

  RingRegisters ring;  // base, length, DCA
  [[nodiscard]] std::uint32_t head() const { return head_; }
  void set_head(std::uint32_t value);
  [[nodiscard]] std::uint32_t tail() const { return tail_; }
  void set_tail(std::uint32_t value);
  [[nodiscard]] std::uint32_t buffer_control() const { return srrctl_; }
  void set_buffer_control(std::uint32_t value);
  [[nodiscard]] std::uint32_t control() const { return control_; }
  void set_control(std::uint32_t value);
  std::uint32_t coalescing = 0;  // RSCCTL: kept, without effect
  [[nodiscard]] bool strips_vlan() const;

 private:
  static constexpr std::uint32_t kSlots = 128, kFetch = 32;
  // Descriptors of a coalesced frame: a driver's packet has so many pieces (Linux: 17, and does not look).
  static constexpr std::uint32_t kMostRunSlots = 16;
  struct Slot {
    std::uint64_t buffer = 0;
    std::uint64_t low = 0, high = 0;  // the write-back
    std::uint32_t outstanding = 0;    // writes under way: into the buffer, later of the descriptor
    [[nodiscard]] std::uint32_t length() const { return static_cast<std::uint32_t>(high >> 32 & 0xFFFF); }
  };
  [[nodiscard]] Slot& slot(std::uint32_t counter) { return slots_[counter % kSlots]; }
  [[nodiscard]] Room find_room(std::uint32_t length);
  enum class Fetched : std::uint8_t { some, pending, none };
  Fetched fetch();
  void take_descriptors(std::uint32_t count);
  bool deliver_pieces(const Frame& frame, const Completion& completion, FrameSource& source);
  bool write_staged(Slot& to, std::uint32_t slot, ConstBytes bytes, FrameSource& source);
  bool append(const Frame& frame, const Completion& completion, const offload::Segment& segment);
  void begin_run(const Frame& frame, const Completion& completion, const offload::Segment& segment,
                 std::uint32_t first);
  bool end_run();
  void fill(Slot& to, const Completion& completion, std::uint32_t length, std::uint32_t status);
  void write_back(std::uint32_t count);
  bool write_back_slowly(std::uint32_t count, Iova at);
  void release_slots();
  void set_buffer_size();
  void stop(VfFault fault);
  void abandon();
  void settle();
  void wake();

  Vf& vf_;
  std::uint8_t id_, index_;  // among all queues; of this function
  bool live_ = false, stopped_ = false, given_up_ = false;
  bool abandoned_ = false;  // waiting for completions that mean nothing any more
  std::uint32_t buffer_bytes_ = 0;
  std::uint32_t fetched_ = 0, used_ = 0, written_ = 0, released_ = 0;
  std::uint32_t head_ = 0, tail_ = 0, fetch_index_ = 0;  // ring positions
  std::uint32_t outstanding_ = 0, fetching_ = 0;
  std::uint32_t srrctl_ = 0, control_ = 0;
  RingShape shape_;
  QueueSet waiters_;
  std::array<Slot, kSlots> slots_{};
  // The frame that is being coalesced: the last one of the ring, from slot run_first_ on.
  offload::Run run_;
  Completion run_completion_;
  std::uint32_t run_first_ = 0;
  std::array<std::uint16_t, kMostRunSlots> run_starts_{};  // segments that begin in each of its slots
  std::array<std::byte, kFetch * kDescriptorBytes> raw_{};
};

}  // namespace ladon::nic
