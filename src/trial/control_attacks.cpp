// C1, C4: words to the management host, in a guest's configuration space and its VF's mailbox.
#include <fmt/format.h>

#include "spec/ixgbevf.h"
#include "trial/attacks.h"

namespace ladon::trial {
namespace {

using attack::judge;
using attack::skipped;
using machine::Machine;

namespace regs = spec::ixgbevf;

// Every double word of its 4 KiB, BARs, capabilities and what lies beyond: all ones, all zeros, and back.
// Judged by the real functions' configuration space, its own VF's with them.
Verdict own_configuration(Stage& stage) {
  const std::size_t nic = stage.self().placed.guest->vf->nic;
  const auto all = [&] { return stage.look([&](Machine& machine) { return configuration(machine, nic); }); };
  const auto before = all();
  const Answer said = stage.poke("sweep");
  if (said.number("written") == 0) return skipped("the guest's kernel lets nobody write: " + said.text);
  const bool works = stage.poke("reset").done;
  Verdict verdict = judge(all() != before, "configuration space of a function of the NIC has changed",
                          fmt::format("all functions' configuration space is as it was{}",
                                      works ? "" : "; the guest has lost the use of its own VF"));
  verdict.by = stage.self().placed.host->name + "/slot: a configuration space of the guest's own";
  verdict.attributed_to = stage.parts.attacker->name();
  return verdict;
}

Verdict foreign_address(Stage& stage) {
  const RunningGuest* victim = stage.parts.sibling != nullptr ? stage.parts.sibling : stage.parts.stranger;
  if (victim == nullptr) return skipped("the rack has no other guest");
  const MacAddress wanted = stage.mac_of(*victim);
  (void)stage.poke(fmt::format("-r mail {:#x} {:#x} {:#x}", regs::kMessageSetMac,
                               static_cast<std::uint32_t>(wanted.bits()), wanted.bits() >> 32));
  const auto& vf = *stage.self().placed.guest->vf;
  const MacAddress has = stage.look([&](Machine& machine) { return machine.nic(vf.nic).mac(vf.index); });
  return judge(has == wanted, "the VF has another guest's address", "the address stays another's");
}

// More than the limit of any second, and what that leaves of a driver's own messages.
Verdict mailbox_flood(Stage& stage) {
  constexpr std::uint64_t kASecond = 256, kMessages = 3000;
  const Answer said = stage.poke(fmt::format("-r flood {} {:#x}", kMessages, regs::kMessageGetLinkState));
  const std::uint64_t seconds = said.number("milliseconds") / 1000 + 2;
  const std::uint64_t answered = said.number("answered");
  if (said.number("messages") == 0) return skipped("no message was sent: " + said.text);
  return judge(answered > kASecond * seconds || answered == kMessages,
               fmt::format("{} of {} messages were answered", answered, kMessages),
               fmt::format("{} of {} messages were answered in {:.1f} s", answered, kMessages,
                           static_cast<double>(said.number("milliseconds")) / 1000));
}

constexpr std::array kAttacks = {
    GuestAttack{"C1", "all of its own configuration space, written", own_configuration},
    GuestAttack{"C4a", "", foreign_address},
    GuestAttack{"C4b", "", mailbox_flood},
};

}  // namespace

std::span<const GuestAttack> control_attacks() {
  return kAttacks;
}

}  // namespace ladon::trial
