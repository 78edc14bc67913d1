// The reading side of an IOMMU: pure look-ups in one snapshot.
#include <algorithm>

#include "iommu/unit.h"

namespace ladon::iommu {

namespace {

// An extent cut so that it does not reach into the interrupt range, which is never translated.
Range<Iova> outside_interrupts(const Range<Iova>& extent, Iova at) {
  const bool below = at.bits() < kInterruptFirst;
  const auto allowed = below ? Range<Iova>::between(Iova(0), Iova(kInterruptFirst - 1))
                             : Range<Iova>::between(Iova(kInterruptLast + 1), Iova(~std::uint64_t{0}));
  return extent.intersect(*allowed).value_or(extent);
}

// The part of `extent` whose targets lie on the same side of the interrupt range as the target of `at`.
DmaAnswer check_target(Iova at, BusAddr to, const Range<Iova>& extent) {
  DmaAnswer answer{.to = to, .extent = extent, .stale = false};
  const auto below = std::min(at.bits() - extent.first().bits(), to.bits());
  const auto above = std::min(extent.last().bits() - at.bits(), ~std::uint64_t{0} - to.bits());
  std::uint64_t low = to.bits() - below, high = to.bits() + above;
  if (is_interrupt_address(to.bits())) {
    answer.to = std::unexpected(Reason::interrupt_target);
    low = std::max(low, kInterruptFirst);
    high = std::min(high, kInterruptLast);
  } else if (to.bits() < kInterruptFirst) {
    high = std::min(high, kInterruptFirst - 1);
  } else {
    low = std::max(low, kInterruptLast + 1);
  }
  answer.extent =
      *Range<Iova>::between(Iova(at.bits() - (to.bits() - low)), Iova(at.bits() + (high - to.bits())));
  return answer;
}

// Every address of `extent` around `at` moved by `distance`; refused where that leaves the address space.
DmaAnswer move(Iova at, std::uint64_t distance, bool down, const Range<Iova>& extent) {
  const Iova end(~std::uint64_t{0});
  const Iova limit(down ? distance : end.bits() - distance);
  const auto fits = down ? Range<Iova>::between(limit, end) : Range<Iova>::between(Iova(0), limit);
  if (fits->contains(at)) {
    const BusAddr to(down ? at.bits() - distance : at.bits() + distance);
    return check_target(at, to, *extent.intersect(*fits));
  }
  const auto misfits = down ? Range<Iova>::between(Iova(0), Iova(limit.bits() - 1))
                            : Range<Iova>::between(Iova(limit.bits() + 1), end);
  return {.to = std::unexpected(Reason::wraps), .extent = *extent.intersect(*misfits), .stale = false};
}

DmaAnswer translate_in(const DomainTable& domain, Enforcement enforcement, Iova at, pcie::Access access) {
  const std::optional<pcie::Access> wanted =
      enforcement == Enforcement::full ? std::optional(access) : std::nullopt;
  const auto stale = domain.stale.lookup(at, wanted);
  if (stale.to) {
    DmaAnswer answer = check_target(at, *stale.to, outside_interrupts(stale.extent, at));
    answer.stale = true;
    return answer;
  }
  const auto found = domain.mappings.lookup(at, wanted);
  const auto extent = outside_interrupts(*found.extent.intersect(domain.stale.unreached(at, wanted)), at);
  if (found.to) return check_target(at, *found.to, extent);
  switch (enforcement) {
    case Enforcement::full:
      break;
    case Enforcement::offset:
      return move(at, domain.distance, domain.downwards, extent);
    case Enforcement::passthrough:
      return move(at, 0, false, extent);
  }
  return {.to = std::unexpected(found.mapped ? Reason::no_permission : Reason::not_mapped),
          .extent = extent,
          .stale = false};
}

}  // namespace

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::not_attached:
      return "requester has no domain";
    case Reason::not_mapped:
      return "not mapped";
    case Reason::no_permission:
      return "no permission";
    case Reason::translated_request:
      return "translated request without a grant";
    case Reason::pasid:
      return "PASID without a grant";
    case Reason::interrupt_read:
      return "read of the interrupt range";
    case Reason::interrupt_target:
      return "mapped onto the interrupt range";
    case Reason::wraps:
      return "past the end of the address space";
    case Reason::count_:
      break;
  }
  return "unknown";
}

const Device* UnitTable::find(pcie::Bdf rid) const {
  const auto it =
      std::lower_bound(devices.begin(), devices.end(), rid,
                       [](const Device& device, pcie::Bdf wanted) { return device.rid < wanted; });
  return it != devices.end() && it->rid == rid ? &*it : nullptr;
}

DmaAnswer UnitTable::translate(pcie::Bdf rid, Iova at, pcie::Access access, bool has_pasid) const {
  const auto everywhere = outside_interrupts(Range<Iova>::everything(), at);
  const Device* device = find(rid);
  if (enforcement == Enforcement::full) {
    if (device == nullptr)
      return {.to = std::unexpected(Reason::not_attached), .extent = everywhere, .stale = false};
    if (has_pasid && !device->grants.pasid)
      return {.to = std::unexpected(Reason::pasid), .extent = everywhere, .stale = false};
  }
  if (device == nullptr) return move(at, 0, false, everywhere);
  return translate_in(*device->domain, enforcement, at, access);
}

std::expected<BusAddr, Reason> UnitTable::accept_translated(pcie::Bdf rid, BusAddr at, bool has_pasid) const {
  if (enforcement != Enforcement::full) return at;
  const Device* device = find(rid);
  if (device == nullptr) return std::unexpected(Reason::not_attached);
  if (has_pasid && !device->grants.pasid) return std::unexpected(Reason::pasid);
  if (!device->grants.translated) return std::unexpected(Reason::translated_request);
  return at;
}

}  // namespace ladon::iommu
