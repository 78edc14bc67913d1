// A request at an NTB: control registers, windows, and the requester-ID look-up table.
#include <algorithm>

#include "fabric/walk.h"
#include "spec/ntb.h"

namespace ladon::fabric {

namespace {

const LutEntry* find_entry(const std::vector<LutEntry>& lut, pcie::Bdf rid) {
  const auto it = std::lower_bound(lut.begin(), lut.end(), rid, [](const LutEntry& entry, pcie::Bdf wanted) {
    return entry.rid < wanted;
  });
  return it != lut.end() && it->rid == rid ? &*it : nullptr;
}

}  // namespace

Walk::Place Walk::ntb(bool management_side) {
  const NtbTable& table = *tables_.ntbs[ntb_];
  const NtbSideTable& side = management_side ? table.management : table.link;
  const ComponentId here{ComponentKind::ntb, domain_, static_cast<std::uint16_t>(ntb_ + 1)};
  Gap gap(at_);
  const pcie::BarRange* hit = nullptr;
  for (const auto& bar : side.bars)
    if (gap.meets(bar.range)) {
      hit = &bar;
      break;
    }
  clip(gap);
  if (hit == nullptr) return refuse(here, Table::bars, Reason::no_route);
  clip(hit->range);
  const std::uint64_t offset = *BusAddr(at_).minus(hit->range.first());
  note(here, Table::bars);
  if (hit->bar != spec::ntb::kControlBar) return cross(management_side, side, hit->bar, offset);
  result_.outcome = RegisterTarget{
      .function = {.is_ntb = true, .index = ntb_, .function = static_cast<std::uint16_t>(!management_side)},
      .bar = hit->bar,
      .offset = offset};
  return Place::end;
}

Walk::Place Walk::cross(bool outbound, const NtbSideTable& entered, std::uint8_t bar, std::uint64_t offset) {
  const NtbTable& table = *tables_.ntbs[ntb_];
  const ComponentId here{ComponentKind::ntb, domain_, static_cast<std::uint16_t>(ntb_ + 1)};
  if (!table.link_up) return refuse(here, Table::ntb_window, Reason::ntb_link_down);
  if (translated_ || transaction_.pasid) return refuse(here, Table::entry, Reason::ntb_prefixed);

  Gap gap(offset);
  const NtbWindow* window = nullptr;
  for (const NtbWindow& candidate : entered.windows)
    if (candidate.bar == bar && gap.meets(candidate.within)) window = &candidate;
  // `gap` and `within` count from the BAR's start, where the access's address is at_ - offset.
  const std::uint64_t base = at_ - offset;
  const std::uint64_t last = gap.last() > ~base ? ~std::uint64_t{0} : base + gap.last();
  clip(base + gap.first(), last);
  if (window == nullptr) return refuse(here, Table::ntb_window, Reason::ntb_no_window);
  clip(base + window->within.first().bits(), base + window->within.last().bits());
  if (!window->access.allows(transaction_.access))
    return refuse(here, Table::ntb_window, Reason::ntb_window_permission);
  const LutEntry* entry = find_entry(entered.lut, rid_.bdf);
  if (entry == nullptr && tables_.looks_up(table)) return refuse(here, Table::ntb_lut, Reason::lut_miss);

  const pcie::Domain far =
      outbound ? pcie::Domain{static_cast<std::uint16_t>(ntb_ + 1)} : pcie::kManagementDomain;
  const std::uint64_t out = window->translation.bits() + (offset - window->within.first().bits());
  if (crossed_ == kMaxCrossings) return refuse(here, Table::ntb_window, Reason::too_long);
  crossings_[crossed_++] = {.ntb = ntb_, .outbound = outbound, .before = rid_};
  note(here, Table::ntb_lut, at_, proxy(far, ntb_, entry != nullptr ? entry->proxy : std::uint8_t{0}));
  note(here, Table::ntb_window, out, rid_);
  const NtbSideTable& left = outbound ? table.link : table.management;
  enter(far, outbound ? pcie::HostSegment{} : table.segment);
  if (!left.bus_master)
    return refuse({ComponentKind::ntb, far, here.index}, Table::entry, Reason::bus_master_off);
  port_ = table.port;
  return outbound ? Place::root_from_device : Place::switch_from_below;
}

}  // namespace ladon::fabric
