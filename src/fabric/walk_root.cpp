// A request at a root complex: IOMMU, interrupt remapping, memory map, root port.
#include <algorithm>

#include "fabric/walk.h"

namespace ladon::fabric {

namespace {

Reason reason_of(iommu::Reason reason) {
  switch (reason) {
    case iommu::Reason::not_attached:
      return Reason::iommu_not_attached;
    case iommu::Reason::not_mapped:
      return Reason::iommu_not_mapped;
    case iommu::Reason::no_permission:
      return Reason::iommu_no_permission;
    case iommu::Reason::translated_request:
      return Reason::iommu_translated;
    case iommu::Reason::pasid:
      return Reason::iommu_pasid;
    case iommu::Reason::interrupt_read:
      return Reason::interrupt_area;
    case iommu::Reason::interrupt_target:
      return Reason::iommu_interrupt_target;
    case iommu::Reason::wraps:
    case iommu::Reason::count_:
      break;
  }
  return Reason::iommu_wraps;
}

Reason reason_of(iommu::InterruptReason reason) {
  switch (reason) {
    case iommu::InterruptReason::not_four_bytes:
      return Reason::interrupt_not_four_bytes;
    case iommu::InterruptReason::compatibility:
      return Reason::interrupt_compatibility;
    case iommu::InterruptReason::reserved_bits:
      return Reason::interrupt_reserved_bits;
    case iommu::InterruptReason::beyond_table:
      return Reason::interrupt_beyond_table;
    case iommu::InterruptReason::not_present:
      return Reason::interrupt_not_present;
    case iommu::InterruptReason::wrong_source:
    case iommu::InterruptReason::count_:
      break;
  }
  return Reason::interrupt_wrong_source;
}

const auto kInterruptRange =
    *Range<BusAddr>::between(BusAddr(iommu::kInterruptFirst), BusAddr(iommu::kInterruptLast));

}  // namespace

Walk::Place Walk::root_from_device() {
  const ComponentId port = here(ComponentKind::root_port);
  if (!hierarchy_->root_port.bus_master) return refuse(port, Table::entry, Reason::bus_master_off);
  note(port, Table::entry);
  const ComponentId unit = here(ComponentKind::iommu);
  if (iommu::is_interrupt_address(at_)) return interrupt();
  const bool has_pasid = transaction_.pasid.has_value();
  if (translated_) {
    Gap outside(at_);
    outside.meets(kInterruptRange);
    clip(outside);
    const auto accepted = hierarchy_->iommu->accept_translated(rid_.bdf, BusAddr(at_), has_pasid);
    if (!accepted) return refuse(unit, Table::dma, reason_of(accepted.error()));
    note(unit, Table::dma);
    return Place::root_translated;
  }
  const auto answer = hierarchy_->iommu->translate(rid_.bdf, Iova(at_), transaction_.access, has_pasid);
  clip(answer.extent);
  const Table table = answer.stale ? Table::iotlb : Table::dma;
  if (!answer.to) return refuse(unit, table, reason_of(answer.to.error()));
  note(unit, table, answer.to->bits(), rid_);
  return Place::root_translated;
}

Walk::Place Walk::interrupt() {
  const ComponentId unit = here(ComponentKind::iommu);
  clip(kInterruptRange);
  const std::uint64_t emitted = pcie::address_bits(transaction_.address);
  result_.interrupts = {emitted - below_, emitted + above_};
  if (translated_ || transaction_.access == pcie::Access::read)
    return refuse(unit, Table::interrupts, Reason::interrupt_area);
  clip(at_ & ~std::uint64_t{3}, at_ | 3);
  const auto vector =
      hierarchy_->iommu->interrupts->lookup(rid_.bdf, at_, transaction_.length, transaction_.data);
  if (!vector) return refuse(unit, Table::interrupts, reason_of(vector.error()));
  note(unit, Table::interrupts);
  result_.outcome = InterruptTarget{.domain = domain_, .vector = *vector, .source = rid_};
  return Place::end;
}

// The memory map is the domain's: what lies below any of its root ports has a window there.
Walk::Place Walk::root_translated(bool from_processor) {
  const ComponentId here{ComponentKind::root_complex, domain_, 0};
  const BusAddr at(at_);
  Gap gap(at_);
  const auto& memory = *host().memory;
  const auto next = std::upper_bound(memory.begin(), memory.end(), at,
                                     [](BusAddr a, const MemoryRange& m) { return a < m.range.first(); });
  if (next != memory.end()) gap.meets(next->range);
  if (next != memory.begin()) {
    const MemoryRange& candidate = *std::prev(next);
    if (gap.meets(candidate.range)) {
      clip(candidate.range);
      note(here, Table::memory_map);
      result_.outcome = MemoryTarget{.domain = domain_,
                                     .at = at,
                                     .memory = candidate.memory,
                                     .offset = candidate.offset + *at.minus(candidate.range.first())};
      return Place::end;
    }
  }
  if (gap.meets(kInterruptRange)) {
    clip(kInterruptRange);
    return refuse(here, Table::memory_map, Reason::interrupt_area);
  }
  for (const Hierarchy& hierarchy : host().hierarchies) {
    const BridgeTable& port = hierarchy.root_port;
    for (const auto& window : {port.memory, port.prefetchable}) {
      if (!window || !gap.meets(*window)) continue;
      clip(gap);
      clip(*window);
      const auto number = static_cast<std::uint16_t>(&hierarchy - host().hierarchies.data());
      return through_root_port(pcie::HostSegment{number}, from_processor);
    }
  }
  clip(gap);
  return refuse(here, Table::memory_map, Reason::no_route);
}

// A processor reaches every segment. A root complex need not route a device's requests from one hierarchy to
// another (PCIe 6.0, 1.3.1), and this one does not: the requester ID would mean somebody else there.
Walk::Place Walk::through_root_port(pcie::HostSegment segment, bool from_processor) {
  const ComponentId complex{ComponentKind::root_complex, domain_, 0};
  if (from_processor) {
    enter(domain_, segment);
    note(complex, Table::memory_map, at_, {number_, rid_.bdf});
    return Place::below_root_port;
  }
  if (segment != segment_) return refuse(complex, Table::memory_map, Reason::between_segments);
  note(complex, Table::memory_map);
  return Place::below_root_port;
}

Walk::Place Walk::below_root_port() {
  note(here(ComponentKind::root_port), Table::windows);
  if (domain_ == pcie::kManagementDomain) return Place::switch_from_above;
  ntb_ = static_cast<std::uint16_t>(index(domain_) - 1);
  return Place::ntb_link;
}

}  // namespace ladon::fabric
