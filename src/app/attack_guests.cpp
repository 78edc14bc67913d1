#include "app/attack_guests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/chosen.h"
#include "app/progress.h"
#include "app/signals.h"
#include "base/table.h"
#include "machine/counter_report.h"
#include "trial/trial.h"

namespace ladon::app {
namespace {

using attack::Outcome;
using nlohmann::json;

json to_json(const trial::AttackResult& result) {
  return {{"id", result.attack.id},
          {"title", trial::title(result.attack)},
          {"attacker", result.attacker},
          {"control", trial::control(result.attack)},
          {"result", name(result.outcome)},
          {"by", result.by},
          {"attributed_to", result.attributed_to},
          {"collateral_packets", result.collateral_packets},
          {"reason", result.reason},
          {"management_log", result.log},
          {"management_log_matches", result.log_matches},
          {"seconds", result.seconds}};
}

json to_json(const trial::PolicyResult& result) {
  json checks = json::array();
  for (const auto& check : result.checks) checks.push_back({{"what", check.what}, {"held", check.held}});
  return {{"on_fault", name(result.policy)},
          {"guest", result.guest},
          {"held", result.ok()},
          {"checks", std::move(checks)},
          {"collateral_packets", result.collateral_packets},
          {"management_log", result.log},
          {"seconds", result.seconds}};
}

json to_json(const trial::Report& report) {
  json attacks = json::array(), policies = json::array(), traffic = json::array();
  for (const auto& result : report.attacks) attacks.push_back(to_json(result));
  for (const auto& result : report.policies) policies.push_back(to_json(result));
  for (const auto& pair : report.traffic)
    traffic.push_back(
        {{"from", pair.from}, {"to", pair.to}, {"sent", pair.sent}, {"received", pair.received}});
  return {{"attacks", std::move(attacks)},
          {"policies", std::move(policies)},
          {"traffic", std::move(traffic)},
          {"failures", report.failures},
          {"ok", report.ok()},
          {"boot_seconds", report.boot_seconds},
          {"seconds", report.seconds}};
}

void print_attacks(const trial::Report& report) {
  Table table({{"id"},
               {"attack"},
               {"by"},
               {"result"},
               {"refused by"},
               {"attributed to"},
               {"logged", Align::right},
               {"lost", Align::right}});
  Table seen({{"id"}, {"result"}, {"seen"}});
  for (const auto& result : report.attacks) {
    const bool refused = result.outcome == Outcome::refused;
    table.add_row({std::string(result.attack.id), std::string(trial::title(result.attack)), result.attacker,
                   std::string(name(result.outcome)), refused ? result.by : "",
                   refused ? result.attributed_to : "",
                   result.log_matches ? std::to_string(result.log.size()) : "WRONG",
                   std::to_string(result.collateral_packets)});
    if (!refused)
      seen.add_row({std::string(result.attack.id), std::string(name(result.outcome)), result.reason});
  }
  fmt::print("{}\n", table.to_string());
  if (seen.rows() != 0) fmt::print("{}\n", seen.to_string());
}

void print_policies(const trial::Report& report) {
  Table table({{"on_fault"}, {"guest"}, {"after it has offended"}, {""}, {"lost", Align::right}});
  for (const auto& result : report.policies)
    for (std::size_t i = 0; i < result.checks.size(); ++i)
      table.add_row({i == 0 ? std::string(name(result.policy)) : "", i == 0 ? result.guest : "",
                     result.checks[i].what, result.checks[i].held ? "ok" : "FAILED",
                     i == 0 ? std::to_string(result.collateral_packets) : ""});
  if (table.rows() != 0) fmt::print("{}\n", table.to_string());
}

void print_text(const trial::Report& report) {
  print_attacks(report);
  print_policies(report);
  Table traffic({{"from"}, {"to"}, {"sent", Align::right}, {"answered", Align::right}});
  for (const auto& pair : report.traffic)
    traffic.add_row({pair.from, pair.to, std::to_string(pair.sent), std::to_string(pair.received)});
  if (traffic.rows() != 0) fmt::print("{}\n", traffic.to_string());
  for (const auto& failure : report.failures) fmt::print("FAILED: {}\n", failure);
  const auto count = [&](Outcome outcome) {
    return std::ranges::count(report.attacks, outcome, &trial::AttackResult::outcome);
  };
  fmt::print("{} refused, {} succeeded, {} skipped, {:.0f} s after {:.0f} s of booting: {}\n",
             count(Outcome::refused), count(Outcome::succeeded), count(Outcome::skipped), report.seconds,
             report.boot_seconds, report.ok() ? "all of it held" : "NOT all of it held");
}

trial::Report boot_and_attack(machine::Runner& runner, const lab::Assets& assets,
                              const AttackOptions& options, std::vector<trial::GuestAttack> attacks) {
  const Progress progress;
  const StopSignals signals;
  if (auto ready = runner.wait_assigned(); !ready) return {.failures = {ready.error()}};
  progress.step(fmt::format("booting {} guests ({})", runner.machine().guests().size(), assets.accelerator));
  auto guests = trial::start_guests(runner, assets, options.out);
  if (!guests) return {.failures = {guests.error()}};
  const double booted = progress.seconds();
  auto report = trial::attempt(runner, *guests, options.out + "/management.log",
                               {.attacks = std::move(attacks),
                                .policies = options.only.empty(),
                                .progress = [&](const std::string& what) { progress.step(what); },
                                .stopped = [&] { return signals.stopped().load(); }});
  report.boot_seconds = booted;
  if (signals.stopped()) report.failures.push_back("stopped by a signal");
  return report;
}

}  // namespace

int attack_guests(const machine::Rack& rack, const AttackOptions& options, const Common& common) {
  auto attacks = chosen(trial::guest_attacks(), options.only);
  if (!attacks) {
    common.log.error("there is no attack {} that a guest can make", attacks.error());
    return kBadInput;
  }
  const auto assets = assets_and_folder(options.assets, options.out, common);
  if (!assets) return kBadInput;
  auto runner = machine::Runner::start(
      rack,
      {.program = "/proc/self/exe", .log_level = "info", .management_log = options.out + "/management.log"},
      common.log);
  if (!runner) {
    common.log.error("{}", runner.error());
    return kFinding;
  }
  const auto report = boot_and_attack(**runner, *assets, options, std::move(*attacks));
  const auto counters =
      (*runner)->on_engine([](machine::Machine& machine) { return machine::counter_report(machine); });
  std::ofstream(options.out + "/counters.txt") << machine::format_counters(counters);
  const std::string text = to_json(report).dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  std::ofstream(options.out + "/report.json") << text;
  if (common.json)
    fmt::print("{}", text);
  else
    print_text(report);
  return report.ok() ? kOk : kFinding;
}

}  // namespace ladon::app
