#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/commands.h"
#include "app/console.h"
#include "app/para_report.h"
#include "app/signals.h"
#include "lab/libvirt.h"
#include "machine/counter_report.h"
#include "machine/runner.h"
#include "trial/guest_specs.h"

namespace ladon::app {
namespace {

// The guest as libvirt knows guests; false after the mistake was printed.
bool write_domain(const std::string& folder, const lab::Assets& assets, const lab::GuestSpec& spec) {
  const std::string path = fmt::format("{}/{}.xml", folder, spec.name);
  std::ofstream file(path);
  file << lab::libvirt_domain(assets, spec);
  file.flush();
  if (!file) fmt::print(stderr, "{}: cannot be written\n", path);
  return file.good();
}

// Of everybody, in the order of the file; guests with a function of their own first.
std::vector<std::pair<const machine::HostSpec*, lab::GuestSpec>> specs(const machine::Runner& runner) {
  std::vector<std::pair<const machine::HostSpec*, lab::GuestSpec>> all;
  for (const auto& place : runner.machine().guests())
    all.emplace_back(place.placed.host, trial::guest_spec(place, runner.directory()));
  for (const auto& place : runner.machine().shared_guests())
    all.emplace_back(place.host, trial::guest_spec(place, runner.directory()));
  return all;
}

// Before anything starts; false after the mistake was printed.
bool make_folder(const std::string& folder) {
  if (folder.empty()) return true;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fmt::print(stderr, "{}: {}\n", folder, error.message());
  return !error;
}

bool write_domains(const machine::Runner& runner, const lab::Assets& assets, const std::string& folder) {
  return folder.empty() || std::ranges::all_of(specs(runner), [&](const auto& guest) {
           return write_domain(folder, assets, guest.second);
         });
}

void print_lines(const machine::Runner& runner, const console::Server& control, const lab::Assets& assets,
                 const std::string& libvirt, const Common& common) {
  nlohmann::json guests = nlohmann::json::array();
  for (const auto& [host, spec] : specs(runner)) {
    const auto command = lab::qemu_command(assets, spec);
    const std::string domain = libvirt.empty() ? "" : fmt::format("{}/{}.xml", libvirt, spec.name);
    if (!common.json) {
      fmt::print("# {} on {}\n{}\n", spec.name, host->name, lab::shell_line(command));
      if (!domain.empty())
        fmt::print("# or: virsh -c qemu:///session create {}\n", lab::shell_line({domain}));
      fmt::print("\n");
      continue;
    }
    nlohmann::json guest = {{"name", spec.name}, {"host", host->name}, {"command", command}};
    if (!spec.vfio_socket.empty()) guest["vfio_user_socket"] = spec.vfio_socket;
    if (!spec.vhost_socket.empty()) guest["vhost_user_socket"] = spec.vhost_socket;
    if (!domain.empty()) guest["libvirt_domain"] = domain;
    guests.push_back(std::move(guest));
  }
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
  if (!make_folder(options.libvirt)) return kBadInput;
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
  if (!write_domains(**runner, *assets, options.libvirt)) return kBadInput;
  print_lines(**runner, **control, *assets, options.libvirt, common);
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
