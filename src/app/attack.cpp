#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/attack_matrix.h"
#include "attack/suite.h"
#include "base/table.h"
#include "machine/attack_rack.h"

namespace ladon::app {
namespace {

using attack::Outcome;
using nlohmann::json;

json to_json(const attack::Result& result) {
  return {{"id", result.attack->id},
          {"title", result.attack->title},
          {"attacker", name(result.attack->by)},
          {"control", to_string(result.attack->control)},
          {"result", name(result.outcome)},
          {"by", result.by},
          {"attributed_to", result.attributed_to},
          {"collateral_packets", result.collateral_packets},
          {"reason", result.reason}};
}

json left_out_json() {
  json all = json::array();
  for (const auto& row : attack::left_out())
    all.push_back({{"id", row.id}, {"title", row.title}, {"result", "skipped"}, {"reason", row.reason}});
  return all;
}

void print_text(const std::vector<attack::Result>& results, double seconds) {
  Table table(
      {{"id"}, {"attack"}, {"by"}, {"result"}, {"refused by"}, {"attributed to"}, {"lost", Align::right}});
  Table seen({{"id"}, {"result"}, {"seen"}});
  for (const auto& result : results) {
    const bool refused = result.outcome == Outcome::refused;
    table.add_row({std::string(result.attack->id), std::string(result.attack->title),
                   std::string(name(result.attack->by)), std::string(name(result.outcome)),
                   refused ? result.by : "", refused ? result.attributed_to : "",
                   std::to_string(result.collateral_packets)});
    if (!refused)
      seen.add_row({std::string(result.attack->id), std::string(name(result.outcome)), result.reason});
  }
  fmt::print("{}\n", table.to_string());
  if (seen.rows() != 0) fmt::print("{}\n", seen.to_string());
  fmt::print("Left out\n\n");
  Table rest({{"id"}, {"attack"}, {"reason"}});
  for (const auto& row : attack::left_out())
    rest.add_row({std::string(row.id), std::string(row.title), std::string(row.reason)});
  const auto count = [&](Outcome outcome) {
    return std::ranges::count(results, outcome, &attack::Result::outcome);
  };
  fmt::print("{}\n{} refused, {} succeeded, {} skipped, {:.2f} s\n", rest.to_string(),
             count(Outcome::refused), count(Outcome::succeeded), count(Outcome::skipped), seconds);
}

}  // namespace

int attack(const AttackOptions& options, const Common& common) {
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  const auto build = [&](const attack::Conditions& conditions) {
    return machine::AttackRack::build(*rack, conditions);
  };
  std::vector<attack::Attack> wanted = attack::catalogue();
  std::erase_if(wanted, [&](const auto& one) { return !options.only.empty() && one.id != options.only; });
  if (wanted.empty()) {
    common.log.error("there is no attack {}", options.only);
    return kBadInput;
  }
  if (options.matrix) return attack_matrix(build, wanted, common);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<attack::Result> results;
  for (const auto& one : wanted) {
    auto result = try_attack(build, one);
    if (!result) {
      common.log.error("{}: {}", one.id, result.error());
      return kFinding;
    }
    results.push_back(std::move(*result));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (common.json) {
    json attacks = json::array();
    for (const auto& result : results) attacks.push_back(to_json(result));
    fmt::print(
        "{}\n",
        json{{"attacks", std::move(attacks)}, {"left_out", left_out_json()}, {"seconds", seconds}}.dump(2));
  } else {
    print_text(results, seconds);
  }
  return std::ranges::any_of(results, [](const auto& r) { return r.outcome == Outcome::succeeded; })
             ? kFinding
             : kOk;
}

}  // namespace ladon::app
