// The messages that could raise an interrupt at a host, found from its remapping table instead of by trying
// all that fit into a MiB of addresses and 32 bits of data. Intel VT-d specification 3.x, 5.1.2 (formats).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "audit/interval.h"
#include "iommu/interrupts.h"
#include "pcie/id.h"

namespace ladon::audit {

// A message that names entry `index`, its address within `area` (which lies in 0xFEExxxxx): directly, or
// from another handle by the subhandle in the data. nullopt if no address of `area` can name it.
[[nodiscard]] std::optional<iommu::Message> message_for(std::uint32_t index, const Interval& area);

// The vectors that messages to `area` are without remapping; nullopt if no whole message fits.
[[nodiscard]] std::optional<Interval> unremapped_vectors(const Interval& area);

// Which entries of a table a requester may use, without a search of the table for each requester.
class EntriesByRequester {
 public:
  explicit EntriesByRequester(const iommu::InterruptTable& table);
  // Ascending. `off`: none, the table is not looked at.
  [[nodiscard]] const std::vector<std::uint32_t>& of(pcie::Bdf rid) const;

 private:
  iommu::InterruptMode mode_;
  std::vector<std::uint32_t> all_, none_;
  std::map<pcie::Bdf, std::vector<std::uint32_t>> by_source_;
};

}  // namespace ladon::audit
