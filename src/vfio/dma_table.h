// The DMA ranges that one client has mapped: exact, never overlapping, limited in number and size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <map>
#include <vector>

#include "base/address.h"
#include "vfio/refusal.h"
#include "vfio/version.h"

namespace ladon::vfio {

class DmaTable {
 public:
  struct Limits {
    std::uint64_t maps = kMaxDmaMaps;
    std::uint64_t bytes = std::uint64_t{1} << 40;  // of one map
  };
  struct Entry {
    Range<Gpa> range;
    bool reachable;  // false: the client gave no file, so no device knows of the range
  };

  explicit DmaTable(const Limits& limits) : limits_(limits) {}

  void lower_limit(std::uint64_t maps) { limits_.maps = std::min(limits_.maps, maps); }

  // The range that a map with these values would have, if it may be added.
  [[nodiscard]] std::expected<Range<Gpa>, Refusal> check(std::uint64_t address, std::uint64_t size,
                                                         std::uint64_t file_offset) const;
  // `range` has been checked, and nothing was added since.
  void add(Range<Gpa> range, bool reachable);

  // The maps that an unmap of these values means: all that lie inside, at least one, and none that reaches
  // out. More than one: a client with an IOMMU of its own drops a whole address space at once.
  [[nodiscard]] std::expected<std::vector<Entry>, Refusal> inside(std::uint64_t address,
                                                                  std::uint64_t size) const;
  [[nodiscard]] std::vector<Entry> all() const;
  void remove(Range<Gpa> range);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  Limits limits_;
  std::map<Gpa, Entry> entries_;  // by first address
};

}  // namespace ladon::vfio
