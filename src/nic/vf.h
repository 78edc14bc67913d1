// One virtual function: its registers as the stock driver knows them (spec/ixgbevf.h), its queues, and what
// the management software has settled for it (VfPolicy, written through the PF's registers).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>

#include "base/counters.h"
#include "base/mac.h"
#include "nic/counters.h"
#include "nic/fault.h"
#include "nic/interrupts.h"
#include "nic/mailbox.h"
#include "nic/rss.h"
#include "nic/rx_queue.h"
#include "nic/rx_store.h"
#include "nic/tx_queue.h"
#include "pcie/config_space.h"
#include "pcie/function.h"
#include "pcie/msix.h"
#include "qos/limiter.h"
#include "qos/offload_contexts.h"
#include "qos/partitions.h"

namespace ladon::nic {

class Engine;

// What belongs to the management software. A guest's reset leaves it alone; a scrub clears it.
struct VfPolicy {
  std::uint32_t control = 0;  // spec::pf::kVfControl
  MacAddress mac;
  bool mac_valid = false;
  std::uint32_t vlan = 0;          // spec::pf::kVfVlan
  std::uint32_t max_frame = 1514;  // bytes without FCS and VLAN tag
  std::uint32_t receive_mode = 0;  // spec::pf::kVfReceiveMode
  std::bitset<4096> member_vlans;  // that the function may tag itself

  [[nodiscard]] bool has(std::uint32_t bit) const { return (control & bit) != 0; }
  [[nodiscard]] bool has_port_vlan() const { return (vlan >> 31) != 0; }
  [[nodiscard]] std::uint16_t port_vlan() const { return vlan & 0xFFF; }
};

class Vf final : public pcie::Function {
 public:
  static constexpr unsigned kQueues = spec::ixgbevf::kQueues;

  Vf(Engine& engine, std::uint16_t index, pcie::DmaPort& port);

  // pcie::Function
  [[nodiscard]] std::uint32_t config_read(std::uint16_t offset, unsigned width) override;
  void config_write(std::uint16_t offset, unsigned width, std::uint32_t value) override;
  [[nodiscard]] std::vector<pcie::BarRange> decoded() const override;
  [[nodiscard]] bool bus_master() const override { return config_.bus_master(); }
  [[nodiscard]] bool present() const;
  [[nodiscard]] std::uint64_t register_read(std::uint8_t bar, std::uint64_t offset, unsigned width) override;
  void register_write(std::uint8_t bar, std::uint64_t offset, unsigned width, std::uint64_t value) override;

  // ---- for the data path
  [[nodiscard]] std::uint16_t index() const { return index_; }
  [[nodiscard]] Engine& engine() { return engine_; }
  [[nodiscard]] pcie::DmaPort& port() { return port_; }
  // Rings run: enabled by the PF, present, allowed to emit, with a partition of packet memory.
  [[nodiscard]] bool running() const { return running_; }
  [[nodiscard]] RxQueue& rx(unsigned queue) { return *rx_[queue]; }
  [[nodiscard]] TxQueue& tx(unsigned queue) { return *tx_[queue]; }
  // It is a member of the frame's VLAN.
  [[nodiscard]] bool takes_tag(const Frame& frame) const;
  // Is there a place for this frame, which is of a VLAN of its own? The queue, or why not.
  struct Admission {
    RxQueue* queue = nullptr;  // null: dropped for `reason`
    VfDrop reason{};
    RxQueue::Room room{};  // other than ready: the caller decides between waiting and dropping
    offload::RssHash rss;
  };
  [[nodiscard]] Admission admit(Frame& frame);
  // As Engine::longest_whole, for segments of `segment` bytes.
  [[nodiscard]] std::uint32_t longest_whole(std::uint32_t segment) const;
  // After admit() found room.
  void accept(const Frame& frame, const Admission& admission, FrameSource& source);
  void drop(VfDrop reason, std::uint64_t count = 1) { drops_.add(reason, count); }
  void fault(VfFault fault);
  void cause(unsigned queue, QueueDirection direction);
  void hold_memory(std::uint32_t bytes) { memory_.hold(index_, bytes); }
  void release_memory(std::uint64_t bytes);
  // Offloads keep their state in the partition, too.
  [[nodiscard]] qos::OffloadContexts& contexts() { return contexts_; }
  void give_back_context(qos::ContextKind kind);
  // Where frames go in turns, a function may send what its turn allows; elsewhere anything.
  static constexpr std::int64_t kNoTurns = std::int64_t{1} << 62;
  [[nodiscard]] bool may_send(std::uint32_t bytes) const { return bytes <= allowance_; }
  void spend(std::uint32_t bytes) { allowance_ -= bytes; }
  void set_allowance(std::int64_t bytes) { allowance_ = bytes; }
  [[nodiscard]] std::int64_t allowance() const { return allowance_; }
  void count_coalesced() { ++statistics_.coalesced_packets; }
  void count_sent(std::uint32_t bytes) {
    ++statistics_.sent_packets;
    statistics_.sent_bytes += bytes;
    spend(bytes);
  }

  // ---- received frames that wait for their turn (Capacity::receive)
  [[nodiscard]] bool keeps() const { return store_ != nullptr; }
  [[nodiscard]] RxStore& store() { return *store_; }
  // Keeps a frame that was for this function, or drops it.
  void keep(const Frame& frame);
  // Delivers the oldest frame, or drops it. False: it waits for buffers, and the store will be made ready.
  [[nodiscard]] bool deliver_kept();
  // Keeps frames from now on, as many as the partition may have.
  void keep_frames();
  // Does not any longer, if nothing is kept.
  void stop_keeping();
  // Applies the function's VLAN policy to a frame that it sends; false if it may not.
  [[nodiscard]] bool admit_tag(Frame& frame);
  [[nodiscard]] bool owns_address(std::uint64_t mac) const;
  [[nodiscard]] std::uint64_t mac_bits() const { return mac_bits_; }
  // All DMA of a queue that was abandoned has completed.
  void quieted();

