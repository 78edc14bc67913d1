// The memory of one guest as its virtual function may reach it: files pinned in this host's domain and mapped
// in an I/O space of the host's IOMMU at Iova = Gpa. Never blocks.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "host/host_bridge.h"

namespace ladon::ch {

enum class SlotRefusal : std::uint8_t {
  busy,          // a guest is there already, or on its way out
  no_vf,         // a register access while no VF is assigned
  bad_register,  // BAR, offset or width that the VF does not have
  bad_map,       // unaligned, empty, overlapping, or too many
  bad_unmap,     // cuts a mapping
  host_error,    // the host refused
  not_at_once,   // a register read that the bridge did not answer before submit returned
  count_
};
[[nodiscard]] std::string_view name(SlotRefusal refusal);

class GuestMemory : public std::enable_shared_from_this<GuestMemory> {
 public:
  static constexpr std::size_t kMaxMappings = 65536;
  static constexpr std::uint64_t kPage = 4096;
  using Outcome = std::expected<void, SlotRefusal>;
  using Done = std::move_only_function<void(Outcome)>;
  using Then = std::move_only_function<void()>;

  // `bare`: the host's own operating system is the guest, and its memory lies at BusAddr = Gpa. `owner`: no
  // two guests of a host that are there at one time have the same.
  [[nodiscard]] static std::shared_ptr<GuestMemory> make(host::HostBridge& bridge, bool bare,
                                                         std::uint32_t owner);

  void map(Gpa gpa, std::uint64_t length, int fd, std::uint64_t file_offset, pcie::AccessSet access,
           Done done);
  void unmap(Range<Gpa> range, Done done);
  // The guest is gone: takes no more mappings, removes those that are there or still being made, and gives
  // the I/O space back. Nobody is attached any more. Once.
  void close(Then done);
  // Lets `rid` use this memory. Mappings that come later are seen too.
  void attach(pcie::Sbdf rid, Done done);
  // Done when no access of `rid` can be on its way.
  void detach(pcie::Sbdf rid, Then done);

  [[nodiscard]] std::size_t mappings() const { return mappings_.size(); }

  // What whoever is attached has been given: what was asked for, and where the host said that it lies.
  struct Granted {
    Gpa gpa;
    BusAddr at;
    std::uint64_t length = 0;
    pcie::AccessSet access;
    // What the host's processor got with it: the file is pinned whole (host::PinMemory).
    BusAddr placed;
    std::uint64_t placed_length = 0;
  };
  [[nodiscard]] std::vector<Granted> granted() const;
  // No mapping is being made or taken away.
  [[nodiscard]] bool settled() const;

 private:
  struct Mapping {
    std::uint64_t length = 0;
    pcie::AccessSet access;
    BusAddr at;                           // once pinned
    std::uint64_t before = 0, whole = 0;  // of the file: bytes that lie before, and all that is pinned
    std::optional<host::Pin> pin;
    bool busy = true;  // being made or removed
  };
  GuestMemory(host::HostBridge& bridge, bool bare, std::uint32_t owner)
      : bridge_(bridge), bare_(bare), owner_(owner) {}

  using WithSpace = std::move_only_function<void(std::optional<host::IoDomain>)>;
  void with_space(WithSpace then);
  void map_pinned(Gpa gpa, const host::Pinned& pinned, pcie::AccessSet access, Done done);
  // Takes the mapping out of the I/O space, then unpins and forgets it. If the host cannot unmap it stays,
  // pinned: memory that a device may reach is not given back.
  void remove(Gpa gpa, Done done);
  void unpin(Gpa gpa, Then done);
  // Ends close() when nothing is left.
  void settle();
  void request(host::Request request, std::move_only_function<void(const host::Result&)> then);
  [[nodiscard]] bool overlaps(const Range<Gpa>& range) const;

  host::HostBridge& bridge_;
  bool bare_;
  std::uint32_t owner_;
  std::optional<host::IoDomain> space_;
  std::uint64_t attachment_ =
      0;  // grows with every attach and detach: one that waits for the space may be over
  std::vector<WithSpace> awaiting_space_;
  std::map<Gpa, Mapping> mappings_;
  std::optional<Then> closed_;
};

}  // namespace ladon::ch
