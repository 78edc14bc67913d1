#include "mh/packet_pages.h"

#include <algorithm>

namespace ladon::mh {

PageTable PacketPages::free() const {
  PageTable taken;
  for (const PageTable& table : tables_) taken.insert(taken.end(), table.begin(), table.end());
  std::ranges::sort(taken, {}, &PageExtent::first);
  PageTable free;
  std::uint32_t at = 0;
  for (const PageExtent& extent : taken) {
    if (extent.first > at) free.push_back({at, extent.first - at});
    at = extent.first + extent.count;
  }
  if (at < pages_) free.push_back({at, pages_ - at});
  return free;
}

void PacketPages::resize(std::uint16_t vf, std::uint32_t count) {
  PageTable& table = tables_[vf];
  std::uint32_t has = 0;
  for (PageExtent& extent : table) {
    extent.count = std::min(extent.count, count - has);
    has += extent.count;
  }
  std::erase_if(table, [](const PageExtent& extent) { return extent.count == 0; });
  if (has == count) return;
  PageTable pieces = free();
  std::ranges::sort(pieces, [](const PageExtent& a, const PageExtent& b) {
    return a.count != b.count ? a.count > b.count : a.first < b.first;
  });
  for (const PageExtent& piece : pieces) {
    if (has == count || table.size() == kMostExtents) return;
    const std::uint32_t taken = std::min(piece.count, count - has);
    table.push_back({piece.first, taken});
    has += taken;
  }
}

}  // namespace ladon::mh
