#include "app/audit_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/resolution_json.h"
#include "base/table.h"
#include "fabric/format.h"
#include "fabric/resolve.h"
#include "machine/grants.h"

namespace ladon::app {
namespace {

using nlohmann::json;

// Paths that a person is shown; JSON has all.
constexpr std::size_t kPathsShown = 8;

std::string who(const Audited& audited, const audit::Initiator& initiator) {
  return machine::initiator_name(audited.rack, initiator);
}
const std::string& domain(const Audited& audited, const audit::Space& space) {
  return audited.rack.hosts[static_cast<std::size_t>(space.domain)].name;
}

std::string number(const audit::Space& space, std::uint64_t target) {
  return space.kind == audit::Kind::interrupts ? fmt::format("{}", target) : fmt::format("{:#x}", target);
}

json range_json(const audit::Interval& targets) {
  return {{"first", targets.first}, {"last", targets.last}};
}

std::string_view address_type(const pcie::Transaction& access) {
  if (std::holds_alternative<Gpa>(access.address)) return "guest-physical";
  if (std::holds_alternative<BusAddr>(access.address))
    return pcie::is_device(access.origin) ? "translated" : "physical";
  return "untranslated";
}

json access_json(const pcie::Transaction& access) {
  return {{"access", access.access == pcie::Access::read ? "read" : "write"},
          {"address", fmt::format("{:#x}", pcie::address_bits(access.address))},
          {"address_type", address_type(access)},
          {"length", access.length},
          {"data", access.data},
          {"rid", pcie::to_string(access.rid)}};
}

template <class Entry>
json entry_json(const Audited& audited, const Entry& entry) {
  return {{"initiator", who(audited, entry.who)},
          {"domain", domain(audited, entry.space)},
          {"range", range_json(entry.targets)},
          {"kind", audit::name(entry.space.kind)},
          {"access", machine::name(entry.access)}};
}

void add_way(json& entry, const Audited& audited, const char* key, const pcie::Transaction& access) {
  const auto way = fabric::resolve(audited.tables, access);
  entry[key] = access_json(access);
  entry["outcome"] = fabric::describe_outcome(audited.tables, way);
  entry["path"] = hops_json(audited.tables, way);
}

std::string why(const Audited& audited, std::size_t finding) {
  const auto& by = audited.accepted[finding];
  return by ? audited.rack.accept[*by].why : std::string();
}

Table new_table(bool with_why) {
  std::vector<Table::Column> columns{{"initiator"},          {"domain"}, {"kind"}, {"first", Align::right},
                                     {"last", Align::right}, {"access"}};
  if (with_why) columns.push_back({"accepted, because"});
  return Table(columns);
}

template <class Entry>
std::vector<std::string> cells(const Audited& audited, const Entry& entry) {
  return {who(audited, entry.who),
          domain(audited, entry.space),
          std::string(audit::name(entry.space.kind)),
          number(entry.space, entry.targets.first),
          number(entry.space, entry.targets.last),
          std::string(machine::name(entry.access))};
}

std::string way_text(const Audited& audited, const audit::Initiator& initiator,
                     const pcie::Transaction& access) {
  return fmt::format("{}: {}\n", who(audited, initiator),
                     fabric::format_table(audited.tables, access, fabric::resolve(audited.tables, access)));
}

std::string findings_text(const Audited& audited) {
  const auto& findings = audited.report.findings;
  if (findings.empty()) return {};
  const bool some_accepted =
      std::ranges::any_of(audited.accepted, [](const auto& by) { return by.has_value(); });
  Table table = new_table(some_accepted);
  std::string ways;
  std::size_t shown = 0, open = 0;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    auto row = cells(audited, findings[i]);
    if (some_accepted) row.push_back(printable(why(audited, i)));
    table.add_row(std::move(row));
    if (audited.accepted[i]) continue;  // whoever accepts a finding knows its way
    if (++open > kPathsShown) continue;
    ways += way_text(audited, findings[i].who, findings[i].witness);
    ++shown;
  }
  if (open > shown) ways += fmt::format("The ways of {} more are in --json.\n\n", open - shown);
  return fmt::format("Reachable and not granted\n\n{}\n{}", table.to_string(), ways);
}

std::string unreachable_text(const Audited& audited) {
  const auto& unreachable = audited.report.unreachable;
  if (unreachable.empty()) return {};
  Table table = new_table(false);
  std::string ways;
  std::size_t shown = 0;
  for (const auto& missing : unreachable) {
    table.add_row(cells(audited, missing));
    if (missing.tried && shown++ < kPathsShown) ways += way_text(audited, missing.who, *missing.tried);
  }
  return fmt::format("Granted and not reachable\n\n{}\n{}", table.to_string(), ways);
}

}  // namespace

json to_json(const Audited& audited) {
  json findings = json::array(), unreachable = json::array();
  for (std::size_t i = 0; i < audited.report.findings.size(); ++i) {
    const auto& finding = audited.report.findings[i];
    findings.push_back(entry_json(audited, finding));
    findings.back()["accepted"] = audited.accepted[i].has_value();
    if (audited.accepted[i]) findings.back()["why"] = why(audited, i);
    add_way(findings.back(), audited, "witness", finding.witness);
  }
  for (const auto& missing : audited.report.unreachable) {
    unreachable.push_back(entry_json(audited, missing));
    if (missing.tried) add_way(unreachable.back(), audited, "tried", *missing.tried);
  }
  return {{"findings", std::move(findings)},
          {"unreachable", std::move(unreachable)},
          {"initiators", audited.report.initiators},
          {"mappings", audited.report.mappings},
          {"seconds", audited.seconds}};
}

std::string to_text(const Audited& audited) {
  const auto& [findings, unreachable, initiators, mappings] = audited.report;
  const auto accepted =
      std::ranges::count_if(audited.accepted, [](const auto& by) { return by.has_value(); });
  return findings_text(audited) + unreachable_text(audited) +
         fmt::format("{} initiators, {} mappings: {} findings{}, {} granted and not reachable, {:.3f} s\n",
                     initiators, mappings, findings.size(),
                     accepted == 0 ? "" : fmt::format(" ({} accepted)", accepted), unreachable.size(),
                     audited.seconds);
}

}  // namespace ladon::app
