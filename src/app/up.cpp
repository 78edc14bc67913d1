#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/commands.h"
#include "app/console.h"
#include "app/signals.h"
#include "machine/counter_report.h"
#include "machine/runner.h"
#include "trial/guest_specs.h"

namespace ladon::app {
namespace {

void print_lines(const machine::Runner& runner, const console::Server& control, const lab::Assets& assets,
                 const Common& common) {
  nlohmann::json guests = nlohmann::json::array();
  for (const auto& place : runner.machine().guests()) {
    const auto command = lab::qemu_command(assets, trial::guest_spec(place, runner.directory()));
    if (common.json) {
      guests.push_back({{"name", place.placed.guest->name},
                        {"host", place.placed.host->name},
                        {"vfio_user_socket", place.socket},
                        {"command", command}});
    } else {
      fmt::print("# {} on {}\n{}\n\n", place.placed.guest->name, place.placed.host->name,
                 lab::shell_line(command));
    }
  }
  if (common.json)
    fmt::print("{}\n",
               nlohmann::json{
                   {"directory", runner.directory()}, {"control_socket", control.path()}, {"guests", guests}}
                   .dump(2));
  std::fflush(stdout);
}

std::string counters(machine::Runner& runner) {
  return machine::format_counters(
      runner.on_engine([](machine::Machine& machine) { return machine::counter_report(machine); }));
}

}  // namespace

int up(const UpOptions& options, const Common& common) {
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  if (const auto status = refused_by_audit(*rack, common)) return *status;
  auto assets = lab::load_assets(options.assets);
  if (!assets) {
    common.log.warning("{}; the QEMU lines name placeholders", assets.error());
    assets = lab::Assets{.qemu = "qemu-system-x86_64", .kernel = "KERNEL", .initramfs = "INITRAMFS"};
  }
  const StopSignals signals;
  auto runner =
      machine::Runner::start(*rack, {.program = "/proc/self/exe", .log_level = common.log_level}, common.log);
  if (!runner) {
    common.log.error("{}", runner.error());
    return kFinding;
  }
  if (auto ready = (*runner)->wait_assigned(); !ready) {
    common.log.error("{}", ready.error());
    return kFinding;
  }
  const auto control = open_console(**runner, common.log);
  if (!control) {
    common.log.error("{}", control.error());
    return kFinding;
  }
  print_lines(**runner, **control, *assets, common);
  fmt::print(stderr, "{}: serving {} guests; SIGUSR1 shows counters, Ctrl-C ends it; control socket {}\n",
             rack->name, (*runner)->machine().guests().size(), (*control)->path());
  while (!signals.stopped()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (signals.take_report_request()) fmt::print(stderr, "{}", counters(**runner));
    if (auto kept = (*runner)->keep_managed(); !kept) common.log.error("{}", kept.error());
  }
  fmt::print(stderr, "{}", counters(**runner));
  return kOk;
}

}  // namespace ladon::app
