// The plan: every table entry of the fabric that the management host owns, as one pure value computed from
// what is there and what is wanted. doc/software.md draws it.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/control.h"
#include "mh/intent.h"
#include "mh/inventory.h"

namespace ladon::mh {

// What a VF emits to raise an interrupt: outside every host's memory; the management IOMMU maps this MiB to
// the MSI BAR of the owner's NTB.
inline constexpr Iova kMsiIova{std::uint64_t{1} << 46};
// Inbound windows of a slot: registers and MSI-X table.
inline constexpr std::uint16_t kWindowsPerSlot = 2;
// Proxies start at device 1 of the NTB's bus: device 0 is the NTB itself.
inline constexpr std::uint8_t kFirstProxy = 0x08;

struct VfId {
  std::uint16_t nic = 0, vf = 0;
  auto operator<=>(const VfId&) const = default;
};

enum class Direction : std::uint8_t {
  outbound,  // from the management domain to the compute host: DMA, interrupts
  inbound,   // from the compute host: its stores to VF registers
};
struct WindowId {
  std::uint16_t ntb = 0;  // index in Inventory::ntbs
  Direction direction{};
  std::uint16_t index = 0;
  auto operator<=>(const WindowId&) const = default;
};
struct Window {
  std::uint8_t bar = 0;
  std::uint64_t offset = 0, length = 0;  // within the BAR, bytes
  BusAddr to;                            // in the other domain
  pcie::AccessSet access;
  bool operator==(const Window&) const = default;
};

struct LutId {
  std::uint16_t ntb = 0;
  Direction direction{};
  std::uint16_t index = 0;
  auto operator<=>(const LutId&) const = default;
};
struct LutEntry {
  pcie::Bdf rid;           // in the NTB's segment of the domain that is left
  std::uint8_t proxy = 0;  // device/function on the NTB's bus in the domain that is entered
  bool operator==(const LutEntry&) const = default;
};

// A protection domain of the management host's IOMMUs: one a VF, one a compute host (for its CPU's stores).
struct DomainId {
  enum class Kind : std::uint8_t { vf, host } kind{};
  std::uint16_t a = 0, b = 0;  // nic and vf, or index of the NTB and 0
  auto operator<=>(const DomainId&) const = default;
};
struct Mapping {
  BusAddr to;
  std::uint64_t length = 0;
  pcie::AccessSet access;
  bool operator==(const Mapping&) const = default;
};
struct IoSpace {
  std::optional<pcie::Sbdf> rid;  // who is attached
  std::map<Iova, Mapping> mappings;
  bool operator==(const IoSpace&) const = default;
};

// A VF with its owner. What follows the grant is what the owner's part is told (host/control.h, Assign).
struct VfSetup {
  Grant grant;
  std::uint16_t requester = 0, vf_device = 0;
  pcie::HostSegment segment{};
  std::uint64_t registers = 0, msix = 0, message_base = 0;
  bool operator==(const VfSetup&) const = default;
};

[[nodiscard]] host::control::Assign assignment_of(const VfSetup& setup);

struct Plan {
  std::set<std::uint16_t> links;  // NTBs whose link is up
  std::map<WindowId, Window> windows;
  std::map<LutId, LutEntry> luts;
  std::map<DomainId, IoSpace> domains;
  std::map<VfId, VfSetup> vfs;  // enabled
  // What is stated of NICs and their VFs: a NIC's all VFs or none, each with its packet memory. Of the others
  // the device is as after its reset.
  std::map<std::uint16_t, NicCapacity> capacities;
  std::map<VfId, ServiceLevel> levels;
  std::set<VfId> dirty;  // quiesced, but what the last owner left is still in them; empty when planned
  bool operator==(const Plan&) const = default;
};

enum class PlanProblem : std::uint8_t {
  no_such_nic,
  no_such_vf,
  no_such_host,   // no NTB leads to it, or the intent does not list it
  other_segment,  // the host's NTB is not in the NIC's segment, and no request gets from one to another
  vf_twice,
  slot_twice,
  mac_twice,
  windows_short,
  lut_short,
  proxies_short,
  register_bar_short,
  dma_bar_short,
  coarse_windows,  // the NTB's windows cannot be cut as finely as a VF's registers
  one_requester,   // the NTB gives all VFs of the host one ID, so only one can be told from the host's others
  shared_device,   // the NTB tells devices apart, not functions, and another host has a function of this
                   // device
  bad_span,
  bad_level,     // no device could keep it
  level_short,   // the NIC has not enough left of what it promises
  bad_capacity,  // more than the NIC is able to
  count_
};
[[nodiscard]] std::string_view name(PlanProblem problem);
struct PlanError {
  PlanProblem problem{};
  std::uint64_t needed = 0, there = 0;  // where something is short
  std::string message;                  // for a person: names the host, the VF and both numbers
};

[[nodiscard]] std::expected<Plan, PlanError> plan(const Inventory& inventory, const Intent& intent);

}  // namespace ladon::mh
