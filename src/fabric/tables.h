// The rack's tables as one immutable snapshot: everything that resolve() reads. It is composed of shared
// tables, so a change to one component copies that component's table alone, and a reader that holds a
// snapshot sees one state of the whole rack for as long as it likes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "fabric/component.h"
#include "iommu/unit.h"
#include "pcie/config_space.h"
#include "pcie/id.h"
#include "pcie/transaction.h"

namespace ladon::fabric {

// Memory behind addresses, as the owner of the bytes numbers it (a file, an arena).
enum class MemoryId : std::uint32_t {};

// A stretch of a host's physical addresses with memory behind it.
struct MemoryRange {
  Range<BusAddr> range = Range<BusAddr>::everything();
  MemoryId memory{};
  std::uint64_t offset = 0;  // within the memory, of the first byte
};

// A bridge as its type 1 header is programmed. Windows are empty while memory decoding is off.
struct BridgeTable {
  std::uint8_t secondary = 0, subordinate = 0;  // 0: not programmed
  std::optional<Range<BusAddr>> memory, prefetchable;
  bool bus_master = false;      // forwards requests upstream
  bool ari_forwarding = false;  // configuration requests reach functions beyond 7
  [[nodiscard]] bool leads_to(std::uint8_t bus) const {
    return secondary != 0 && secondary <= bus && bus <= subordinate;
  }
};

// What hangs below a switch's downstream port.
struct Attached {
  bool is_ntb = false;
  std::uint16_t index = 0;  // of the NTB or the endpoint
};

struct PortTable {
  BridgeTable bridge;
  pcie::ConfigSpace::Acs acs;  // with the defence already applied
  Attached below;
};

struct SwitchTable {
  BridgeTable upstream;
  std::vector<PortTable> downstream;
};

// One BAR of one function of an endpoint, or the part of it that no earlier function claims.
struct Claim {
  Range<BusAddr> range = Range<BusAddr>::everything();
  BusAddr base;  // of the whole BAR
  std::uint16_t function = 0;
  std::uint8_t bar = 0;
};

struct EndpointTable {
  pcie::HostSegment segment{};            // of the management host
  std::uint16_t port = 0;                 // the downstream port above it
  std::vector<Claim> claims;              // ascending by address, none overlap
  std::vector<std::uint16_t> functions;   // present, ascending
  std::vector<std::uint8_t> bus_masters;  // parallel to functions: 1 if it may emit
};

struct NtbWindow {
  std::uint8_t bar = 0;
  Range<BusAddr> within = Range<BusAddr>::everything();  // offsets in the BAR, not bus addresses
  BusAddr translation;                                   // in the other domain, of the window's first byte
  pcie::AccessSet access;
};

struct LutEntry {
  pcie::Bdf rid;
  std::uint8_t proxy = 0;  // device/function on the far side's bus
};

// What one side shows to its domain.
struct NtbSideTable {
  std::vector<pcie::BarRange> bars;
  bool bus_master = false;
  std::vector<NtbWindow> windows;  // entered on this side; ascending by (bar, offset)
  std::vector<LutEntry> lut;       // requesters that enter on this side; ascending by rid
};

struct NtbTable {
  pcie::HostSegment segment{};  // of the management host: where the management side is
  std::uint16_t port = 0;       // the downstream port above it
  bool link_up = false;
  bool requester_table = true;  // false: the part has none, and everyone crosses as the NTB itself
  NtbSideTable management, link;
};

struct VmTable {
  pcie::Vm vm{};
  std::shared_ptr<const iommu::SecondLevelTable> second_level;
};

// One PCI segment of a host: a root port with what lies below it, and the IOMMU that its requests meet.
struct Hierarchy {
  BridgeTable root_port;
  std::shared_ptr<const iommu::UnitTable> iommu;
  std::shared_ptr<const SwitchTable> packet_switch;  // null at a compute host: there is its NTB
};

struct HostTable {
  std::shared_ptr<const std::vector<MemoryRange>> memory;  // ascending
  std::vector<Hierarchy> hierarchies;                      // by segment; a compute host has one
  std::vector<VmTable> vms;                                // ascending by number
  [[nodiscard]] const Hierarchy& in(pcie::HostSegment segment) const {
    return hierarchies[static_cast<std::size_t>(segment)];
  }
};

// Names as they are shown: "mh", "ch1", "nic0".
struct Names {
  std::vector<std::string> hosts, endpoints;
};

struct Tables {
  std::uint64_t version = 0;  // grows with every change
  Defences defences;
  std::vector<std::shared_ptr<const HostTable>> hosts;  // by domain
  std::vector<std::shared_ptr<const EndpointTable>> endpoints;
  std::vector<std::shared_ptr<const NtbTable>> ntbs;  // [k] leads to domain k + 1
  std::shared_ptr<const Names> names;

  // Does this NTB refuse requesters without an entry?
  [[nodiscard]] bool looks_up(const NtbTable& ntb) const { return defences.lut && ntb.requester_table; }

  // The rack's number of a host's segment, and the other way: an ID as that host's own software has it. Every
  // segment has one number, so nobody else's ID can be taken for it.
  [[nodiscard]] pcie::Segment segment(pcie::Domain domain, pcie::HostSegment own = {}) const {
    const auto number = domain == pcie::kManagementDomain
                            ? static_cast<std::size_t>(own)
                            : hosts.front()->hierarchies.size() - 1 + static_cast<std::size_t>(domain);
    return pcie::Segment{static_cast<std::uint16_t>(number)};
  }
  [[nodiscard]] pcie::Sbdf host_address(const pcie::Rid& rid) const {
    const auto number = static_cast<std::uint16_t>(rid.segment);
    return {pcie::HostSegment{number < hosts.front()->hierarchies.size() ? number : std::uint16_t{0}},
            rid.bdf};
  }
  // A downstream port of the management host's.
  [[nodiscard]] const PortTable& port(pcie::HostSegment segment, std::uint16_t index) const {
    return hosts.front()->in(segment).packet_switch->downstream[index];
  }

  // The requester ID of a function, from the bus number its port is programmed with; nullopt before
  // enumeration.
  [[nodiscard]] std::optional<pcie::Rid> rid(std::uint16_t endpoint, std::uint16_t function) const;
  [[nodiscard]] std::optional<pcie::Rid> rid(const FunctionId& function) const;
  // Where it emits.
  [[nodiscard]] pcie::Segment segment_of(const FunctionId& function) const;
  // A request as that function emits it: from where it is, under its own requester ID. Before enumeration
  // the ID is zero, and the request routes nowhere.
  [[nodiscard]] pcie::Transaction emitted_by(const FunctionId& function, Iova at, std::uint32_t length,
                                             pcie::Access access) const;
  // "switch0/down2", "ntb1", "ch1/iommu", "mh/root-port"; of a host with several segments "mh/root-port1".
  [[nodiscard]] std::string name(const ComponentId& component) const;
};

}  // namespace ladon::fabric
