#include "audit/audit.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/resolution_json.h"
#include "base/table.h"
#include "fabric/format.h"
#include "machine/grants.h"
#include "machine/quiet_rack.h"

namespace ladon::app {
namespace {

using nlohmann::json;

// Paths that a person is shown; JSON has all.
constexpr std::size_t kPathsShown = 8;

struct Audited {
  const machine::Rack& rack;
  const fabric::Tables& tables;
  audit::Report report;
  double seconds = 0;

  [[nodiscard]] std::string who(const audit::Initiator& initiator) const {
    return machine::initiator_name(rack, initiator);
  }
  [[nodiscard]] const std::string& domain(const audit::Space& space) const {
    return rack.hosts[static_cast<std::size_t>(space.domain)].name;
  }
};

std::string_view name(pcie::AccessSet access) {
  if (access == pcie::kReadWrite) return "read/write";
  return access == pcie::kReadOnly ? "read" : "write";
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
  return {{"initiator", audited.who(entry.who)},
          {"domain", audited.domain(entry.space)},
          {"range", range_json(entry.targets)},
          {"kind", audit::name(entry.space.kind)},
          {"access", name(entry.access)}};
}

void add_way(json& entry, const Audited& audited, const char* key, const pcie::Transaction& access) {
  const auto way = fabric::resolve(audited.tables, access);
  entry[key] = access_json(access);
  entry["outcome"] = fabric::describe_outcome(audited.tables, way);
  entry["path"] = hops_json(audited.tables, way);
}

json to_json(const Audited& audited) {
  json findings = json::array(), unreachable = json::array();
  for (const auto& finding : audited.report.findings) {
    findings.push_back(entry_json(audited, finding));
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

template <class Entry>
void print_table(const Audited& audited, const std::vector<Entry>& entries) {
  Table table(
      {{"initiator"}, {"domain"}, {"kind"}, {"first", Align::right}, {"last", Align::right}, {"access"}});
  for (const auto& entry : entries)
    table.add_row({audited.who(entry.who), audited.domain(entry.space),
                   std::string(audit::name(entry.space.kind)), number(entry.space, entry.targets.first),
                   number(entry.space, entry.targets.last), std::string(name(entry.access))});
  fmt::print("{}\n", table.to_string());
}

void print_way(const Audited& audited, const audit::Initiator& who, const pcie::Transaction& access) {
  fmt::print("{}: {}\n", audited.who(who),
             fabric::format_table(audited.tables, access, fabric::resolve(audited.tables, access)));
}

void print_text(const Audited& audited) {
  const auto& [findings, unreachable, initiators, mappings] = audited.report;
  if (!findings.empty()) {
    fmt::print("Reachable and not granted\n\n");
    print_table(audited, findings);
    for (std::size_t i = 0; i < std::min(findings.size(), kPathsShown); ++i)
      print_way(audited, findings[i].who, findings[i].witness);
    if (findings.size() > kPathsShown)
      fmt::print("The ways of {} more are in --json.\n\n", findings.size() - kPathsShown);
  }
  if (!unreachable.empty()) {
    fmt::print("Granted and not reachable\n\n");
    print_table(audited, unreachable);
    std::size_t shown = 0;
    for (const auto& missing : unreachable)
      if (missing.tried && shown++ < kPathsShown) print_way(audited, missing.who, *missing.tried);
  }
  fmt::print("{} initiators, {} mappings: {} findings, {} granted and not reachable, {:.3f} s\n", initiators,
             mappings, findings.size(), unreachable.size(), audited.seconds);
}

}  // namespace

int audit(const AuditOptions& options, const Common& common) {
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  const auto built = machine::QuietRack::build(*rack);
  if (!built) {
    common.log.error("{}", built.error());
    return kFinding;
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto tables = (*built)->tables();
  Audited audited{*rack, *tables,
                  ladon::audit::audit(*tables, machine::grants(**built), {.lying = options.lying})};
  audited.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (common.json)
    fmt::print("{}\n", to_json(audited).dump(2));
  else
    print_text(audited);
  return audited.report.clean() ? kOk : kFinding;
}

}  // namespace ladon::app
