// What the rack is made of, by name: components, the tables they hold, and the reasons for which a table
// refuses an access.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "pcie/id.h"

namespace ladon::fabric {

enum class ComponentKind : std::uint8_t {
  processor,     // a host's CPU; its second-level page tables
  root_complex,  // the host bridge: memory map
  root_port,     // 00:01.0 of its segment
  iommu,
  upstream,    // the switch's upstream port
  downstream,  // the switch's downstream port `index`
  ntb,         // NTB `index`: compute host index + 1; `domain` says which side
  endpoint,    // endpoint `index`, in the order of Options::endpoints
};

struct ComponentId {
  ComponentKind kind{};
  pcie::Domain domain{};
  std::uint16_t index = 0;
  // Of those that every segment of a host has of its own: root port, IOMMU, switch ports. 0 of all others.
  pcie::HostSegment segment{};
  constexpr auto operator<=>(const ComponentId&) const = default;
};

// A function that has registers and may emit requests: an endpoint's, or one side of an NTB.
struct FunctionId {
  bool is_ntb = false;
  std::uint16_t index = 0;     // of the endpoint or the NTB
  std::uint16_t function = 0;  // endpoint: as pcie::Endpoint numbers it; NTB: 0 management side, 1 link side
  constexpr auto operator<=>(const FunctionId&) const = default;
};

enum class Table : std::uint8_t {
  entry,         // where the transaction enters: rules on its form, bus mastering
  second_level,  // EPT: Gpa -> BusAddr of one VM
  memory_map,    // of a host: DRAM, the root port's windows, the rest
  windows,       // a bridge's memory windows (type 1 header)
  bus_numbers,   // a bridge's bus numbers: completions, configuration
  acs,           // access control services of a switch port
  dma,           // IOMMU: requester -> domain -> mapping
  iotlb,         // IOMMU: a stale IOTLB entry
  interrupts,    // interrupt remapping
  bars,          // an endpoint's or NTB's base address registers
  ntb_window,    // translation base, limit, permission
  ntb_lut,       // requester-ID look-up table
};
inline constexpr std::uint8_t kTables = static_cast<std::uint8_t>(Table::ntb_lut) + 1;

// Why an access was refused.
enum class Reason : std::uint8_t {
  bad_length,   // zero, or the end would pass the end of the 64-bit space
  crosses_4k,   // PCIe 6.0, 2.2.7
  crosses_end,  // the access reaches over the end of what its first byte hits: the caller splits
  bus_master_off,
  ept_not_mapped,
  ept_no_permission,
  no_route,             // no window, BAR or memory claims the address
  between_segments,     // a device's request for what lies below another root port; PCIe 6.0, 1.3.1
  interrupt_area,       // 0xFEExxxxx as a target of a load, store or read
  source_validation,    // ACS: the requester's bus is not below this port
  translation_blocked,  // ACS: AT is not 00b
  no_redirect,          // ACS: redirected onto the port it came from, without upstream forwarding
  iommu_not_attached,
  iommu_not_mapped,
  iommu_no_permission,
  iommu_translated,
  iommu_pasid,
  iommu_interrupt_target,
  iommu_wraps,
  interrupt_not_four_bytes,
  interrupt_compatibility,
  interrupt_reserved_bits,
  interrupt_beyond_table,
  interrupt_not_present,
  interrupt_wrong_source,
  ntb_link_down,
  ntb_no_window,
  ntb_window_permission,
  ntb_prefixed,  // a translated or PASID request may not cross
  lut_miss,
  completion_no_route,   // no port's bus numbers lead to the requester
  completion_lut_miss,   // the completer has no entry in the direction in which its completion travels
  completion_misrouted,  // it arrives at a device that did not ask
  too_long,              // more than kMaxHops: a loop
  count_
};

[[nodiscard]] std::string_view name(Table table);
[[nodiscard]] std::string_view name(Reason reason);

// The six defences. Off removes the check and keeps the translation; see doc/hardware and section "who is
// stopped by what" of the architecture.
struct Defences {
  bool acs = true;       // request and completion redirect, upstream forwarding (source validation stays)
  bool mh_iommu = true;  // iommu::Enforcement::offset and InterruptMode::unchecked in the management domain
  bool lut = true;       // a requester without an entry gets the NTB's own ID; entries keep their proxies
  bool ch_iommu = true;  // iommu::Enforcement::passthrough in compute domains
  bool interrupt_remapping = true;  // iommu::InterruptMode::off everywhere
  bool ept = true;                  // a VM's address without a mapping is taken as BusAddr
  bool operator==(const Defences&) const = default;
};

}  // namespace ladon::fabric
