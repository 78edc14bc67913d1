#include "fabric/what_if.h"

namespace ladon::fabric {
namespace {

std::shared_ptr<const iommu::UnitTable> unit_with(const iommu::UnitTable& unit, const Defences& on,
                                                  bool management) {
  iommu::UnitTable next = unit;
  if (management ? on.mh_iommu : on.ch_iommu) next.enforcement = iommu::Enforcement::full;
  iommu::InterruptMode mode = unit.interrupts->mode;
  if (on.interrupt_remapping && mode == iommu::InterruptMode::off)
    mode = management && !on.mh_iommu ? iommu::InterruptMode::unchecked : iommu::InterruptMode::checked;
  if (management && on.mh_iommu && mode == iommu::InterruptMode::unchecked)
    mode = iommu::InterruptMode::checked;
  if (mode != unit.interrupts->mode) {
    auto interrupts = std::make_shared<iommu::InterruptTable>(*unit.interrupts);
    interrupts->mode = mode;
    next.interrupts = std::move(interrupts);
  }
  return std::make_shared<const iommu::UnitTable>(std::move(next));
}

std::shared_ptr<const SwitchTable> redirecting(const SwitchTable& packet_switch) {
  auto next = std::make_shared<SwitchTable>(packet_switch);
  for (PortTable& port : next->downstream)
    port.acs.request_redirect = port.acs.completion_redirect = port.acs.upstream_forwarding = true;
  return next;
}

}  // namespace

Tables with_defences(const Tables& tables, const Defences& on) {
  Tables next = tables;
  const Defences& was = tables.defences;
  next.defences = {.acs = was.acs || on.acs,
                   .mh_iommu = was.mh_iommu || on.mh_iommu,
                   .lut = was.lut || on.lut,
                   .ch_iommu = was.ch_iommu || on.ch_iommu,
                   .interrupt_remapping = was.interrupt_remapping || on.interrupt_remapping,
                   .ept = was.ept || on.ept};
  for (std::size_t d = 0; d < tables.hosts.size(); ++d) {
    auto host = std::make_shared<HostTable>(*tables.hosts[d]);
    for (Hierarchy& hierarchy : host->hierarchies) {
      hierarchy.iommu = unit_with(*hierarchy.iommu, next.defences, d == 0);
      if (hierarchy.packet_switch && on.acs && !was.acs)
        hierarchy.packet_switch = redirecting(*hierarchy.packet_switch);
    }
    next.hosts[d] = std::move(host);
  }
  return next;
}

}  // namespace ladon::fabric
