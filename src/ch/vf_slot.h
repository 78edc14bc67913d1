// One VM interface of a host: the place at which a guest gets a virtual function. The slot stays; the VF
// behind it and the guest before it come and go. The guest's memory, its register accesses and its interrupts
// pass through here to the host's own IOMMU, BARs and interrupt remapping.
//
// Never blocks: what may take long ends in a callback, on the thread that polls the bridge. Usual order:
//
//   attach -> map ... -> set_bus_master -> register_read/write, set_vector, reset -> unmap ... -> detach
//
// All of them may come before the management host has assigned a VF, and take effect when it does. The guest
// is gone only when detach is done: until then its memory stays pinned.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "ch/guest_memory.h"
#include "ch/holdings.h"
#include "host/control.h"
#include "host/host_bridge.h"

namespace ladon::ch {

// What a slot needs to know of its host. Outlives the slot.
struct SlotHost {
  host::HostBridge& bridge;
  BusAddr registers;                                        // added to Assign::registers and Assign::msix
  pcie::Bdf bus;                                            // or-ed with Assign::requester
  bool bare = false;                                        // guest memory is pinned at BusAddr = Gpa
  std::function<void(const host::control::Message&)> send;  // to the management host
  std::function<void(std::uint8_t slot, bool assigned)> on_assigned;  // may be empty
};

class VfSlot : public std::enable_shared_from_this<VfSlot> {
 public:
  static constexpr std::uint16_t kVectors = 3;
  using Outcome = std::expected<void, SlotRefusal>;
  using Done = std::move_only_function<void(Outcome)>;
  using Notify = std::move_only_function<void()>;

  enum class State : std::uint8_t {
    idle,       // no guest
    attached,   // a guest; its VF works once connected()
    quiescing,  // detach: waiting for the management host to quiesce the VF
    revoking,   // detach: routes and mappings are being taken away
    scrubbing,  // detach: waiting for reset and scrub
  };

  // Slots are shared, because answers of the bridge may come after everybody else has let go.
  [[nodiscard]] static std::shared_ptr<VfSlot> make(SlotHost& host, std::uint8_t index);
  VfSlot(const VfSlot&) = delete;
  VfSlot& operator=(const VfSlot&) = delete;

  [[nodiscard]] State state() const { return state_; }
  // The VF's MAC, device ID and so on; nullopt while none is assigned.
  [[nodiscard]] const std::optional<host::control::Assign>& assignment() const { return assigned_; }
  // The VF may reach the guest's memory: a guest is attached, it has a VF, and is a bus master.
  [[nodiscard]] bool connected() const { return connected_; }
  // The VF's requester ID in this domain; nullopt while none is assigned.
  [[nodiscard]] std::optional<pcie::Sbdf> requester() const;

  // ---- the guest's side
  // A guest arrives; refused unless the slot is idle.
  Outcome attach();
  // Byte `file_offset` of `fd` (the host duplicates it) appears at `gpa`. 4 KiB aligned; overlaps nothing
  // mapped. Only while a guest is attached.
  void map(Gpa gpa, std::uint64_t length, int fd, std::uint64_t file_offset, pcie::AccessSet access,
           Done done);
  // Removes every mapping inside the range; one that reaches out of it is refused and nothing is removed.
  // Done when no DMA can reach the memory any more.
  void unmap(Range<Gpa> range, Done done);
  // `bar` 0 or 3; `width` 1, 2, 4 or 8, aligned. A refused read is all ones.
  [[nodiscard]] std::uint64_t register_read(std::uint8_t bar, std::uint64_t offset, std::uint8_t width);
  // Posted: takes effect in order, is never answered.
  void register_write(std::uint8_t bar, std::uint64_t offset, std::uint8_t width, std::uint64_t value);
  // From now on `vector` of the VF calls `notify`; an empty one masks it. False if there is no such vector.
  bool set_vector(std::uint16_t vector, Notify notify);
  // The guest's Bus Master Enable (PCI Local Bus 3.0, 6.2.2). Off when it arrives, and while it is off the VF
  // reaches no memory and raises no interrupt: this host's own tables have no entry for it.
  void set_bus_master(bool on);
  // What a guest's function-level reset does: VFCTRL.RST through the register path. Vectors stay as they
  // are, as VFIO keeps them. The management host is not asked, so a guest can reboot while that one is away;
  // the real function-level reset is part of detach.
  void reset();
  // Quiesce, revoke, function-level reset, scrub, in that order. In any state; the slot is idle when done.
  void detach(std::move_only_function<void()> done);

  // ---- the management host's side, called by HostPart
  void assign(const host::control::Assign& assign);
  void revoke();
  void quiesced();
  void scrubbed();
  // The VF behind a guest was reset: what it must know from here is written again.
  void vf_was_reset();
  // The management host is new: tells it where this slot stands.
  void restate();
  // An interrupt for one of this slot's vectors.
  void interrupt(std::uint16_t vector);

  [[nodiscard]] std::uint32_t host_vector(std::uint16_t vector) const {
    return host::control::kFirstSlotVector + index_ * std::uint32_t{kVectors} + vector;
  }
  // The VF may raise this vector at this host.
  [[nodiscard]] bool routed(std::uint16_t vector) const { return vectors_[vector].message.has_value(); }
  [[nodiscard]] const Counters<SlotRefusal>& refusals() const { return refusals_; }
  [[nodiscard]] const GuestMemory& memory() const { return *memory_; }
  [[nodiscard]] SlotHoldings holdings() const;

 private:
  VfSlot(SlotHost& host, std::uint8_t index);

  // The management host hears that a guest has this VF.
  void announce();
  // The VF meets the guest: I/O space first, then the vectors.
  void connect();
  // Takes the vectors away and forgets the connection; the requester ID that is still to be disconnected,
  // nullopt without a VF.
  std::optional<pcie::Sbdf> silence();
  // Done when this VF can reach the guest's memory no more.
  void disconnect(std::optional<pcie::Sbdf> rid, std::move_only_function<void()> done);
  void begin_revoking();
  void finish_detach();
  void route(std::uint16_t vector);
  void write_vector(std::uint16_t vector);
  void mask(std::uint16_t vector);
  void request(host::Request request, std::move_only_function<void(const host::Result&)> then);
  [[nodiscard]] std::optional<BusAddr> register_address(std::uint8_t bar, std::uint64_t offset,
                                                        std::uint8_t width);
  std::unexpected<SlotRefusal> refuse(SlotRefusal why);

  SlotHost& host_;
  std::uint8_t index_;
  State state_ = State::idle;
  bool connected_ = false, bus_master_ = false;
  std::uint64_t connection_ = 0;  // grows with every connect and disconnect: late answers are not for now
  std::optional<host::control::Assign> assigned_;
  std::shared_ptr<GuestMemory> memory_;
  struct Vector {
    Notify notify;
    std::optional<host::MessageRoute> message;  // what raises it at this host; set while routed
  };
  std::array<Vector, kVectors> vectors_;
  std::vector<std::move_only_function<void()>> detach_done_;
  Counters<SlotRefusal> refusals_;
};

}  // namespace ladon::ch
