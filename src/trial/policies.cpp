#include "trial/policies.h"

#include <fmt/format.h>

#include <thread>

#include "lab/traffic.h"

namespace ladon::trial {
namespace {

using machine::Machine;
using machine::OnFault;
using std::chrono::seconds;

const std::string kCarrier = "[ \"$(cat /sys/class/net/eth0/carrier 2>/dev/null)\" = 1 ]";

bool reaches(RunningGuest& guest, const RunningGuest& neighbour) {
  const auto answer = run(guest, fmt::format("ping -c 2 -i 0.3 -W 2 {}", neighbour.address()));
  const auto ping = lab::parse_ping(answer.text);
  return ping && ping->received > 0;
}

std::string pings(const RunningGuest& neighbour) {
  return fmt::format("ping -c 1 -W 1 {} >/dev/null 2>&1", neighbour.address());
}

void restart_interface(RunningGuest& guest) {
  (void)run(guest, "ip link set eth0 down; ip link set eth0 up");
}

std::uint64_t frames_of(machine::Runner& runner, const RunningGuest& guest) {
  const auto& vf = *guest.place->placed.guest->vf;
  return runner.on_engine(
      [&](Machine& machine) { return machine.nic(vf.nic).statistics(vf.index).sent_packets; });
}

using Checks = std::vector<PolicyResult::Check>;

// Its queue stays stopped until the guest resets its VF, as its driver does when the interface starts anew.
void check_log(Checks& checks, RunningGuest& guest, RunningGuest& neighbour) {
  checks.push_back({"its queue is stopped", !reaches(guest, neighbour)});
  restart_interface(guest);
  checks.push_back(
      {"works again once it has reset its VF", comes_true(guest, pings(neighbour), seconds(30))});
}

// The PF's driver tells ixgbevf, which resets its VF at most every ten seconds.
void check_reset(Checks& checks, RunningGuest& guest, RunningGuest& neighbour) {
  checks.push_back({"its stock driver works again, and the guest did nothing",
                    comes_true(guest, pings(neighbour), seconds(45))});
}

void check_quarantine(Checks& checks, machine::Runner& runner, ManagementLog& log, RunningGuest& guest,
                      RunningGuest& neighbour) {
  checks.push_back({"its link is down", comes_true(guest, "! " + kCarrier, seconds(15))});
  const std::uint64_t before = frames_of(runner, guest);
  restart_interface(guest);
  checks.push_back({"starting its interface anew brings no link", !comes_true(guest, kCarrier, seconds(6))});
  checks.push_back({"reaches nobody", !reaches(guest, neighbour) && !reaches(neighbour, guest)});
  checks.push_back({"not one frame of it passed", frames_of(runner, guest) == before});
  const auto lines = log.lines(guest.name());
  checks.push_back(
      {"the management host says that it is quarantined",
       std::ranges::any_of(lines, [](const ManagementLine& line) { return line.kind == "quarantined"; })});
}

}  // namespace

PolicyResult try_policy(machine::Runner& runner, Witness& witness, ManagementLog& log, RunningGuest& guest,
                        RunningGuest& neighbour) {
  PolicyResult result{.policy = guest.place->placed.guest->vf->on_fault, .guest = guest.name()};
  auto& checks = result.checks;
  checks.push_back({"works before", reaches(guest, neighbour)});
  witness.begin();
  log.begin();
  auto target =
      runner.on_engine([&](Machine& machine) { return place_target(machine, guest.place->placed.domain); });
  if (!target) {
    checks.push_back({target.error(), false});
    return result;
  }
  runner.on_engine([&](Machine& machine) { fill(machine, *target, 1); });
  (void)run(guest, fmt::format("vfpoke -w 300 attack tx-read {:#x}", target->at.bits()));
  const auto frames = witness.frames();
  checks.push_back(
      {"sent nothing of what is not its own",
       std::ranges::none_of(frames, [&](const SeenFrame& frame) { return is_in(*target, frame.bytes); })});
  switch (result.policy) {
    case OnFault::log:
      check_log(checks, guest, neighbour);
      break;
    case OnFault::reset:
      check_reset(checks, guest, neighbour);
      break;
    case OnFault::quarantine:
      check_quarantine(checks, runner, log, guest, neighbour);
      break;
  }
  const auto lines = log.lines(guest.name());
  const std::string address = fmt::format("{:#x}", target->at.bits());
  checks.push_back({"the management host names guest, address and table",
                    std::ranges::any_of(lines, [&](const ManagementLine& line) {
                      return line.kind == "fault" && line.text.find(address) != std::string::npos &&
                             line.text.find("/iommu/") != std::string::npos;
                    })});
  for (const ManagementLine& line : lines) result.log.push_back(line.whole);
  return result;
}

}  // namespace ladon::trial
