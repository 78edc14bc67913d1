#include "explain/entry.h"

#include <fmt/format.h>

#include <algorithm>

namespace ladon::explain {

namespace {

using fabric::ComponentKind;
using fabric::Reason;
using fabric::Table;
using Entry = std::optional<std::string>;

// ---- NTBs. A component's domain says on which side the access, or its completion, arrived.
struct Side {
  const fabric::NtbTable& table;
  const fabric::NtbSideTable& entered;
  const fabric::NtbSideTable& other;
  std::uint16_t ntb = 0;
  bool management = false;
};

Side side_of(const fabric::Tables& tables, const fabric::ComponentId& component) {
  const auto ntb = static_cast<std::uint16_t>(component.index - 1);
  const fabric::NtbTable& table = *tables.ntbs[ntb];
  const bool management = component.domain == pcie::kManagementDomain;
  return {table, management ? table.management : table.link, management ? table.link : table.management, ntb,
          management};
}

// The bus on which an NTB's proxies are in the other domain, as their IDs show it.
std::string proxy_text(const fabric::Tables& tables, const Side& side, bool far, std::uint8_t devfn) {
  const bool link = far == side.management;
  const auto own = tables.rid(fabric::FunctionId{.is_ntb = true, .index = side.ntb, .function = link});
  const std::uint8_t bus = own ? own->bdf.bus() : std::uint8_t{0};
  return pcie::to_string(pcie::Bdf(static_cast<std::uint16_t>(bus << 8 | devfn)));
}

std::string text(const fabric::Tables& tables, const Side& side, const fabric::LutEntry& entry, bool far) {
  return fmt::format("requester {} -> proxy {}", pcie::to_string(entry.rid),
                     proxy_text(tables, side, far, entry.proxy));
}

Entry look_up(const fabric::Tables& tables, const fabric::Fault& fault) {
  const Side side = side_of(tables, fault.component);
  const auto own = std::ranges::find(side.entered.lut, fault.rid.bdf, &fabric::LutEntry::rid);
  if (own != side.entered.lut.end()) return text(tables, side, *own, true);
  if (!fault.on_completion) return std::nullopt;
  // The ID is the proxy that the request got in the other direction.
  const auto proxy = std::ranges::find(side.other.lut, fault.rid.bdf.devfn(), &fabric::LutEntry::proxy);
  if (proxy == side.other.lut.end()) return std::nullopt;
  return text(tables, side, *proxy, false) + ", in the direction of the request";
}

Entry window(const fabric::Tables& tables, const fabric::Fault& fault, const Seen& seen) {
  const Side side = side_of(tables, fault.component);
  if (!side.table.link_up) return std::nullopt;
  if (fault.reason == Reason::ntb_link_down) return "the link, up";
  const BusAddr at(fault.address);
  for (const auto& bar : side.entered.bars) {
    if (!bar.range.contains(at)) continue;
    const BusAddr offset(*at.minus(bar.range.first()));
    for (const auto& candidate : side.entered.windows)
      if (candidate.bar == bar.bar && candidate.within.contains(offset) &&
          (!seen.access || candidate.access.allows(*seen.access)))
        return fmt::format("a window of BAR {}, offsets {:#x} to {:#x}, to {:#x}", candidate.bar,
                           candidate.within.first().bits(), candidate.within.last().bits(),
                           candidate.translation.bits());
  }
  return std::nullopt;
}

// ---- a host's own tables
const fabric::Hierarchy& hierarchy(const fabric::Tables& tables, const fabric::ComponentId& component) {
  return tables.hosts[static_cast<std::size_t>(component.domain)]->in(component.segment);
}

Entry mapping(const fabric::Tables& tables, const fabric::Fault& fault, const Seen& seen) {
  const auto& unit = *hierarchy(tables, fault.component).iommu;
  const auto answer =
      unit.translate(fault.rid.bdf, Iova(fault.address), seen.access.value_or(pcie::Access::read), false);
  if (!answer.to || answer.stale) return std::nullopt;
  return fmt::format("in the domain of requester {}: {:#x} -> {:#x}", pcie::to_string(fault.rid.bdf),
                     fault.address, answer.to->bits());
}

Entry interrupt(const fabric::Tables& tables, const fabric::Fault& fault, const Seen& seen) {
  const auto& table = *hierarchy(tables, fault.component).iommu->interrupts;
  const auto vector = table.lookup(fault.rid.bdf, fault.address, 4, seen.data);
  if (!vector) return std::nullopt;
  return fmt::format("requester {} may raise vector {}", pcie::to_string(fault.rid.bdf), *vector);
}

Entry second_level(const fabric::Tables& tables, const fabric::Fault& fault, const Seen& seen) {
  const auto& vms = tables.hosts[static_cast<std::size_t>(fault.component.domain)]->vms;
  const auto vm = std::ranges::find(vms, pcie::Vm{fault.component.index}, &fabric::VmTable::vm);
  if (vm == vms.end()) return std::nullopt;
  const auto answer = vm->second_level->lookup(Gpa(fault.address), seen.access);
  if (!answer.to) return std::nullopt;
  return fmt::format("{:#x} -> {:#x}", fault.address, answer.to->bits());
}

bool claims(const fabric::BridgeTable& bridge, BusAddr at) {
  return (bridge.memory && bridge.memory->contains(at)) ||
         (bridge.prefetchable && bridge.prefetchable->contains(at));
}

Entry memory_map(const fabric::Tables& tables, const fabric::Fault& fault) {
  const auto& host = *tables.hosts[static_cast<std::size_t>(fault.component.domain)];
  const BusAddr at(fault.address);
  for (const auto& memory : *host.memory)
    if (memory.range.contains(at))
      return fmt::format("memory at {:#x} to {:#x}", memory.range.first().bits(), memory.range.last().bits());
  for (const auto& each : host.hierarchies)
    if (claims(each.root_port, at)) return "a window of a root port";
  return std::nullopt;
}

Entry windows(const fabric::Tables& tables, const fabric::Fault& fault) {
  const auto& packet_switch = hierarchy(tables, fault.component).packet_switch;
  if (!packet_switch) return std::nullopt;
  for (std::size_t p = 0; p < packet_switch->downstream.size(); ++p)
    if (claims(packet_switch->downstream[p].bridge, BusAddr(fault.address)))
      return fmt::format("a window of downstream port {}", p);
  return std::nullopt;
}

Entry bars(const fabric::Tables& tables, const fabric::Fault& fault) {
  const BusAddr at(fault.address);
  if (fault.component.kind == ComponentKind::ntb) {
    for (const auto& bar : side_of(tables, fault.component).entered.bars)
      if (bar.range.contains(at)) return fmt::format("BAR {} at {:#x}", bar.bar, bar.range.first().bits());
    return std::nullopt;
  }
  for (const auto& claim : tables.endpoints[fault.component.index]->claims)
    if (claim.range.contains(at))
      return fmt::format("BAR {} of function {} at {:#x}", claim.bar, claim.function, claim.base.bits());
  return std::nullopt;
}

bool bus_master(const fabric::Tables& tables, const fabric::Fault& fault) {
  const auto& component = fault.component;
  switch (component.kind) {
    case ComponentKind::endpoint: {
      const auto& table = *tables.endpoints[component.index];
      for (std::size_t i = 0; i < table.functions.size(); ++i)
        if (const auto rid = tables.rid(component.index, table.functions[i]);
            rid && rid->bdf == fault.rid.bdf)
          return table.bus_masters[i] != 0;
      return false;
    }
    case ComponentKind::ntb:
      return side_of(tables, component).entered.bus_master;
    case ComponentKind::root_port:
      return hierarchy(tables, component).root_port.bus_master;
    case ComponentKind::upstream:
      return hierarchy(tables, component).packet_switch->upstream.bus_master;
    case ComponentKind::downstream:
      return tables.port(component.segment, component.index).bridge.bus_master;
    case ComponentKind::processor:
    case ComponentKind::root_complex:
    case ComponentKind::iommu:
      break;
  }
  return false;
}

Entry bus_numbers(const fabric::Tables& tables, const fabric::Fault& fault) {
  const std::uint8_t bus = fault.rid.bdf.bus();
  if (fault.reason != Reason::completion_no_route ||
      !hierarchy(tables, fault.component).root_port.leads_to(bus))
    return std::nullopt;
  const auto& packet_switch = hierarchy(tables, fault.component).packet_switch;
  const bool found = !packet_switch || std::ranges::any_of(packet_switch->downstream, [&](const auto& port) {
    return port.bridge.leads_to(bus);
  });
  return found ? Entry(fmt::format("bridges that lead to bus {:02x}", bus)) : std::nullopt;
}

Entry redirected(const fabric::Tables& tables, const fabric::Fault& fault) {
  if (fault.reason != Reason::no_redirect) return std::nullopt;
  const auto& acs = tables.port(fault.component.segment, fault.component.index).acs;
  return acs.upstream_forwarding ? Entry("upstream forwarding") : std::nullopt;
}

// A component of this kind has such a table: a line of a log may name any pair.
bool has_table(ComponentKind kind, Table table) {
  switch (table) {
    case Table::entry:
      return true;
    case Table::second_level:
      return kind == ComponentKind::processor;
    case Table::memory_map:
      return kind == ComponentKind::root_complex;
    case Table::windows:
    case Table::bus_numbers:
      return kind == ComponentKind::root_port || kind == ComponentKind::upstream ||
             kind == ComponentKind::downstream;
    case Table::acs:
      return kind == ComponentKind::downstream;
    case Table::dma:
    case Table::iotlb:
    case Table::interrupts:
      return kind == ComponentKind::iommu;
    case Table::bars:
      return kind == ComponentKind::endpoint || kind == ComponentKind::ntb;
    case Table::ntb_window:
    case Table::ntb_lut:
      return kind == ComponentKind::ntb;
  }
  return false;
}

}  // namespace

Entry entry_for(const fabric::Tables& tables, const fabric::Fault& fault, const Seen& seen) {
  if (!has_table(fault.component.kind, fault.table)) return std::nullopt;
  switch (fault.table) {
    case Table::entry:
      return fault.reason == Reason::bus_master_off && bus_master(tables, fault)
                 ? Entry("Bus Master Enable, set")
                 : std::nullopt;
    case Table::second_level:
      return second_level(tables, fault, seen);
    case Table::memory_map:
      return memory_map(tables, fault);
    case Table::windows:
      return windows(tables, fault);
    case Table::bus_numbers:
      return bus_numbers(tables, fault);
    case Table::acs:
      return redirected(tables, fault);
    case Table::dma:
    case Table::iotlb:
      return mapping(tables, fault, seen);
    case Table::interrupts:
      return interrupt(tables, fault, seen);
    case Table::bars:
      return bars(tables, fault);
    case Table::ntb_window:
      return window(tables, fault, seen);
    case Table::ntb_lut:
      return look_up(tables, fault);
  }
  return std::nullopt;
}

std::string needed_entry(const fabric::Fault& fault) {
  const std::string rid = pcie::to_string(fault.rid.bdf);
  switch (fault.table) {
    case Table::entry:
      return "Bus Master Enable, set";
    case Table::second_level:
      return fmt::format("a mapping of {:#x}", fault.address);
    case Table::memory_map:
    case Table::windows:
      return fmt::format("memory or a window at {:#x}", fault.address);
    case Table::bus_numbers:
      return fmt::format("a bridge that leads to bus {:02x}", fault.rid.bdf.bus());
    case Table::acs:
      return "another setting of the port's ACS control register";
    case Table::dma:
    case Table::iotlb:
      return fault.reason == Reason::iommu_not_attached
                 ? fmt::format("an I/O domain for requester {}", rid)
                 : fmt::format("in the domain of requester {}: a mapping of {:#x}", rid, fault.address);
    case Table::interrupts:
      return fmt::format("an interrupt entry whose source is requester {}", rid);
    case Table::bars:
      return fmt::format("a BAR at {:#x}", fault.address);
    case Table::ntb_window:
      return fault.reason == Reason::ntb_link_down ? std::string("the link, up")
                                                   : fmt::format("a window over {:#x}", fault.address);
    case Table::ntb_lut:
      return fmt::format("requester {} -> a proxy", rid);
  }
  return {};
}

}  // namespace ladon::explain
