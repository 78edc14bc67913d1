// One access through a rack, followed and not made: by which tables it goes, where it ends, and if it is
// refused, by which table, why, and what would mend it.
//
//   const Path path = rack.guest("vm-a").dma(0x1000, Access::read);
//   EXPECT_FALSE(path.refused) << to_string(path);
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ladon::testkit {

enum class Access : std::uint8_t { read = 1, write = 2 };

// One table that the access passed.
struct Hop {
  bool completion = false;                  // of a read: on its completion's way back
  std::string component, table;             // "ntb1/management", "outbound requester-ID LUT"
  std::string domain;                       // the host whose addresses these are
  std::string address_in, address_out;      // "0x1000"; empty on a completion
  std::string requester_in, requester_out;  // "0000:05:10.2"
};

struct Path {
  std::vector<Hop> hops;
  std::string outcome;  // "memory of ch1 at 0x100001000", or "refused by ..."
  bool refused = false;

  // ---- of a refused access (doc/explain.md)
  std::string fault;    // "ch1/iommu/DMA remapping: not mapped"
  std::string verdict;  // "missing": the plan wants it to pass; "isolation"; "form"
  std::string cause, entry, mend;

  // It went by that component: "ntb1/link", "mh/iommu".
  [[nodiscard]] bool passes(std::string_view component) const;
};

// For a person: a line a hop, then the outcome and what mends it.
[[nodiscard]] std::string to_string(const Path& path);

}  // namespace ladon::testkit
