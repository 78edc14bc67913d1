#include "app/demo_attack.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "lab/traffic.h"
#include "machine/synthetic_guest.h"

namespace ladon::app {
namespace {

using machine::Machine;

constexpr std::uint64_t kTargetBytes = 2 << 20;
constexpr std::byte kCanary{0xC5};
constexpr std::uint32_t kTargetOwner = ~0u;  // no guest's
constexpr unsigned kPings = 20;
constexpr Duration kCommand = std::chrono::seconds(60);

// Memory of another tenant, full of canary bytes, at a host.
struct Target {
  pcie::Domain domain{};
  BusAddr at;
  MemoryFile memory;

  [[nodiscard]] bool untouched() const {
    const std::byte* bytes = memory.mapped_or_null();
    return std::all_of(bytes, bytes + kTargetBytes, [](std::byte b) { return b == kCanary; });
  }
};

std::expected<Target, std::string> place_target(Machine& machine, pcie::Domain domain) {
  auto fd = machine::sealed_memory(kTargetBytes);
  if (!fd) return std::unexpected(fd.error());
  std::expected<BusAddr, std::string> at = std::unexpected("a target's memory cannot be placed");
  machine.host(domain).add_program().submit(
      host::PinMemory{.fd = fd->get(), .length = kTargetBytes, .owner = kTargetOwner},
      [&](host::Result result) {
        if (result) at = std::get<host::Pinned>(*result).at;
      });
  if (!at) return std::unexpected(at.error());
  auto memory = MemoryFile::open(std::move(*fd));
  if (!memory) return std::unexpected(std::string(name(memory.error())));
  std::fill_n(memory->mapped_or_null(), kTargetBytes, kCanary);
  return Target{domain, *at, std::move(*memory)};
}

// The latest refusal of this guest's VF at that address, as the table that refused it recorded it; empty if
// the tables would let it through.
std::string refused_by(Machine& machine, std::size_t guest, std::uint64_t address) {
  const pcie::Transaction own = dma_transaction(machine, guest, Iova(address), 4, pcie::Access::read);
  for (const pcie::Access access : {pcie::Access::read, pcie::Access::write}) {
    pcie::Transaction probe = own;
    probe.access = access;
    const auto way = fabric::resolve(*machine.fabric().tables(), probe);
    if (!way.refused()) return {};
  }
  // Each host knows the VF by another requester ID.
  const machine::GuestPlace& place = machine.guests()[guest];
  const auto by_guest = [&](const machine::RecordedFault& fault) {
    return fault.where == place.placed.domain ? fault.fault.rid.bdf == place.slot->vf_slot().requester()
                                              : fault.where == own.domain && fault.fault.rid == own.rid;
  };
  constexpr std::uint64_t kNear = ~std::uint64_t{0xFFFFF};
  for (auto fault = machine.faults().rbegin(); fault != machine.faults().rend(); ++fault)
    if (by_guest(*fault) && (fault->fault.address & kNear) == (address & kNear)) return fault->fault.reason;
  return {};
}

struct Step {
  std::string what, command;
  std::uint64_t address = 0;
  const Target* target = nullptr;
};

lab::AttackReport::Attempt attempt(machine::Runner& runner, RunningGuest& attacker, std::size_t index,
                                   const Step& step) {
  lab::AttackReport::Attempt made{.what = step.what};
  const auto answer = attacker.shell.run(step.command, kCommand);
  const auto moved = [](const std::string& line) { return line == "moved=0"; };
  made.output = answer ? answer->text() : answer.error();
  const bool nothing_moved = answer && answer->status == 0 && std::ranges::any_of(answer->lines, moved);
  made.refused_by =
      runner.on_engine([&](Machine& machine) { return refused_by(machine, index, step.address); });
  made.refused = nothing_moved && step.target->untouched() && !made.refused_by.empty();
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

}  // namespace

lab::AttackReport attack(machine::Runner& runner, RunningGuest& attacker, std::vector<RunningGuest*> others) {
  lab::AttackReport report{.attacker = attacker.name()};
  const auto& guests = runner.machine().guests();
  const auto index = static_cast<std::size_t>(attacker.place - guests.data());
  const pcie::Domain home = attacker.place->placed.domain;
  const auto elsewhere = another_host(runner.machine().rack(), home);

  const auto neighbour = runner.on_engine([&](Machine& machine) { return place_target(machine, home); });
  const auto remote =
      elsewhere ? runner.on_engine([&](Machine& machine) { return place_target(machine, *elsewhere); })
                : std::unexpected<std::string>("one compute host only");
  if (!neighbour || !remote) return report;
  // Host k's memory through its NTB's window: the global address allocation, (k + 1) << 36.
  const std::uint64_t window = (static_cast<std::uint64_t>(*elsewhere) + 1) << 36;

  // Frames that would land in the attacker's receive buffers; whether they are answered is no one's loss.
  (void)others.front()->shell.run(fmt::format("ping -c 200 -i 0.05 {} >/dev/null 2>&1 &", attacker.address()),
                                  kCommand);
  for (std::size_t i = 0; i < others.size(); ++i) {
    const RunningGuest& peer = *others[(i + 1) % others.size()];
    (void)others[i]->shell.start(fmt::format("ping -c {} -i 0.3 -W 2 {}", kPings, peer.address()));
  }
  // A queue that was refused something stays stopped until its function is reset: each attempt has a queue of
  // its own.
  const std::array steps = {
      Step{"receive buffers in another tenant's memory on the same host",
           fmt::format("vfpoke attack rx-write {:#x}", neighbour->at.bits()), neighbour->at.bits(),
           &*neighbour},
      Step{"transmit from another tenant's memory on the same host",
           fmt::format("vfpoke attack tx-read {:#x}", neighbour->at.bits()), neighbour->at.bits(),
           &*neighbour},
      Step{"transmit ring in another host's memory, through its window",
           fmt::format("vfpoke -q 1 attack tx-ring {:#x}", window + remote->at.bits()),
           window + remote->at.bits(), &*remote},
  };
  for (const Step& step : steps) report.attempts.push_back(attempt(runner, attacker, index, step));
  for (RunningGuest* other : others) report.collateral_packets += lost(*other);
  return report;
}

}  // namespace ladon::app
