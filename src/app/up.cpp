#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/commands.h"
#include "app/console.h"
#include "app/para_report.h"
#include "app/signals.h"
#include "machine/counter_report.h"
#include "machine/runner.h"
#include "trial/guest_specs.h"

namespace ladon::app {
namespace {

void print_lines(const machine::Runner& runner, const console::Server& control, const lab::Assets& assets,
                 const Common& common) {
  nlohmann::json guests = nlohmann::json::array();
  const auto print = [&](const machine::HostSpec& host, const lab::GuestSpec& spec) {
    const auto command = lab::qemu_command(assets, spec);
    if (!common.json) {
      fmt::print("# {} on {}\n{}\n\n", spec.name, host.name, lab::shell_line(command));
      return;
    }
    nlohmann::json guest = {{"name", spec.name}, {"host", host.name}, {"command", command}};
    if (!spec.vfio_socket.empty()) guest["vfio_user_socket"] = spec.vfio_socket;
    if (!spec.vhost_socket.empty()) guest["vhost_user_socket"] = spec.vhost_socket;
    guests.push_back(std::move(guest));
  };
  for (const auto& place : runner.machine().guests())
    print(*place.placed.host, trial::guest_spec(place, runner.directory()));
  for (const auto& place : runner.machine().shared_guests())
    print(*place.host, trial::guest_spec(place, runner.directory()));
  if (common.json)
    fmt::print("{}\n",
               nlohmann::json{
                   {"directory", runner.directory()}, {"control_socket", control.path()}, {"guests", guests}}
                   .dump(2));
  std::fflush(stdout);
}

std::string counters(machine::Runner& runner) {
  const std::string text = machine::format_counters(
      runner.on_engine([](machine::Machine& machine) { return machine::counter_report(machine); }));
  const auto shared = runner.shared_functions();
  return shared.empty() ? text : fmt::format("{}\n{}", text, to_text(shared));
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
             rack->name, (*runner)->machine().guests().size() + (*runner)->machine().shared_guests().size(),
             (*control)->path());
  while (!signals.stopped()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (signals.take_report_request()) fmt::print(stderr, "{}", counters(**runner));
    if (auto kept = (*runner)->keep_managed(); !kept) common.log.error("{}", kept.error());
  }
  fmt::print(stderr, "{}", counters(**runner));
  return kOk;
}

}  // namespace ladon::app
