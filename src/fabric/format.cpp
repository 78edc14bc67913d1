#include "fabric/format.h"

#include <fmt/format.h>

#include "base/table.h"

namespace ladon::fabric {

namespace {

std::string host_name(const Tables& tables, pcie::Domain domain) {
  const auto index = static_cast<std::size_t>(domain);
  return index < tables.names->hosts.size() ? tables.names->hosts[index] : fmt::format("host{}", index);
}

// An NTB's tables are named by the direction in which they are passed: what enters on the management side
// goes out of that domain.
std::string table_name(const ComponentId& component, Table table) {
  if (component.kind != ComponentKind::ntb || table == Table::bars || table == Table::entry)
    return std::string(name(table));
  const std::string_view direction = component.domain == pcie::kManagementDomain ? "outbound" : "inbound";
  return fmt::format("{} {}", direction, name(table));
}

HopRow row(const Tables& tables, const Hop& hop, bool request) {
  return {.direction = request ? "request" : "completion",
          .segment = fmt::format("{:04x}", static_cast<unsigned>(hop.segment)),
          .domain = host_name(tables, hop.domain),
          .component = tables.name(hop.component),
          .table = table_name(hop.component, hop.table),
          .address_in = request ? fmt::format("{:#x}", hop.in) : std::string(),
          .address_out = request ? fmt::format("{:#x}", hop.out) : std::string(),
          .rid_in = pcie::to_string(hop.rid_in),
          .rid_out = pcie::to_string(hop.rid_out)};
}

std::string describe(const Tables& tables, const MemoryTarget& target) {
  return fmt::format("memory of {} at {:#x}", host_name(tables, target.domain), target.at.bits());
}

std::string describe(const Tables& tables, const RegisterTarget& target) {
  const auto& id = target.function;
  if (id.is_ntb)
    return fmt::format("ntb{} {} side, BAR {} + {:#x}", id.index + 1,
                       id.function == 0 ? "management" : "link", target.bar, target.offset);
  return fmt::format("function {} of {}, BAR {} + {:#x}", id.function,
                     tables.name({ComponentKind::endpoint, pcie::kManagementDomain, id.index}), target.bar,
                     target.offset);
}

std::string describe(const Tables& tables, const InterruptTarget& target) {
  return fmt::format("interrupt {} of {}, raised by {}", target.vector, host_name(tables, target.domain),
                     pcie::to_string(target.source));
}

std::string describe(const Tables& tables, const Fault& fault) {
  return fmt::format("refused by {}{} (address {:#x}, requester {})", describe_fault(tables, fault),
                     fault.on_completion ? ", on the completion's way back" : "", fault.address,
                     pcie::to_string(fault.rid));
}

}  // namespace

std::vector<HopRow> rows(const Tables& tables, const Resolution& resolution) {
  std::vector<HopRow> all;
  for (const Hop& hop : resolution.hops) all.push_back(row(tables, hop, true));
  for (const Hop& hop : resolution.return_hops) all.push_back(row(tables, hop, false));
  return all;
}

std::string table_place(const Tables& tables, const ComponentId& component, Table table) {
  return fmt::format("{}/{}", tables.name(component), table_name(component, table));
}

std::string describe_fault(const Tables& tables, const Fault& fault) {
  return fmt::format("{}: {}", table_place(tables, fault.component, fault.table), name(fault.reason));
}

std::string describe_outcome(const Tables& tables, const Resolution& resolution) {
  return std::visit([&](const auto& outcome) { return describe(tables, outcome); }, resolution.outcome);
}

std::string format_table(const Tables& tables, const pcie::Transaction& transaction,
                         const Resolution& resolution) {
  ladon::Table table({{"way"},
                      {"segment"},
                      {"domain"},
                      {"component"},
                      {"table"},
                      {"address in"},
                      {"address out"},
                      {"requester in"},
                      {"requester out"}});
  for (const HopRow& r : rows(tables, resolution))
    table.add_row({r.direction, r.segment, r.domain, r.component, r.table, r.address_in, r.address_out,
                   r.rid_in, r.rid_out});
  return fmt::format("{} of {} bytes at {:#x}\n{}{}\n",
                     transaction.access == pcie::Access::read ? "read" : "write", transaction.length,
                     pcie::address_bits(transaction.address), table.to_string(),
                     describe_outcome(tables, resolution));
}

}  // namespace ladon::fabric
