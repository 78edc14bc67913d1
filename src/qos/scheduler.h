// Whose turn it is: who may send next, of up to some thousands of flows (a vNIC each), in O(1) a packet.
//   1. Flows that have not had their guaranteed rate yet, in turn.
//   2. The others by strict priority; within a priority by deficit round robin (Shreedhar and Varghese) with
//   a
//      quantum of at least the largest frame, in proportion to their weights.
//   3. A priority whose flows have waited while `starvation` bytes went past them has one turn.
// No flow exceeds its maximum rate; who must wait for tokens waits in a timing wheel. The scheduler holds no
// packets: it is told how long a flow's next one is and says how much that flow may send.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "qos/bucket.h"
#include "qos/flow_list.h"
#include "qos/timing_wheel.h"

namespace ladon::qos {

inline constexpr std::uint8_t kPriorities = 8;
inline constexpr std::uint16_t kMostWeight = 100;

struct SchedulerOptions {
  std::uint16_t flows = 1;
  std::uint32_t quantum = 9728;                       // bytes for weight 1; at least the largest frame
  std::uint32_t starvation = std::uint32_t{8} << 20;  // bytes
  // Of the link or bus behind it, in bits a second and bits; 0: whatever the caller's pace is.
  std::uint64_t capacity = 0, capacity_burst = 0;
};

// What a flow is entitled to. Rates in bits a second, bursts in bytes.
struct Share {
  std::uint8_t priority = 0;  // 0 to kPriorities - 1, the highest first
  std::uint16_t weight = 1;   // 1 to kMostWeight, within the priority
  std::uint64_t guaranteed = 0, guaranteed_burst = 0;
  std::uint64_t most = 0, most_burst = 0;  // 0: no maximum

  friend bool operator==(const Share&, const Share&) = default;
};

class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, Instant now);

  void set_share(std::uint16_t flow, const Share& share, Instant now);
  void set_capacity(std::uint64_t bits_per_second, std::uint64_t burst_bits, Instant now);
  [[nodiscard]] const Share& share(std::uint16_t flow) const { return flows_[flow].share; }

  // The flow, which had nothing to send, has a frame of `head` bytes; 1 if that is not known yet.
  void activate(std::uint16_t flow, std::uint32_t head, Instant now);
  // It has nothing to send any more.
  void deactivate(std::uint16_t flow);
  [[nodiscard]] bool active(std::uint16_t flow) const { return flows_[flow].head != 0; }

  struct Turn {
    std::uint16_t flow = 0;
    std::uint32_t bytes = 0;  // it may send so many: its next frame, and at most a quantum
  };
  // Whose turn it is; nullopt: nobody may send now. Asking changes nothing that is seen.
  [[nodiscard]] std::optional<Turn> next(Instant now);
  // Ends the turn: the flow has sent `bytes` - 0 if its frame turned out longer than the turn - and its next
  // frame has `head` bytes; 0: nothing more to send.
  void served(const Turn& turn, std::uint32_t bytes, std::uint32_t head, Instant now);

  // When next() may find someone if it has not now; nullopt if nobody waits.
  [[nodiscard]] std::optional<Instant> deadline(Instant now) const;
  // Bytes that have gone past the flows of `priority` since one of them had its turn.
  [[nodiscard]] std::uint64_t passed(std::uint8_t priority) const { return passed_[priority]; }

 private:
  enum class Place : std::uint8_t { none, guaranteed, shared, held_back };
  struct Flow {
    Bucket guaranteed, most;
    Instant last{};          // to which both buckets are filled
    std::uint32_t head = 0;  // bytes; 0: nothing to send
    std::uint32_t deficit = 0;
    bool visited = false;  // has had its quantum for the round
    Place place = Place::none;
    Share share;
  };
  [[nodiscard]] std::uint32_t quantum(const Flow& flow) const { return flow.share.weight * quantum_; }
  static void fill(Flow& flow, Instant now);
  [[nodiscard]] static bool covers(const Bucket& bucket, std::uint32_t bytes);
  [[nodiscard]] static Instant covered_at(const Bucket& bucket, std::uint32_t bytes, Instant now);
  void place(std::uint16_t id, Instant now);
  void take_out(std::uint16_t id);
  void expired(std::uint16_t id, Instant now);
  [[nodiscard]] std::uint16_t front_of(std::uint8_t priority);
  [[nodiscard]] std::uint32_t most_bytes(const Flow& flow, std::uint64_t bytes) const;
  void count_passed(Place place, std::uint8_t priority, std::uint32_t bytes);
  void fill_capacity(Instant now);
  [[nodiscard]] bool anyone() const { return !guaranteed_.empty() || classes_ != 0; }

  std::uint32_t quantum_, starvation_;
  bool limited_ = false;  // capacity_ counts
  Bucket capacity_;
  Instant capacity_last_;
  std::uint32_t head_ = 1;                    // of the flow whose turn it was when it was last asked
  std::uint32_t classes_ = 0, starving_ = 0;  // bit p: priority p has flows; has waited long enough
  std::array<std::uint64_t, kPriorities> passed_{};
  std::vector<Flow> flows_;
  FlowLinks links_;
  FlowList guaranteed_;
  std::array<FlowList, kPriorities> shared_{};
  TimingWheel wheel_;
};

}  // namespace ladon::qos
