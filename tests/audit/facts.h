// A small rack as plain facts, in pages of 4 KiB: what the tables of the hardware are made from, and what the
// model of model.h reads. A few hundred pages a domain, so that every page can be tried.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "audit/initiator.h"
#include "fabric/tables.h"

namespace ladon::audit::test {

using Page = std::uint64_t;
inline constexpr std::uint64_t kPage = 4096;

struct Pages {
  Page first = 0, count = 0;
  [[nodiscard]] bool hold(Page at) const { return first <= at && at - first < count; }
};
struct PageMap {  // one mapping of an IOMMU, a second-level table or an NTB window
  Pages from;
  Page to = 0;
  pcie::AccessSet access;
};

// ---- where things are. Each domain has memory in two places.
inline constexpr Pages kLowMemory{0, 8}, kHighMemory{0x20, 8};
// Management domain: every port has a window, every NTB's a second one. They lie in the order of segments.
inline constexpr Page kPortWindow = 0x40, kPortPages = 0x20, kDmaWindow = 0x100;
inline constexpr Pages kControlBar{0, 2}, kMsiBar{8, 8}, kPfBar{0, 2};  // within a port's window
inline constexpr Page kVfRegisters = 4, kVfMsix = 16, kDmaPages = 16;
inline constexpr unsigned kVfs = 3;
// Compute domains.
inline constexpr Pages kLinkWindow{0x40, 0x20}, kLinkControl{0x40, 2}, kLinkRegisters{0x50, 16};
inline constexpr Pages kInterruptPages{0xFEE00, 256};
// All pages that can be emitted and lead anywhere, whatever is added to them on the way, lie in these.
inline constexpr Pages kUniverse[] = {{0, 0x400}, {0xFEDF0, 0x120}, {~Page{0} >> 12, 1}};

struct RequesterFacts {
  std::vector<PageMap> mappings, stale;  // ascending
  bool translated = false;               // AT = 10b is allowed
};
struct SegmentFacts {
  bool root_bus_master = true;
  bool upstream_bus_master = true;                     // of the management host's switch
  std::map<std::uint16_t, RequesterFacts> requesters;  // by RID
  std::vector<iommu::Irte> interrupts;
};
struct HostFacts {
  std::vector<SegmentFacts> segments;  // a compute host has one
  std::map<std::uint16_t, std::vector<PageMap>> vms;
};
struct SideFacts {
  bool bus_master = true;
  std::map<std::uint8_t, std::vector<PageMap>> windows;  // by BAR; `from` within the BAR
  std::map<std::uint16_t, std::uint8_t> lut;             // RID -> proxy
};
struct NtbFacts {
  bool link_up = true;
  SideFacts management, link;
};
struct PortFacts {
  unsigned segment = 0;
  // Where software has put it: on its switch, and in the domain. Buses of different segments have the same
  // numbers.
  std::uint16_t index = 0;
  std::uint8_t bus = 0;
  Page window = 0, dma = 0;  // dma: below an NTB's
  bool bus_master = true;
  bool redirect = true, completion_redirect = true, upstream_forwarding = true;
  bool source_validation = true, translation_blocking = true;
};
struct Facts {
  fabric::Defences on;
  std::vector<HostFacts> hosts;  // by domain
  std::vector<NtbFacts> ntbs;
  std::vector<std::array<bool, kVfs + 1>> nics;  // bus mastering of PF and VFs
  std::vector<PortFacts> ports;                  // the NTBs', then the NICs'

  [[nodiscard]] std::size_t segments() const { return hosts[0].segments.size(); }
  [[nodiscard]] bool is_ntb(std::size_t port) const { return port < ntbs.size(); }
  [[nodiscard]] std::size_t nic_port(std::size_t nic) const { return ntbs.size() + nic; }
  [[nodiscard]] static std::uint16_t function_of(unsigned index) {  // 0: the PF
    return static_cast<std::uint16_t>(index == 0 ? 0 : 0x80 + 2 * (index - 1));
  }
  [[nodiscard]] std::uint16_t nic_rid(std::size_t nic, unsigned index) const {
    return static_cast<std::uint16_t>(ports[nic_port(nic)].bus << 8 | function_of(index));
  }
};

[[nodiscard]] Facts random_facts(std::uint64_t seed);
// The 64 sets of defences, by number.
[[nodiscard]] fabric::Defences defences(unsigned number);
[[nodiscard]] std::shared_ptr<const fabric::Tables> tables_of(const Facts& facts);

}  // namespace ladon::audit::test
