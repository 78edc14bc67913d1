// ladon attack --matrix: what every defence is worth.
#include "app/attack_matrix.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "attack/price.h"
#include "base/table.h"

namespace ladon::app {
namespace {

using attack::Outcome;
using nlohmann::json;

std::string joined(const std::vector<attack::Control>& controls) {
  std::string text;
  for (const auto& control : controls) text += (text.empty() ? "" : " | ") + to_string(control);
  return text;
}

std::string remark(const attack::MatrixRow& row) {
  if (!row.tried) return "skipped";
  if (row.plain[0] == Outcome::succeeded) return "SUCCEEDS";
  if (row.vacuous) return "VACUOUS";
  return row.control_holds ? "" : "CONTROL NOT PROVEN: " + to_string(row.attack->control);
}

json sets_json(const attack::Outcomes& outcomes) {
  json all = json::array();
  for (unsigned off = 0; off < attack::kDefenceSets; ++off)
    if (outcomes[off] == Outcome::succeeded) all.push_back(to_string(attack::OffSet(off)));
  return all;
}

json row_json(const attack::MatrixRow& row) {
  json minimal = json::array();
  for (const auto& control : row.minimal) minimal.push_back(to_string(control));
  return {{"id", row.attack->id},
          {"title", row.attack->title},
          {"control", to_string(row.attack->control)},
          {"tried", row.tried},
          {"vacuous", row.vacuous},
          {"control_proven", row.control_holds},
          {"minimal", std::move(minimal)},
          {"succeeds_without", sets_json(row.plain)},
          {"succeeds_without_and_mutant", sets_json(row.mutant)}};
}

json prices_json(const std::vector<attack::Price>& prices) {
  json all = json::array();
  for (const auto& price : prices)
    all.push_back({{"off", to_string(price.off)},
                   {"hops", price.hops},
                   {"resolution_cold_seconds", price.cold},
                   {"resolution_cached_seconds", price.cached},
                   {"packets_per_second", price.packets_per_second},
                   {"packets_per_second_interval", {price.slowest, price.fastest}}});
  return all;
}

void print_prices(const std::vector<attack::Price>& prices) {
  if (prices.empty()) return;
  Table table({{"off"},
               {"hops", Align::right},
               {"resolution", Align::right},
               {"cached", Align::right},
               {"packets/s, 64 B", Align::right},
               {"interval", Align::right}});
  for (const auto& price : prices)
    table.add_row({price.off.size() == attack::kDefences ? "all" : to_string(price.off),
                   std::to_string(price.hops), fmt::format("{:.0f} ns", price.cold * 1e9),
                   fmt::format("{:.1f} ns", price.cached * 1e9),
                   fmt::format("{:.2f} M", price.packets_per_second / 1e6),
                   fmt::format("{:.2f} .. {:.2f} M", price.slowest / 1e6, price.fastest / 1e6)});
  fmt::print("{}\n", table.to_string());
}

void print_text(const attack::Matrix& matrix, const std::vector<attack::Price>& prices, double seconds) {
  Table table({{"id"}, {"attack"}, {"succeeds when these are off"}, {""}});
  for (const auto& row : matrix.rows)
    table.add_row(
        {std::string(row.attack->id), std::string(row.attack->title), joined(row.minimal), remark(row)});
  fmt::print("{}\n", table.to_string());
  print_prices(prices);
  for (const auto defence : matrix.idle) fmt::print("{} changes nothing\n", name(defence));
  fmt::print("{} attacks, {} defence sets, {}, {:.1f} s\n", matrix.rows.size(), attack::kDefenceSets,
             matrix.sound() ? "every control proven" : "NOT SOUND", seconds);
}

}  // namespace

int attack_matrix(const attack::Build& build, const std::vector<attack::Attack>& attacks,
                  const Common& common) {
  const auto begin = std::chrono::steady_clock::now();
  const auto progress = [&](std::size_t done, std::size_t all) {
    common.log.info("{} of {} attacks", done, all);
  };
  const bool complete = attacks.size() == attack::catalogue().size();
  const auto matrix = make_matrix(build, attacks, complete, progress);
  if (!matrix) {
    common.log.error("{}", matrix.error());
    return kFinding;
  }
  const auto prices = complete ? measure_prices(build, attack::priced_sets())
                               : std::expected<std::vector<attack::Price>, std::string>{};
  if (!prices) {
    common.log.error("{}", prices.error());
    return kFinding;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (common.json) {
    json rows = json::array(), idle = json::array();
    for (const auto& row : matrix->rows) rows.push_back(row_json(row));
    for (const auto defence : matrix->idle) idle.push_back(name(defence));
    fmt::print("{}\n", json{{"rows", std::move(rows)},
                            {"prices", prices_json(*prices)},
                            {"idle_defences", std::move(idle)},
                            {"sound", matrix->sound()},
                            {"seconds", seconds}}
                           .dump(2));
  } else {
    print_text(*matrix, *prices, seconds);
  }
  return matrix->sound() ? kOk : kFinding;
}

}  // namespace ladon::app
