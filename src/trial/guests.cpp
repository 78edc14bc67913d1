#include "trial/guests.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "lab/report.h"
#include "trial/guest_specs.h"

namespace ladon::trial {
namespace {

constexpr Duration kBoot = std::chrono::seconds(120), kCommand = std::chrono::seconds(20);

std::string kind_of(const machine::HostSpec& host) {
  if (host.role == machine::HostRole::management) return "mh";
  return std::string(name(host.kind));
}

std::map<std::string, std::string> key_values(const std::vector<std::string>& lines) {
  std::map<std::string, std::string> values;
  for (const auto& line : lines)
    if (const auto equals = line.find('='); equals != std::string::npos)
      values[line.substr(0, equals)] = line.substr(equals + 1);
  return values;
}

}  // namespace

std::expected<std::vector<RunningGuest>, std::string> start_guests(const machine::Runner& runner,
                                                                   const lab::Assets& assets,
                                                                   const std::string& logs, Which which) {
  std::vector<RunningGuest> guests;
  struct Starting {
    const machine::GuestPlace* place;
    const machine::SharedPlace* shared;
    lab::GuestSpec spec;
    std::optional<Process> qemu;
  };
  std::vector<Starting> starting;
  for (const auto& place : runner.machine().guests())
    starting.push_back({&place, nullptr, guest_spec(place, runner.directory(), logs), {}});
  if (which == Which::all)
    for (const auto& place : runner.machine().shared_guests())
      starting.push_back({nullptr, &place, guest_spec(place, runner.directory(), logs), {}});
  for (Starting& one : starting) {
    auto qemu = Process::start({.command = lab::qemu_command(assets, one.spec),
                                .output = fmt::format("{}/{}.qemu.log", logs, one.spec.name)});
    if (!qemu) return std::unexpected(qemu.error());
    one.qemu.emplace(std::move(*qemu));
  }
  for (auto& [place, shared, spec, qemu] : starting) {
    auto shell = lab::GuestShell::connect(spec.control_socket, kBoot);
    if (!shell)
      return std::unexpected(
          fmt::format("{}: {}; see {}/{}.qemu.log", spec.name, shell.error(), logs, spec.name));
    guests.push_back({place, shared, spec, std::move(*qemu), std::move(*shell)});
  }
  for (auto& guest : guests)
    if (auto ready = guest.shell.wait_ready(kBoot); !ready)
      return std::unexpected(
          fmt::format("{}: {}; see {}/{}.console.log", guest.name(), ready.error(), logs, guest.name()));
  return guests;
}

lab::GuestReport inspect(RunningGuest& guest) {
  const machine::HostSpec& host = guest.host();
  lab::GuestReport report{.name = guest.name(), .host = host.name, .kind = kind_of(host)};
  report.mode = host.role == machine::HostRole::management ? "sriov" : std::string(name(host.mode));
  if (guest.shared != nullptr) report.mode = "shared";
  report.wanted_mac = to_string(guest.mac());
  report.address = guest.spec.address;
  const auto answer = guest.shell.run(guest.place ? "vf-report" : "vf-report virtio_net", kCommand);
  if (!answer) return report;
  auto values = key_values(answer->lines);
  report.kernel = values["kernel"];
  report.driver = values["driver"];
  report.version = values["version"];
  report.vf = values["vf"];
  report.mac = values["mac"];
  report.link = values["link"];
  report.vectors = static_cast<unsigned>(std::strtoul(values["msix"].c_str(), nullptr, 10));
  return report;
}

std::string path_kind(const RunningGuest& from, const RunningGuest& to) {
  const auto& a = from.host();
  const auto& b = to.host();
  if (&a == &b) return "same host";
  if (b.role == machine::HostRole::management) return "to the MH's VM";
  if (b.kind == machine::HostKind::bare) return "to the bare host";
  return "across hosts";
}

}  // namespace ladon::trial
