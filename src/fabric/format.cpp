#include "fabric/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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
  const auto domain = static_cast<unsigned>(hop.domain);
  return {.direction = request ? "request" : "completion",
          .segment = fmt::format("{:04x}", domain),
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

using Columns = std::array<std::string, 9>;

Columns columns(const HopRow& row) {
  return {row.direction,  row.segment,     row.domain, row.component, row.table,
          row.address_in, row.address_out, row.rid_in, row.rid_out};
}

}  // namespace

std::vector<HopRow> rows(const Tables& tables, const Resolution& resolution) {
  std::vector<HopRow> all;
  for (const Hop& hop : resolution.hops) all.push_back(row(tables, hop, true));
  for (const Hop& hop : resolution.return_hops) all.push_back(row(tables, hop, false));
  return all;
}

std::string describe_fault(const Tables& tables, const Fault& fault) {
  return fmt::format("{}/{}: {}", tables.name(fault.component), table_name(fault.component, fault.table),
                     name(fault.reason));
}

std::string describe_outcome(const Tables& tables, const Resolution& resolution) {
  return std::visit([&](const auto& outcome) { return describe(tables, outcome); }, resolution.outcome);
}

std::string format_table(const Tables& tables, const pcie::Transaction& transaction,
                         const Resolution& resolution) {
  std::vector<Columns> lines{{"way", "segment", "domain", "component", "table", "address in", "address out",
                              "requester in", "requester out"}};
  for (const HopRow& row : rows(tables, resolution)) lines.push_back(columns(row));
  std::array<std::size_t, 9> widths{};
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  std::string text =
      fmt::format("{} of {} bytes at {:#x}\n", transaction.access == pcie::Access::read ? "read" : "write",
                  transaction.length, pcie::address_bits(transaction.address));
  for (const auto& line : lines) {
    std::string one;
    for (std::size_t i = 0; i < line.size(); ++i) one += fmt::format("{:<{}}  ", line[i], widths[i]);
    one.erase(one.find_last_not_of(' ') + 1);
    text += one + '\n';
  }
  return text + describe_outcome(tables, resolution) + '\n';
}

}  // namespace ladon::fabric
