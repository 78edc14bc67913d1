#include "fabric/what_if.h"

namespace ladon::fabric {
namespace {

// Copies the host's table on its way to being changed.
HostTable& change_host(Tables& tables, pcie::Domain domain) {
  const auto index = static_cast<std::size_t>(domain);
  auto copy = std::make_shared<HostTable>(*tables.hosts[index]);
  HostTable& changed = *copy;
  tables.hosts[index] = std::move(copy);
  return changed;
}

void lose_iommu(Tables& tables, const ComponentId& component, bool interrupts) {
  auto& hierarchy =
      change_host(tables, component.domain).hierarchies[static_cast<std::size_t>(component.segment)];
  auto unit = std::make_shared<iommu::UnitTable>(*hierarchy.iommu);
  if (interrupts) {
    auto table = std::make_shared<iommu::InterruptTable>(*unit->interrupts);
    for (iommu::Irte& entry : table->entries) entry.present = false;
    unit->interrupts = std::move(table);
  } else {
    unit->devices.clear();
  }
  hierarchy.iommu = std::move(unit);
}

bool lose_ntb(Tables& tables, const ComponentId& component, Table table) {
  auto ntb = std::make_shared<NtbTable>(*tables.ntbs[component.index - 1u]);
  NtbSideTable& side = component.domain == pcie::kManagementDomain ? ntb->management : ntb->link;
  switch (table) {
    case Table::ntb_lut:
      if (!ntb->requester_table) return false;
      side.lut.clear();
      break;
    case Table::ntb_window:
      side.windows.clear();
      break;
    case Table::entry:
      side.bus_master = false;
      break;
    default:
      return false;
  }
  tables.ntbs[component.index - 1u] = std::move(ntb);
  return true;
}

void lose_bus_mastering(Tables& tables, std::uint16_t index) {
  auto endpoint = std::make_shared<EndpointTable>(*tables.endpoints[index]);
  endpoint->bus_masters.assign(endpoint->bus_masters.size(), 0);
  tables.endpoints[index] = std::move(endpoint);
}

}  // namespace

std::optional<Tables> without_entries(const Tables& tables, const ComponentId& component, Table table) {
  Tables next = tables;
  switch (component.kind) {
    case ComponentKind::iommu:
      if (table != Table::dma && table != Table::interrupts) return std::nullopt;
      lose_iommu(next, component, table == Table::interrupts);
      return next;
    case ComponentKind::ntb:
      return lose_ntb(next, component, table) ? std::optional(next) : std::nullopt;
    case ComponentKind::endpoint:
      if (table != Table::entry) return std::nullopt;
      lose_bus_mastering(next, component.index);
      return next;
    case ComponentKind::processor:
      if (table != Table::second_level) return std::nullopt;
      change_host(next, component.domain).vms.clear();
      return next;
    case ComponentKind::root_complex:
    case ComponentKind::root_port:
    case ComponentKind::upstream:
    case ComponentKind::downstream:
      break;
  }
  return std::nullopt;
}

}  // namespace ladon::fabric
