// One access on its way, while resolve() follows it: the room's own, not for others. Each step reads one
// component's tables, notes a hop, narrows the extent and says where the access is next.
#pragma once

#include <array>
#include <optional>

#include "fabric/resolve.h"
#include "fabric/tables.h"

namespace ladon::fabric {

// The stretch around an address that none of the given ranges touches: where "nothing is here" holds.
class Gap {
 public:
  explicit Gap(std::uint64_t at) : at_(at) {}
  // True if `range` holds the address; otherwise the gap ends where the range begins.
  template <class A>
  bool meets(const Range<A>& range) {
    if (range.last().bits() < at_)
      first_ = std::max(first_, range.last().bits() + 1);
    else if (range.first().bits() > at_)
      last_ = std::min(last_, range.first().bits() - 1);
    else
      return true;
    return false;
  }
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t last() const { return last_; }

 private:
  std::uint64_t at_, first_ = 0, last_ = ~std::uint64_t{0};
};

class Walk {
 public:
  Walk(const Tables& tables, const pcie::Transaction& transaction, Resolution& result);
  void run();

 private:
  enum class Place : std::uint8_t {
    vm,                 // before the second-level page table
    root_from_cpu,      // at a root complex, address physical
    root_from_device,   // at a root complex, before the IOMMU
    root_translated,    // at a root complex, behind the IOMMU
    below_root_port,    // leaving a root port downwards
    switch_from_below,  // entering the switch at downstream port port_
    switch_up,          // leaving the switch upwards
    switch_from_above,
    device_below,  // below downstream port port_
    ntb_management,
    ntb_link,
    endpoint,
    end,  // the outcome stands
  };
  struct Crossing {
    std::uint16_t ntb = 0;
    bool outbound = false;
    pcie::Rid before;  // the requester on the side of entry
  };
  static constexpr std::size_t kMaxCrossings = 8;

  // ---- request
  Place begin();
  Place step(Place place);
  // Where the transaction enters: what kind of component, and in which domain.
  [[nodiscard]] ComponentId entry() const;
  Place enter_endpoint_port(std::uint16_t endpoint);
  Place enter_ntb_side(const pcie::NtbOrigin& origin);
  Place vm();
  Place root_from_device();
  Place root_translated(bool from_processor);
  Place through_root_port(pcie::HostSegment segment, bool from_processor);
  Place below_root_port();
  Place switch_from_below();
  Place switch_up();
  Place switch_from_above();
  Place device_below();
  Place endpoint();
  Place ntb(bool management_side);
  Place cross(bool outbound, const NtbSideTable& entered, std::uint8_t bar, std::uint64_t offset);
  Place interrupt();
  void finish();

  // ---- completion
  enum class Arrival : std::uint8_t { nowhere, processor, ntb_management, ntb_link, endpoint };
  struct Location {  // where a completion is: at a domain's root complex, or below a port
    pcie::Domain domain{};
    pcie::HostSegment segment{};
    bool at_root = true;
    std::uint16_t port = 0;  // management domain only
  };
  struct Completion {
    Location where;
    pcie::Rid requester, completer;
  };
  void complete();
  // This is where the access came from.
  [[nodiscard]] bool is_home(Arrival arrival, std::uint16_t index) const;
  [[nodiscard]] Completion completion_start() const;
  Arrival route_completion(Completion& completion, std::uint16_t& index);
  Arrival route_down(const Completion& completion, std::uint16_t& index);
  bool cross_back(const Crossing& crossing, Completion& completion);
  void completion_fault(const ComponentId& component, Table table, Reason reason, const pcie::Rid& rid);
  void note_back(const ComponentId& component, Table table, const Completion& completion,
                 const pcie::Rid& requester_out);

  // ---- bookkeeping
  [[nodiscard]] const HostTable& host() const { return *tables_.hosts[index(domain_)]; }
  [[nodiscard]] const SwitchTable& packet_switch() const { return *hierarchy_->packet_switch; }
  // The access is in this segment now.
  void enter(pcie::Domain domain, pcie::HostSegment segment);
  // A component that every segment has of its own, in the one where the access is.
  [[nodiscard]] ComponentId here(ComponentKind kind, std::uint16_t index = 0) const {
    return {kind, domain_, index, segment_};
  }
  [[nodiscard]] static std::size_t index(pcie::Domain domain) { return static_cast<std::size_t>(domain); }
  [[nodiscard]] pcie::Rid proxy(pcie::Domain domain, std::uint16_t ntb, std::uint8_t devfn) const;
  void clip(std::uint64_t first, std::uint64_t last);
  void clip(const Gap& gap) { clip(gap.first(), gap.last()); }
  template <class A>
  void clip(const Range<A>& range) {
    clip(range.first().bits(), range.last().bits());
  }
  // The access leaves `component`'s table with address `out` and requester `rid_out`.
  void note(const ComponentId& component, Table table, std::uint64_t out, const pcie::Rid& rid_out);
  void note(const ComponentId& component, Table table) { note(component, table, at_, rid_); }
  Place refuse(const ComponentId& component, Table table, Reason reason);

  const Tables& tables_;
  const pcie::Transaction& transaction_;
  Resolution& result_;

  pcie::Domain domain_{};
  pcie::HostSegment segment_{};
  pcie::Segment number_{};  // of segment_ in the rack
  const Hierarchy* hierarchy_ = nullptr;
  pcie::Rid rid_;
  std::uint64_t at_ = 0;
  bool translated_ = false;
  std::uint16_t port_ = 0, ntb_ = 0, endpoint_ = 0;
  // The extent, as distances from the address: they hold in every space that the access passes.
  std::uint64_t below_ = 0, above_ = 0;
  bool too_long_ = false;
  ComponentId last_component_;
  Table last_table_{};
  std::array<Crossing, kMaxCrossings> crossings_{};
  std::size_t crossed_ = 0;
};

}  // namespace ladon::fabric
