#include "experiment/own_vnics.h"

#include <fmt/format.h>

#include "experiment/device_level.h"
#include "trial/guests.h"

namespace ladon::experiment {
namespace {

// One server, two machines on it, plain SR-IOV, as in the published experiment.
std::string rack_text() {
  return fmt::format(R"(name: figures
nics:
  - name: nic0
    vfs: 2
    wire: {{kind: tap, address: {}}}
hosts:
  - name: mh
    role: management
    vms:
      - {{name: vm1, vf: {{nic: nic0, index: 0}}, address: {}{}}}
      - {{name: vm2, vf: {{nic: nic0, index: 1}}, address: {}{}}}
)",
                     kRemoteAddress, kAddresses[0], kPrefix, kAddresses[1], kPrefix);
}

}  // namespace

std::expected<std::unique_ptr<OwnVnics>, std::string> OwnVnics::start(const lab::Assets& assets,
                                                                      const std::string& logs,
                                                                      const Log& log) {
  const auto rack = machine::parse_rack(rack_text(), "the figures' rack");
  if (!rack) return std::unexpected(to_string(rack.error().front()));
  auto runner = machine::Runner::start(*rack, {.program = "/proc/self/exe"}, log);
  if (!runner) return std::unexpected(runner.error());
  if ((*runner)->remote(0) == nullptr)
    return std::unexpected("there is no remote test host; run with the privileges for a tap");
  if (auto assigned = (*runner)->wait_assigned(); !assigned) return std::unexpected(assigned.error());
  auto running = trial::start_guests(**runner, assets, logs);
  if (!running) return std::unexpected(running.error());
  std::unique_ptr<OwnVnics> made(new OwnVnics(std::move(*runner)));
  const auto take = [](trial::RunningGuest& guest) {
    return WebGuest{.name = guest.name(),
                    .address = guest.address(),
                    .qemu = std::move(guest.qemu),
                    .shell = std::move(guest.shell)};
  };
  made->guests_ = std::make_unique<std::array<WebGuest, kVms>>(
      std::array<WebGuest, kVms>{take((*running)[0]), take((*running)[1])});
  for (WebGuest& guest : *made->guests_)
    if (auto serving = start_server(guest); !serving) return std::unexpected(serving.error());
  return made;
}

void OwnVnics::set_capacity(const DeviceCapacity& capacity) {
  runner_->on_engine([&](machine::Machine& machine) {
    for (std::uint16_t vf = 0; vf < kVms; ++vf) limit_function(machine.nic(0), vf, std::nullopt, capacity);
    limit_device(machine.nic(0), capacity);
  });
}

void OwnVnics::set_limit(const std::optional<Limit>& limit) {
  runner_->on_engine([&](machine::Machine& machine) { limit_function(machine.nic(0), 1, limit, {}); });
}

Counted OwnVnics::counted() {
  return runner_->on_engine([](machine::Machine& machine) {
    Counted all;
    for (std::uint16_t vf = 0; vf < kVms; ++vf) {
      const nic::VfStatistics& statistics = machine.nic(0).statistics(vf);
      all[vf] = {.device_frames = statistics.received_packets, .device_bytes = statistics.received_bytes};
      count_drops(machine.nic(0), vf, all[vf]);
    }
    return all;
  });
}

}  // namespace ladon::experiment
