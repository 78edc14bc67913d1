#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "app/commands.h"
#include "app/console.h"
#include "app/demo_attack.h"
#include "app/progress.h"
#include "app/signals.h"
#include "lab/traffic.h"
#include "machine/counter_report.h"
#include "trial/guests.h"

namespace ladon::app {
namespace {

using trial::RunningGuest;

constexpr unsigned kPings = 5;
constexpr std::uint64_t kSinkBytes = 64 << 20;
constexpr Duration kCommand = std::chrono::seconds(60);

struct Demo {
  machine::Runner& runner;
  std::vector<RunningGuest>& guests;
  const StopSignals& signals;
  unsigned seconds;
  lab::Report& report;

  void ping(RunningGuest& from, const std::string& to, const std::string& address, const std::string& kind) {
    const auto answer = from.shell.run(lab::ping_command(address, kPings), kCommand);
    const auto result = answer ? lab::parse_ping(answer->text()) : std::nullopt;
    const bool ok = result && result->received == kPings;
    report.pings.push_back({from.name(), to, kind, ok, result ? result->average_ms : 0});
  }

  void stream(RunningGuest& from, const std::string& to, const std::string& address,
              const std::string& kind) {
    const auto answer =
        from.shell.run(lab::iperf_command(address, seconds), kCommand + std::chrono::seconds(seconds));
    add_stream(from, to, kind, answer ? lab::parse_iperf(answer->text()) : std::nullopt);
  }

  // To a host without iperf3.
  void stream_to_sink(RunningGuest& from, const std::string& to, const std::string& address,
                      const std::string& kind) {
    const auto answer = from.shell.run(lab::sink_command(address, kSinkBytes), kCommand);
    add_stream(from, to, kind, answer ? lab::parse_sink(answer->text()) : std::nullopt);
  }

  void add_stream(RunningGuest& from, const std::string& to, const std::string& kind,
                  std::optional<double> bits_per_second) {
    report.streams.push_back(
        {from.name(), to, kind, bits_per_second.has_value(), bits_per_second.value_or(0) / 1e9});
  }

  void between_guests(const Progress& progress) {
    for (auto& from : guests)
      for (auto& to : guests)
        if (&from < &to && !signals.stopped())
          ping(from, to.name(), to.address(), trial::path_kind(from, to));
    // A stream on every kind of path, once.
    RunningGuest& from = talker();
    for (auto& to : guests) {
      if (&to == &from || signals.stopped()) continue;
      progress.step(fmt::format("TCP {} -> {}", from.name(), to.name()));
      stream(from, to.name(), to.address(), trial::path_kind(from, to));
    }
  }

  void with_remote_host(const Progress& progress) {
    for (std::size_t nic = 0; nic < runner.machine().rack().nics.size(); ++nic) {
      const auto& wire = runner.machine().rack().nics[nic].wire;
      if (!wire.address) continue;
      const std::string address = to_string(wire.address->address), name = "remote test host";
      if (port::RemoteHost* host = runner.remote(nic))
        (void)host->run({"iperf3", "-s", "-D"}, std::chrono::seconds(10));
      RunningGuest* sender = nullptr;  // the talker if it is on this NIC
      for (auto& guest : guests) {
        if (guest.nic() != nic) continue;
        ping(guest, name, address, "wire");
        if (sender == nullptr || &guest == &talker()) sender = &guest;
      }
      if (sender == nullptr || signals.stopped()) continue;
      progress.step(fmt::format("TCP {} -> {}", sender->name(), name));
      if (runner.remote(nic) != nullptr)
        stream(*sender, name, address, "wire");
      else
        stream_to_sink(*sender, name, address, "wire");
    }
  }

  // The first guest of a host with several, so that every kind of path starts there.
  RunningGuest& talker() {
    for (auto& guest : guests)
      if (guest.place != nullptr && guest.domain() != pcie::kManagementDomain) return guest;
    return guests.front();
  }
  // Another guest of the talker's host with a function of its own if there is one: the nearest neighbour is
  // the hardest to protect.
  RunningGuest& attacker() {
    for (auto& guest : guests)
      if (guest.place != nullptr && &guest != &talker() && guest.domain() == talker().domain()) return guest;
    const auto own = std::ranges::find_if(guests.rbegin(), guests.rend(),
                                          [](const RunningGuest& guest) { return guest.place != nullptr; });
    return own == guests.rend() ? guests.back() : *own;
  }
};

void run_guests(machine::Runner& runner, const lab::Assets& assets, const DemoOptions& options,
                const StopSignals& signals, const Progress& progress, lab::Report& report) {
  progress.step(fmt::format("booting {} guests ({})",
                            runner.machine().guests().size() + runner.machine().shared_guests().size(),
                            assets.accelerator));
  auto guests = trial::start_guests(runner, assets, options.out, trial::Which::all);
  if (!guests) {
    report.failures.push_back(guests.error());
    return;
  }
  progress.step("all guests are up");
  for (auto& guest : *guests) report.guests.push_back(trial::inspect(guest));
  Demo demo{runner, *guests, signals, options.seconds, report};
  progress.step("ping between all of them");
  demo.between_guests(progress);
  demo.with_remote_host(progress);
  if (signals.stopped()) return;
  if (demo.attacker().place == nullptr || guests->size() < 2) return;
  progress.step(fmt::format("{} attacks, the others talk", demo.attacker().name()));
  std::vector<RunningGuest*> others;
  for (auto& guest : *guests)
    if (&guest != &demo.attacker()) others.push_back(&guest);
  report.attack = attack(runner, demo.attacker(), others);
}

}  // namespace

int demo(const DemoOptions& options, const Common& common) {
  const Progress progress;
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  if (const auto status = refused_by_audit(*rack, common)) return *status;
  const auto assets = assets_and_folder(options.assets, options.out, common);
  if (!assets) return kBadInput;
  const StopSignals signals;
  progress.step(fmt::format("bringing up {}", rack->name));
  auto runner =
      machine::Runner::start(*rack, {.program = "/proc/self/exe", .log_level = common.log_level}, common.log);
  if (!runner) {
    common.log.error("{}", runner.error());
    return kFinding;
  }
  const auto control = open_console(**runner, common.log);
  if (!control) {
    common.log.error("{}", control.error());
    return kFinding;
  }
  lab::Report report{.rack = rack->name, .accelerator = assets->accelerator};
  if (auto ready = (*runner)->wait_assigned(); !ready) {
    report.failures.push_back(ready.error());
  } else {
    run_guests(**runner, *assets, options, signals, progress, report);
  }
  if (signals.stopped()) report.failures.push_back("stopped by a signal");
  report.seconds = progress.seconds();
  const auto counters =
      (*runner)->on_engine([](machine::Machine& machine) { return machine::counter_report(machine); });
  std::ofstream(options.out + "/counters.txt") << machine::format_counters(counters);
  const std::string json = report.to_json();
  std::ofstream(options.out + "/report.json") << json;
  fmt::print("{}", common.json ? json : report.to_text());
  return report.ok() ? kOk : kFinding;
}

}  // namespace ladon::app