  // ---- for the engine
  // Signals interrupts that are due. True if one waits for its moderation interval.
  bool signal(Instant now);
  [[nodiscard]] const Interrupts& interrupts() const { return interrupts_; }
  // The circumstances have changed: carrier, SR-IOV control, service level.
  void refresh();

  // ---- for the management software, through the PF
  [[nodiscard]] const VfPolicy& policy() const { return policy_; }
  void set_policy(const VfPolicy& policy);
  [[nodiscard]] Mailbox& mailbox() { return mailbox_; }
  // A mailbox flag was raised for the guest.
  void mailbox_news();
  [[nodiscard]] bool quiet() const;
  [[nodiscard]] bool link_up() const;
  [[nodiscard]] bool scrubbed() const { return scrubbed_; }
  [[nodiscard]] bool rings_on() const;
  // Disables the function and clears whatever its last owner left, once nothing is under way.
  void scrub();
  [[nodiscard]] const Counters<VfDrop>& drops() const { return drops_; }
  [[nodiscard]] const Counters<VfFault>& faults() const { return faults_; }
  [[nodiscard]] const VfStatistics& statistics() const { return statistics_; }
  [[nodiscard]] VfFault first_fault() const { return first_fault_; }
  void clear_fault() { first_fault_ = VfFault::none; }
  // What the counters of this and of the function's former owners held when they were cleared.
  struct Cleared {
    Counters<VfDrop> drops;
    Counters<VfFault> faults;
  };
  [[nodiscard]] const Cleared& cleared() const { return cleared_; }
  void clear_counters();

 private:
  struct Map;  // the register table, vf_registers.cpp
  struct Table;
  void reset_registers();
  void reset();  // VFCTRL.RST
  void function_level_reset();
  void finish_scrub();
  [[nodiscard]] bool within_rate(const Frame& frame, VfDrop& reason);
  void count_against_rate(const Frame& frame);
  [[nodiscard]] bool welcome(const Frame& frame, VfDrop& reason);
  [[nodiscard]] bool choose_queue(Frame& frame, Admission& result);
  void place(const Frame& frame, const Admission& admission, FrameSource& source);
  void forget_kept();
  [[nodiscard]] bool calls_in(std::uint32_t bytes, VfDrop& reason);
  [[nodiscard]] std::uint32_t read_register(std::uint8_t bar, std::uint64_t offset);
  void write_register(std::uint8_t bar, std::uint64_t offset, std::uint32_t value);

  // Register handlers; `i` is the register's index in its array. The templates reach a member of a part, or
  // of queue i: a value, or a function that may take the index.
  template <auto Part, auto Member>
  std::uint32_t get(std::uint32_t i);
  template <auto Part, auto Member>
  void set(std::uint32_t i, std::uint32_t value);
  template <auto Queues, auto Member>
  std::uint32_t queue_get(std::uint32_t i);
  template <auto Queues, auto Member>
  void queue_set(std::uint32_t i, std::uint32_t value);
  template <auto Queues, auto Field, std::uint32_t Mask = ~std::uint32_t{0}>
  void ring_set(std::uint32_t i, std::uint32_t value);
  template <auto Queues, auto Field>
  std::uint32_t ring_get(std::uint32_t i);
  template <auto Field, unsigned Shift>
  std::uint32_t statistic(std::uint32_t);
  std::uint32_t read_page_table(std::uint32_t word);
  void refuse_page_table(std::uint32_t, std::uint32_t) { drop(VfDrop::page_table_write); }
  std::uint32_t read_links(std::uint32_t);
  std::uint32_t read_free_timer(std::uint32_t);
  std::uint32_t read_split_types(std::uint32_t) { return split_types_; }
  void write_split_types(std::uint32_t, std::uint32_t value) { split_types_ = value; }
  void write_control(std::uint32_t, std::uint32_t value);
  void write_mailbox_control(std::uint32_t, std::uint32_t value);

  Engine& engine_;
  pcie::DmaPort& port_;
  qos::Partitions& memory_;
  std::uint16_t index_;
  qos::Limiter* limiter_ = nullptr;  // null: nothing is refused for its rate
  qos::OffloadContexts contexts_;
  std::int64_t allowance_ = kNoTurns;
  std::unique_ptr<RxStore> store_;  // null: frames go straight to the queues
  bool coalesces_ = false;
  bool takes_whole_ = false;
  bool running_ = false, can_signal_ = false, scrub_wanted_ = false, scrubbed_ = true;
  std::uint64_t mac_bits_ = 0;
  std::array<std::unique_ptr<RxQueue>, kQueues> rx_;
  std::array<std::unique_ptr<TxQueue>, kQueues> tx_;
  VfPolicy policy_;
  VfStatistics statistics_;
  Counters<VfDrop> drops_;
  Counters<VfFault> faults_;
  Cleared cleared_;
  VfFault first_fault_ = VfFault::none;
  pcie::MsixTable msix_;
  Interrupts interrupts_;
  Mailbox mailbox_;
  Rss rss_;
  std::uint32_t split_types_ = 0;
  pcie::ConfigSpace config_;
};

}  // namespace ladon::nic
