// One VM interface of a host: the place at which a guest gets a virtual function. The slot stays; the VF
// behind it and the guest before it come and go. The guest's memory, its register accesses and its interrupts
// pass through here to the host's own IOMMU, BARs and interrupt remapping.
//
// Never blocks: what may take long ends in a callback, on the thread that polls the bridge. Usual order:
//
//   attach -> map ... -> register_read/write, set_vector, reset -> unmap ... -> detach -> (attach again)
//
// map, set_vector and attach may also come before the management host has assigned a VF; they take effect
// when it does. The guest is gone only when detach is done: until then its memory stays pinned.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "base/counters.h"
#include "base/descriptor.h"
#include "host/control.h"
#include "host/host_bridge.h"

namespace ladon::ch {

enum class SlotRefusal : std::uint8_t {
  no_vf,         // a register access while no VF is assigned or the guest is not attached
  bad_register,  // BAR, offset or width that the VF does not have
  bad_vector,
  bad_map,      // unaligned, empty, overlapping, or too many
  bad_unmap,    // cuts a mapping
  host_error,   // the host refused
  not_at_once,  // a register read that the bridge did not answer before submit returned
  count_
};
[[nodiscard]] std::string_view name(SlotRefusal refusal);

// What a slot needs to know of its host. Lives as long as the slot.
struct SlotHost {
  host::HostBridge& bridge;
  BusAddr registers;                                        // added to Assign::registers and Assign::msix
  pcie::Bdf bus;                                            // or-ed with Assign::requester
  bool bare = false;                                        // guest memory is pinned at BusAddr = Gpa
  std::function<void(const host::control::Message&)> send;  // to the management host
};

class VfSlot : public std::enable_shared_from_this<VfSlot> {
 public:
  static constexpr std::uint16_t kVectors = 3;
  static constexpr std::size_t kMaxMappings = 65536;
  using Outcome = std::expected<void, SlotRefusal>;
  using Done = std::move_only_function<void(Outcome)>;
  using Notify = std::move_only_function<void()>;

  enum class State : std::uint8_t {
    idle,       // no guest
    attached,   // a guest; with a VF if assigned()
    quiescing,  // detach: waiting for the management host to quiesce the VF
    revoking,   // detach: mappings and routes are being taken away
    scrubbing,  // detach: waiting for reset and scrub
  };

  VfSlot(SlotHost& host, std::uint8_t index);
  ~VfSlot();
  VfSlot(const VfSlot&) = delete;
  VfSlot& operator=(const VfSlot&) = delete;

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool assigned() const { return assigned_.has_value(); }
  // The VF's MAC, device ID and so on; nullopt while none is assigned.
  [[nodiscard]] const std::optional<host::control::Assign>& assignment() const { return assigned_; }
  // The VF's requester ID in this domain; nullopt while none is assigned.
  [[nodiscard]] std::optional<pcie::Bdf> requester() const;

  // ---- the guest's side
  // A guest arrives. Only in state idle.
  void attach(Done done);
  // `fd` is duplicated; byte `file_offset` of it appears at `gpa`. 4 KiB aligned; overlaps nothing mapped.
  void map(Gpa gpa, std::uint64_t length, int fd, std::uint64_t file_offset, pcie::AccessSet access,
           Done done);
  // Removes every mapping inside the range. Done when no DMA can reach the memory any more.
  void unmap(Range<Gpa> range, Done done);
  void unmap_all(Done done);
  // `bar` 0 or 3; `width` 1, 2, 4 or 8, aligned. A refused read is all ones.
  [[nodiscard]] std::uint64_t register_read(std::uint8_t bar, std::uint64_t offset, std::uint8_t width);
  // Posted: takes effect in order, is never answered.
  void register_write(std::uint8_t bar, std::uint64_t offset, std::uint8_t width, std::uint64_t value);
  // From now on `vector` of the VF calls `notify`; an empty one masks it.
  void set_vector(std::uint16_t vector, Notify notify);
  // What a guest's function-level reset does: VFCTRL.RST through the register path and every vector masked.
  // The management host is not asked, so a guest can reboot while that one is away; the real function-level
  // reset is part of detach.
  void reset();
  // Quiesce, revoke, function-level reset, scrub, in that order. In any state; the slot is idle when done.
  void detach(Done done);

  // ---- the management host's side, called by HostPart
  void assign(const host::control::Assign& assign);
  void revoke();
  void quiesced();
  void scrubbed();
  // The management host is new: tells it where this slot stands.
  void restate();
  // An interrupt for one of this slot's vectors.
  void interrupt(std::uint16_t vector);

  [[nodiscard]] std::uint32_t host_vector(std::uint16_t vector) const {
    return host::control::kFirstSlotVector + index_ * std::uint32_t{kVectors} + vector;
  }
  [[nodiscard]] const Counters<SlotRefusal>& refusals() const { return refusals_; }

 private:
  struct Mapping {
    std::uint64_t length = 0, file_offset = 0;
    pcie::AccessSet access;
    FileDescriptor fd;
    std::optional<host::Pin> pin;
    bool removing = false;
  };
  struct Vector {
    Notify notify;
    bool routed = false;
  };

  void pin(Gpa gpa, Done done);
  void map_pinned(Gpa gpa, const host::Pinned& pinned, Done done);
  void forget_mapping(Gpa gpa, Done done);
  void remove(std::vector<Gpa> which, Done done);
  void with_domain(std::move_only_function<void(std::optional<host::IoDomain>)> then);
  void connect();  // the VF and the guest are both there
  void route(std::uint16_t vector);
  void mask(std::uint16_t vector);
  void begin_revoking();
  void end_revoking();
  void finish_detach();
  void request(host::Request request, std::move_only_function<void(const host::Result&)> then);
  [[nodiscard]] std::optional<BusAddr> register_address(std::uint8_t bar, std::uint64_t offset,
                                                        std::uint8_t width) const;
  Outcome refuse(SlotRefusal why);

  SlotHost& host_;
  std::uint8_t index_;
  State state_ = State::idle;
  std::optional<host::control::Assign> assigned_;
  std::optional<host::control::Assign> next_;  // arrived while the slot was busy detaching
  std::optional<host::IoDomain> domain_;
  std::optional<pcie::Bdf> attached_rid_;
  std::map<Gpa, Mapping> mappings_;
  std::array<Vector, kVectors> vectors_;
  std::vector<Done> detach_done_;
  bool told_to_revoke_ = false;
  Counters<SlotRefusal> refusals_;
};

}  // namespace ladon::ch
