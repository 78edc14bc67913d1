#include "app/demo_attack.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "lab/traffic.h"
#include "spec/ntb.h"
#include "trial/places.h"
#include "trial/witness.h"

namespace ladon::app {
namespace {

using machine::Machine;
using trial::RunningGuest;
using trial::Target;

constexpr unsigned kPings = 20;
constexpr Duration kCommand = std::chrono::seconds(60);

struct Step {
  std::string what, command;
  const Target* target = nullptr;
};

lab::AttackReport::Attempt attempt(machine::Runner& runner, trial::Witness& witness, RunningGuest& attacker,
                                   const Step& step) {
  lab::AttackReport::Attempt made{.what = step.what};
  witness.begin();
  const auto answer = attacker.shell.run(step.command, kCommand);
  made.output = answer ? answer->text() : answer.error();
  const bool nothing_moved =
      answer && answer->status == 0 && std::ranges::find(answer->lines, "moved=0") != answer->lines.end();
  const bool untouched =
      runner.on_engine([&](Machine& machine) { return trial::untouched(machine, *step.target); });
  const auto refusals = witness.refusals();
  const auto refusal = std::ranges::find(refusals, attacker.name(), &attack::Refusal::who);
  if (refusal != refusals.end()) made.refused_by = refusal->by;
  made.refused = nothing_moved && untouched && !made.refused_by.empty();
  return made;
}

// Pings still under way when the attack is over are waited for.
std::uint64_t lost(RunningGuest& guest) {
  const auto answer = guest.shell.finish(kCommand);
  const auto ping = answer ? lab::parse_ping(answer->text()) : std::nullopt;
  if (!ping) return kPings;
  return ping->sent - std::min(ping->sent, ping->received);
}

// The first domain that is a compute host's and not `domain`.
std::optional<pcie::Domain> another_host(const machine::Rack& rack, pcie::Domain domain) {
  for (std::size_t d = 1; d < rack.hosts.size(); ++d)
    if (pcie::Domain{static_cast<std::uint16_t>(d)} != domain)
      return pcie::Domain{static_cast<std::uint16_t>(d)};
  return std::nullopt;
}

std::expected<Target, std::string> full_target(machine::Runner& runner, pcie::Domain domain) {
  return runner.on_engine([&](Machine& machine) {
    auto target = trial::place_target(machine, domain);
    if (target) trial::fill(machine, *target, static_cast<std::uint64_t>(domain) + 1);
    return target;
  });
}

}  // namespace

lab::AttackReport attack(machine::Runner& runner, RunningGuest& attacker, std::vector<RunningGuest*> others) {
  lab::AttackReport report{.attacker = attacker.name()};
  const pcie::Domain home = attacker.domain();
  const auto neighbour = full_target(runner, home);
  if (!neighbour) return report;
  // A queue that was refused something stays stopped until its function is reset: each attempt has a queue of
  // its own.
  std::vector<Step> steps = {{"receive buffers in another tenant's memory on the same host",
                              fmt::format("vfpoke attack rx-write {:#x}", neighbour->at.bits()), &*neighbour},
                             {"transmit from another tenant's memory on the same host",
                              fmt::format("vfpoke attack tx-read {:#x}", neighbour->at.bits()), &*neighbour}};
  std::optional<Target> remote;
  if (const auto elsewhere = another_host(runner.machine().rack(), home)) {
    const auto window = runner.on_engine([&](Machine& machine) {
      return trial::bar_address(machine, trial::ntb_function(*elsewhere), spec::ntb::kDmaBar);
    });
    const auto target = full_target(runner, *elsewhere);
    if (!window || !target) return report;
    remote = *target;
    steps.push_back({"transmit ring in another host's memory, through its window",
                     fmt::format("vfpoke -q 1 attack tx-ring {:#x}", window->bits() + remote->at.bits()),
                     &*remote});
  }

  // Frames that would land in the attacker's receive buffers; whether they are answered is no one's loss.
  (void)others.front()->shell.run(fmt::format("ping -c 200 -i 0.05 {} >/dev/null 2>&1 &", attacker.address()),
                                  kCommand);
  for (std::size_t i = 0; i < others.size(); ++i) {
    const RunningGuest& peer = *others[(i + 1) % others.size()];
    (void)others[i]->shell.start(fmt::format("ping -c {} -i 0.3 -W 2 {}", kPings, peer.address()));
  }
  trial::Witness witness(runner);
  for (const Step& step : steps) report.attempts.push_back(attempt(runner, witness, attacker, step));
  for (RunningGuest* other : others) report.collateral_packets += lost(*other);
  return report;
}

}  // namespace ladon::app
