// ladon attack --matrix: what every defence is worth.
#include "app/attack_matrix.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attack/picture.h"
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

json estimate_json(const attack::Estimate& estimate) {
  return {{"median", estimate.median}, {"interval", {estimate.low, estimate.high}}};
}

json gains_json(const std::vector<attack::Price>& prices) {
  json all = json::object();
  for (unsigned i = 0; i < attack::kDefences && !prices.empty(); ++i) {
    const attack::Defence defence{static_cast<std::uint8_t>(i)};
    all[std::string(name(defence))] = estimate_json(price_of(prices, defence));
  }
  return all;
}

json prices_json(const std::vector<attack::Price>& prices) {
  json all = json::array();
  for (const auto& price : prices)
    all.push_back({{"off", to_string(price.off)},
                   {"hops",
                    {{"dma_write", price.hops.dma_write},
                     {"dma_read", price.hops.dma_read},
                     {"register_read", price.hops.register_read},
                     {"interrupt", price.hops.interrupt}}},
                   {"resolution_cold_seconds", price.cold},
                   {"resolution_cached_seconds", price.cached},
                   {"packets_per_second", estimate_json(price.packets_per_second)},
                   {"ratio_to_median_set", estimate_json(price.ratio)}});
  return all;
}

void print_prices(const std::vector<attack::Price>& prices) {
  if (prices.empty()) return;
  Table table({{"off"},
               {"hops: write", Align::right},
               {"read", Align::right},
               {"register", Align::right},
               {"interrupt", Align::right},
               {"resolution", Align::right},
               {"cached", Align::right},
               {"packets/s, 64 B", Align::right},
               {"interval", Align::right},
               {"to the median", Align::right},
               {"interval", Align::right}});
  const auto millions = [](double rate) { return fmt::format("{:.2f}", rate / 1e6); };
  for (const auto& price : prices) {
    const auto& rate = price.packets_per_second;
    table.add_row({price.off.size() == attack::kDefences ? "all" : to_string(price.off),
                   std::to_string(price.hops.dma_write), std::to_string(price.hops.dma_read),
                   std::to_string(price.hops.register_read), std::to_string(price.hops.interrupt),
                   fmt::format("{:.0f} ns", price.cold * 1e9), fmt::format("{:.1f} ns", price.cached * 1e9),
                   millions(rate.median) + " M", millions(rate.low) + " .. " + millions(rate.high),
                   fmt::format("{:.3f}", price.ratio.median),
                   fmt::format("{:.3f} .. {:.3f}", price.ratio.low, price.ratio.high)});
  }
  fmt::print("{}\n", table.to_string());
  Table gains({{"defence"}, {"packets/s when it is off, to on", Align::right}, {"interval", Align::right}});
  for (unsigned i = 0; i < attack::kDefences; ++i) {
    const attack::Defence defence{static_cast<std::uint8_t>(i)};
    const auto gain = price_of(prices, defence);
    gains.add_row({std::string(name(defence)), fmt::format("{:.3f}", gain.median),
                   fmt::format("{:.3f} .. {:.3f}", gain.low, gain.high)});
  }
  fmt::print("{}\n", gains.to_string());
  fmt::print(
      "hops: tables on the way, and back; packets: of one thread's processor time, the median of {} rounds;\n"
      "interval: of the median, with 96 %; of a defence, over the 32 pairs of sets that differ in it, with "
      "98 %\n\n",
      attack::kPriceRounds);
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

bool save(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  return static_cast<bool>(file.flush());
}

json matrix_json(const attack::Matrix& matrix, const std::vector<attack::Price>& prices, double seconds) {
  json rows = json::array(), idle = json::array();
  for (const auto& row : matrix.rows) rows.push_back(row_json(row));
  for (const auto defence : matrix.idle) idle.push_back(name(defence));
  return {{"rows", std::move(rows)},
          {"prices", prices_json(prices)},
          {"packets_per_second_off_to_on", gains_json(prices)},
          {"idle_defences", std::move(idle)},
          {"sound", matrix.sound()},
          {"seconds", seconds}};
}

}  // namespace

int attack_matrix(const attack::Build& build, const std::vector<attack::Attack>& attacks,
                  const MatrixOptions& options, const Common& common) {
  const auto begin = std::chrono::steady_clock::now();
  const auto failed = [&](const std::string& why) {
    common.log.error("{}", why);
    return kFinding;
  };
  const auto progress = [&](std::size_t done, std::size_t all) {
    common.log.info("{} of {} attacks", done, all);
  };
  const bool complete = attacks.size() == attack::catalogue().size();
  const auto matrix = make_matrix(build, attacks, complete, progress);
  if (!matrix) return failed(matrix.error());
  std::expected<std::vector<attack::Price>, std::string> prices;
  if (complete && options.prices) prices = measure_prices(build, attack::ordered_sets());
  if (!prices) return failed(prices.error());
  if (!options.svg.empty()) {
    const auto hops = count_hops(build, attack::ordered_sets());
    if (!hops) return failed(hops.error());
    if (!save(options.svg,
              attack::draw({.rack = options.rack, .matrix = *matrix, .hops = *hops, .prices = *prices})))
      return failed(options.svg + " cannot be written");
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (common.json)
    fmt::print("{}\n", matrix_json(*matrix, *prices, seconds).dump(2));
  else
    print_text(*matrix, *prices, seconds);
  return matrix->sound() ? kOk : kFinding;
}

}  // namespace ladon::app
