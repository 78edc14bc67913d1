#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/guest_access.h"
#include "app/resolution_json.h"
#include "fabric/format.h"

namespace ladon::app {
namespace {

using nlohmann::json;

json to_json(const fabric::Tables& tables, const GuestAccess& shown, const fabric::Resolution& way) {
  return {{"access", shown.title},
          {"refused", way.refused()},
          {"outcome", fabric::describe_outcome(tables, way)},
          {"hops", hops_json(tables, way)}};
}

}  // namespace

int path(const PathOptions& options, const Common& common) {
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  const auto guest = chosen_guest(*rack, options.rack, options.guest, options.choice);
  if (!guest) return kBadInput;
  const auto quiet = machine::QuietRack::build(*rack);
  if (!quiet) {
    common.log.error("{}", quiet.error());
    return kFinding;
  }
  const auto tables = (*quiet)->tables();
  json accesses = json::array();
  std::string text;
  bool refused = false;
  for (const GuestAccess& shown : guest_accesses(**quiet, *guest, options.choice)) {
    const auto way = fabric::resolve(*tables, shown.transaction);
    text += fmt::format("{}\n{}\n", shown.title, fabric::format_table(*tables, shown.transaction, way));
    accesses.push_back(to_json(*tables, shown, way));
    refused |= way.refused();
  }
  fmt::print("{}", common.json ? json{{"accesses", accesses}}.dump(2) + "\n" : text);
  return refused ? kFinding : kOk;
}

}  // namespace ladon::app
