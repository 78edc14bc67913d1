// Where one access goes in a rack, by plain lists that are searched from end to end: an oracle that shares no
// code with resolve(). It says the place or that there is none, and nothing of reasons. Unlike the tests'
// models it knows no layout: bridges, BARs and tables are whatever software made of them.
// PCIe 6.0: 2.2.9 (completions), 6.12 (ACS), 7.5.1.3 (type 1 header).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "fabric/component.h"
#include "pcie/transaction.h"

namespace ladon::fuzz::tables {

struct Span {  // both ends included
  std::uint64_t first = 0, last = 0;
  [[nodiscard]] bool holds(std::uint64_t at) const { return first <= at && at <= last; }
  [[nodiscard]] bool touches(const Span& other) const { return first <= other.last && other.first <= last; }
  [[nodiscard]] bool within(const Span& other) const { return other.first <= first && last <= other.last; }
  bool operator==(const Span&) const = default;
};
struct PageMap {
  Span from;
  std::uint64_t to = 0;
  pcie::AccessSet access;
};
struct Memory {
  Span range;
  std::uint32_t id = 0;
  std::uint64_t offset = 0;
};
struct Bridge {
  std::uint8_t secondary = 0, subordinate = 0;
  std::vector<Span> windows;
  bool bus_master = false;
  [[nodiscard]] bool leads_to(std::uint8_t bus) const {
    return secondary != 0 && secondary <= bus && bus <= subordinate;
  }
  [[nodiscard]] bool claims(std::uint64_t at) const;
};
struct Bar {
  std::uint8_t index = 0;
  Span range;
};

// ---- IOMMU
struct IoDomain {
  std::vector<PageMap> mappings;
  std::vector<PageMap> stale;  // unmapped and not flushed: answers before the mappings do
};
struct Requester {
  std::uint32_t domain = 0;
  bool translated = false, pasid = false;
};
struct InterruptEntry {
  bool present = false;
  std::uint32_t vector = 0;
  std::uint16_t source = 0;
};

struct Host {
  std::vector<Memory> memory;
  Bridge root;
  std::map<std::uint32_t, IoDomain> domains;
  std::map<std::uint16_t, Requester> requesters;  // by RID
  std::vector<InterruptEntry> interrupts;
  std::map<std::uint16_t, std::vector<PageMap>> vms;
};

// ---- NTB
struct Window {
  std::uint8_t bar = 0;
  PageMap map;  // `from` within the BAR
};
struct NtbSide {
  std::vector<Bar> bars;
  bool bus_master = false;
  std::vector<Window> windows;                // entered on this side
  std::map<std::uint16_t, std::uint8_t> lut;  // likewise
};
struct Ntb {
  bool link_up = false;
  bool table = true;  // of requester IDs; without one nobody is looked up
  NtbSide management, link;
};

// ---- switch and endpoint
struct Port {
  Bridge bridge;
  bool source_validation = false, translation_blocking = false;
  bool request_redirect = false, completion_redirect = false, upstream_forwarding = false;
};
struct NicFunction {
  std::uint16_t index = 0;
  bool bus_master = false;
  std::vector<Bar> bars;
};

// An address of a place. Registers: offset within the BAR. Interrupts: the vector.
struct End {
  enum class Kind : std::uint8_t { memory, registers, interrupt } kind{};
  std::uint16_t domain = 0;  // memory, interrupts
  fabric::FunctionId function;
  std::uint8_t bar = 0;
  std::uint64_t at = 0;
  std::uint32_t memory = 0;  // whose bytes, and which
  std::uint64_t offset = 0;
  std::uint16_t source = 0;  // interrupts: as that domain saw it
  bool operator==(const End&) const = default;
};

struct Followed {
  std::optional<End> end;     // nullopt: refused, or a read whose completion does not come back
  std::size_t crossings = 0;  // of NTBs: resolve() gives up when they are too many
};

struct Model {
  fabric::Defences on;
  std::vector<Host> hosts;  // by domain
  std::vector<Ntb> ntbs;    // [k] leads to domain k + 1, below port k
  std::vector<Port> ports;  // the NIC's is the last
  Bridge upstream;
  std::vector<NicFunction> nic;  // present, ascending

  [[nodiscard]] Followed follow(const pcie::Transaction& access) const;
  [[nodiscard]] std::size_t nic_port() const { return ports.size() - 1; }
};

}  // namespace ladon::fuzz::tables
