// Which pages of a NIC's packet memory are behind each VF's partition: what the device's page translation
// tables say (spec/pf.h, kPageTables). A pure account; the PF driver writes it to the device.
#pragma once

#include <cstdint>
#include <vector>

#include "spec/ixgbevf.h"

namespace ladon::mh {

struct PageExtent {
  std::uint32_t first = 0, count = 0;
  bool operator==(const PageExtent&) const = default;
};
using PageTable = std::vector<PageExtent>;

class PacketPages {
 public:
  // Extents that the device has room for in one table.
  static constexpr std::size_t kMostExtents = spec::ixgbevf::kPageExtents;

  PacketPages(std::uint32_t pages, std::uint16_t vfs) : pages_(pages), tables_(vfs) {}

  [[nodiscard]] const PageTable& table(std::uint16_t vf) const { return tables_[vf]; }
  // Makes the VF's table one of so many pages. What it has stays where it is: it gives back from its end, and
  // takes of what nobody has, the largest pieces first. It gets less where that is in too many pieces.
  void resize(std::uint16_t vf, std::uint32_t count);
  // What a predecessor has given it.
  void adopt(std::uint16_t vf, PageTable table) { tables_[vf] = std::move(table); }

 private:
  [[nodiscard]] PageTable free() const;  // in order

  std::uint32_t pages_;
  std::vector<PageTable> tables_;
};

}  // namespace ladon::mh
