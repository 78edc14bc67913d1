// D8, Q1, Q5a, Q7, Q8, S2: what a guest's VF may send, use up or bring to a halt.
#include <fmt/format.h>

#include <thread>

#include "machine/synthetic_guest.h"
#include "spec/ixgbevf.h"
#include "spec/pf.h"
#include "trial/attacks.h"

namespace ladon::trial {
namespace {

using attack::judge;
using attack::skipped;
using machine::Machine;

namespace pf = spec::pf;
namespace regs = spec::ixgbevf;

constexpr MacAddress kOutside{{0x02, 0xFF, 0, 0, 0, 0x01}};

const RunningGuest* other_guest(const Stage& stage) {
  return stage.parts.sibling != nullptr ? stage.parts.sibling : stage.parts.stranger;
}

bool seen(Stage& stage, const MacAddress& from, const MacAddress& to) {
  return std::ranges::any_of(stage.witness.frames(), [&](const SeenFrame& frame) {
    return frame.type() == kPlay && frame.from() == from && frame.to() == to;
  });
}

// What the attacker was refused for this reason.
std::optional<attack::Count> counted(Stage& stage, std::string_view reason) {
  for (const attack::Count& count : stage.witness.counts())
    if (count.reason == reason && count.who == stage.parts.attacker->name()) return count;
  return std::nullopt;
}

// A frame whose source address changes between the NIC's look at it and its sending.
Verdict changing_frame(Stage& stage) {
  const RunningGuest* victim = other_guest(stage);
  if (victim == nullptr) return skipped("nobody else's address to send under");
  // What the NIC reads is a matter of chance: until it has read the other's address at least once.
  constexpr int kTries = 20;
  std::uint64_t sent = 0;
  for (int i = 0; i < kTries && !counted(stage, "tx_spoofed"); ++i) {
    const Answer said = stage.poke(fmt::format("-n 40 race {}", to_string(stage.mac_of(*victim))));
    sent += said.number("sent");
    if (sent == 0) return skipped("no frame was sent: " + said.text);
  }
  return judge(seen(stage, stage.mac_of(*victim), kOutside),
               "a frame left under another guest's address, which it did not have when it was checked",
               fmt::format("{} frames were sent, none under the other's address", sent));
}

// It takes no frames; whoever sends to it must not have to wait.
Verdict no_buffers(Stage& stage) {
  RunningGuest& sender = *stage.parts.helper;
  const std::string to = to_string(stage.mac_of(*stage.parts.attacker));
  // Its 63 buffers are full at once, and stay so while the others send.
  stage.begin_poke("-r -w 2500 attack rx-write own");
  (void)run(sender, fmt::format("frames eth0 {} {:#x} 200 400 0", to, kFill));
  (void)run(sender, fmt::format("frames eth0 {} {:#x} 333 1 0", to_string(kOutside), kPlay));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const bool went = seen(stage, stage.mac_of(sender), kOutside);
  (void)stage.end_poke();
  Verdict verdict = judge(!went, "a neighbour's queue waits for a VF that takes no frames",
                          "its frames are dropped, the neighbour's next one went out");
  // Its queue is off before and after, and frames are dropped for that too.
  if (const auto count = counted(stage, "rx_no_descriptor"))
    verdict.by = fmt::format("{}: {}", count->where, count->reason), verdict.attributed_to = count->who;
  return verdict;
}

Verdict pause_frames(Stage& stage) {
  (void)stage.poke(fmt::format("-r -w 100 -n 20 -l 50 send 01:80:c2:00:00:01 {} {:#x}",
                               to_string(stage.mac_of(*stage.parts.attacker)), kMacControl));
  const bool left = std::ranges::any_of(stage.witness.frames(),
                                        [](const SeenFrame& frame) { return frame.type() == kMacControl; });
  return judge(left, "a pause frame of a VF left the NIC's switch", "no pause frame went anywhere");
}

std::uint32_t filters_of(Machine& machine, const machine::GuestPlace& guest) {
  const auto& vf = *guest.placed.guest->vf;
  pcie::Function* const device = machine.fabric().function({.index = static_cast<std::uint16_t>(vf.nic)});
  std::uint32_t taken = 0;
  for (std::uint32_t i = 0; i < pf::kFilterCount; ++i)
    taken += device->register_read(0, pf::kFilters + i * pf::kFilterStride + pf::kFilterVf, 4) ==
             (vf.index | 1u << 31);
  return taken;
}

Verdict all_filters(Stage& stage) {
  const Answer said = stage.poke(
      fmt::format("-r -n {} mail {:#x} 0x5502 1", pf::kFilterCount, regs::kMessageSetMacVlan | 1u << 16));
  const std::uint32_t taken = stage.look([&](Machine& machine) { return filters_of(machine, stage.self()); });
  return judge(taken >= pf::kFilterCount, "one VF has all address filters of the NIC",
               fmt::format("it has {} of {} address filters after {} messages", taken, pf::kFilterCount,
                           said.number("answered")));
}

// A storm of refused accesses must not hide a neighbour's, nor fill the management host's log.
Verdict fault_storm(Stage& stage) {
  constexpr std::uint64_t kNowhere = std::uint64_t{1} << 52;
  constexpr std::size_t kLinesASecond = 40;
  RunningGuest* const neighbour = stage.parts.helper;
  const auto began = std::chrono::steady_clock::now();
  stage.remember(kNowhere);
  stage.excuse(*neighbour);
  const Answer said = stage.poke(fmt::format("-r -w 0 -n 25 attack tx-ring {:#x}", kNowhere));
  stage.look([&](Machine& machine) {
    const auto index = static_cast<std::size_t>(neighbour->place - machine.guests().data());
    (void)machine.live().follow(
        machine::dma_transaction(machine, index, Iova(kNowhere), 4, pcie::Access::read));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const auto lines = stage.log.lines(stage.parts.attacker->name()).size();
  const bool hidden = stage.log.lines(neighbour->name()).empty();
  const bool filled = static_cast<double>(lines) > kLinesASecond * (seconds + 1);
  return judge(hidden || filled,
               hidden ? "a neighbour's fault is missing from the log" : "the log was filled by one guest",
               fmt::format("{} refusals gave {} lines in {:.1f} s, the neighbour's fault among others",
                           said.number("tried"), lines, seconds));
}

Verdict spoofed_source(Stage& stage) {
  const RunningGuest* victim = other_guest(stage);
  if (victim == nullptr) return skipped("nobody else's address to send under");
  (void)stage.poke(fmt::format("-r -w 100 -n 10 send {} {} {:#x}", to_string(kOutside),
                               to_string(stage.mac_of(*victim)), kPlay));
  return judge(seen(stage, stage.mac_of(*victim), kOutside), "a frame went out under another guest's address",
               "no such frame left the NIC");
}

constexpr std::array kAttacks = {
    GuestAttack{"D8", "", changing_frame}, GuestAttack{"Q1", "", no_buffers},
    GuestAttack{"Q5a", "", pause_frames},  GuestAttack{"Q7", "", all_filters},
    GuestAttack{"Q8", "", fault_storm},    GuestAttack{"S2", "", spoofed_source},
};

}  // namespace

std::span<const GuestAttack> queue_attacks() {
  return kAttacks;
}

}  // namespace ladon::trial
