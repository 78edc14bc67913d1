#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/attack_guests.h"
#include "app/attack_matrix.h"
#include "app/chosen.h"
#include "attack/suite.h"
#include "attack/window.h"
#include "base/table.h"
#include "machine/attack_rack.h"

namespace ladon::app {
namespace {

using attack::Outcome;
using nlohmann::json;

json to_json(const attack::Examined& examined) {
  const attack::Result& result = examined.result;
  return {{"id", result.attack->id},
          {"title", result.attack->title},
          {"attacker", name(result.attack->by)},
          {"control", to_string(result.attack->control)},
          {"result", name(result.outcome)},
          {"by", result.by},
          {"attributed_to", result.attributed_to},
          {"collateral_packets", result.collateral_packets},
          {"neighbour_latency_turns", {{"before", result.latency.before}, {"during", result.latency.since}}},
          {"left_behind",
           {{"findings", examined.left.findings},
            {"unreachable", examined.left.unreachable},
            {"entries", examined.left.entries}}},
          {"reason", result.reason}};
}

json left_out_json() {
  json all = json::array();
  for (const auto& row : attack::left_out())
    all.push_back({{"id", row.id}, {"title", row.title}, {"result", "skipped"}, {"reason", row.reason}});
  return all;
}

std::string to_string(const attack::LeftBehind& left) {
  std::string text;
  const auto add = [&](const std::string& what, std::uint64_t count) {
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add("findings", left.findings);
  add("unreachable", left.unreachable);
  for (const auto& [what, count] : left.entries) add(what, count);
  return text.empty() ? "-" : text;
}

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

json windows_json(const std::vector<attack::WindowMeasurement>& windows) {
  json all = json::array();
  for (const auto& one : windows)
    all.push_back({{"invalidation", one.deferred ? "deferred" : "strict"},
                   {"unmap_every_seconds", seconds_of(one.every)},
                   {"unmaps", one.unmaps},
                   {"written_afterwards", one.open},
                   {"shortest_seconds", seconds_of(one.shortest)},
                   {"median_seconds", seconds_of(one.median)},
                   {"percentile_99_seconds", seconds_of(one.percentile_99)},
                   {"longest_seconds", seconds_of(one.longest)}});
  return all;
}

void print_windows(const std::vector<attack::WindowMeasurement>& windows) {
  if (windows.empty()) return;
  Table table({{"unmaps are"},
               {"one every", Align::right},
               {"unmaps", Align::right},
               {"written after", Align::right},
               {"shortest", Align::right},
               {"median", Align::right},
               {"99 %", Align::right},
               {"longest", Align::right}});
  const auto ms = [](Duration window) { return fmt::format("{:.2f} ms", 1e3 * seconds_of(window)); };
  for (const auto& one : windows)
    table.add_row({one.deferred ? "deferred" : "strict", ms(one.every), std::to_string(one.unmaps),
                   std::to_string(one.open), ms(one.shortest), ms(one.median), ms(one.percentile_99),
                   ms(one.longest)});
  fmt::print("From an unmap's answer to the last write that landed with the memory's next owner\n\n{}\n",
             table.to_string());
}

void print_text(const std::vector<attack::Examined>& examined, double seconds) {
  Table table({{"id"},
               {"attack"},
               {"by"},
               {"result"},
               {"refused by"},
               {"attributed to"},
               {"lost", Align::right},
               {"turns", Align::right},
               {"left"}});
  Table seen({{"id"}, {"result"}, {"seen"}});
  for (const auto& [result, left] : examined) {
    const bool refused = result.outcome == Outcome::refused;
    table.add_row({std::string(result.attack->id), std::string(result.attack->title),
                   std::string(name(result.attack->by)), std::string(name(result.outcome)),
                   refused ? result.by : "", refused ? result.attributed_to : "",
                   std::to_string(result.collateral_packets),
                   fmt::format("{} -> {}", result.latency.before, result.latency.since), to_string(left)});
    if (!refused)
      seen.add_row({std::string(result.attack->id), std::string(name(result.outcome)), result.reason});
  }
  fmt::print("{}\n", table.to_string());
  fmt::print(
      "lost: neighbours' frames; turns: of the hardware, their slowest frame before and during the attack;\n"
      "left: what is there when the attacker has gone, and is not if it goes without an attack\n\n");
  if (seen.rows() != 0) fmt::print("{}\n", seen.to_string());
  fmt::print("Left out\n\n");
  Table rest({{"id"}, {"attack"}, {"reason"}});
  for (const auto& row : attack::left_out())
    rest.add_row({std::string(row.id), std::string(row.title), std::string(row.reason)});
  const auto count = [&](Outcome outcome) {
    return std::ranges::count(examined, outcome, [](const auto& one) { return one.result.outcome; });
  };
  fmt::print("{}\n{} refused, {} succeeded, {} skipped, {:.2f} s\n", rest.to_string(),
             count(Outcome::refused), count(Outcome::succeeded), count(Outcome::skipped), seconds);
}

}  // namespace

int attack(const AttackOptions& options, const Common& common) {
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  if (options.guests) return attack_guests(*rack, options, common);
  const auto build = [&](const attack::Conditions& conditions) {
    return machine::AttackRack::build(*rack, conditions);
  };
  const auto wanted = chosen(attack::catalogue(), options.only);
  if (!wanted) {
    common.log.error("there is no attack {}", wanted.error());
    return kBadInput;
  }
  if (options.matrix)
    return attack_matrix(build, *wanted,
                         {.rack = rack->name, .svg = options.svg, .prices = !options.no_prices}, common);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<attack::Examined> examined;
  for (const auto& one : *wanted) {
    auto result = examine_attack(build, one);
    if (!result) {
      common.log.error("{}: {}", one.id, result.error());
      return kFinding;
    }
    examined.push_back(std::move(*result));
  }
  // On request: it takes longer than all attacks together.
  const auto windows = options.only == std::vector<std::string>{"D6"}
                           ? attack::measure_windows(build)
                           : std::expected<std::vector<attack::WindowMeasurement>, std::string>{};
  if (!windows) {
    common.log.error("D6: {}", windows.error());
    return kFinding;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (common.json) {
    json attacks = json::array();
    for (const auto& one : examined) attacks.push_back(to_json(one));
    json report{{"attacks", std::move(attacks)}, {"left_out", left_out_json()}, {"seconds", seconds}};
    if (!windows->empty()) report["invalidation_windows"] = windows_json(*windows);
    fmt::print("{}\n", report.dump(2));
  } else {
    print_windows(*windows);
    print_text(examined, seconds);
  }
  const auto succeeded = [](const auto& one) { return one.result.outcome == Outcome::succeeded; };
  return std::ranges::any_of(examined, succeeded) ? kFinding : kOk;
}

}  // namespace ladon::app
