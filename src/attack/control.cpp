// C4, C5, L5: words to the management host, through a VF's mailbox, an NTB's scratchpads, an old connection.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "attack/attack.h"
#include "host/control_channel.h"
#include "spec/ixgbevf.h"
#include "spec/ntb.h"
#include "spec/pf.h"

namespace ladon::attack {
namespace {

namespace control = host::control;
namespace regs = spec::ixgbevf;
namespace pf = spec::pf;

Verdict foreign_address(Scene& scene) {
  const auto victim = scene.parts.peer;
  if (!victim) return skipped("no other guest has a VF of this NIC");
  (void)scene.driver(scene.me()).set_mac(scene.guest(*victim).mac);
  const Frame frame = scene.frame_to(scene.guest(*victim).mac, Scene::outside(), 90);
  bool received = false;
  scene.bed.inject(scene.guest(*victim).nic, frame);
  scene.run();
  while (const auto got = scene.driver(scene.me()).rx().receive()) received |= got->bytes == frame;
  return judge(received, "a VF received frames for another's address", "the address stays another's");
}

Verdict mailbox_flood(Scene& scene) {
  constexpr std::uint32_t kMessages = 500, kFair = 300;
  client::Mmio& registers = scene.bed.registers(scene.me());
  std::uint32_t answered = 0;
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    registers.write32(regs::kMailbox, regs::kMailboxVfu);
    registers.write32(regs::kMailboxMemory, regs::kMessageGetQueues);
    registers.write32(regs::kMailbox, regs::kMailboxReq);
    for (int turn = 0; turn < 3; ++turn) {
      scene.bed.step();
      if ((registers.read32(regs::kMailbox) & regs::kMailboxPfSts) != 0) {
        ++answered;
        break;
      }
    }
    registers.write32(regs::kMailbox, regs::kMailboxAck);
  }
  return judge(answered > kFair, fmt::format("{} messages were answered without a pause", answered),
               fmt::format("no answer after {} messages", answered));
}

// Whether the rings of a guest's VF run, as the management host sees it.
bool enabled(Scene& scene, const Guest& guest) {
  const BusAddr at(scene.bed.nics()[guest.nic].registers.bits() + pf::kVf + guest.vf * pf::kVfStride +
                   pf::kVfControl);
  return (scene.host(pcie::kManagementDomain).load32(at).value_or(0) & pf::kVfEnable) != 0;
}

// A host's part that lies: the guests of every slot are gone, it says.
Verdict speak_for_others(Scene& scene) {
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < scene.bed.guests().size(); ++i)
    if (scene.guest(i).host != scene.self().host && enabled(scene, scene.guest(i))) others.push_back(i);
  if (others.empty()) return skipped("the rack has guests on one host alone");
  // What it says of its own guests is its own affair.
  if (scene.parts.sibling) scene.leave_out(*scene.parts.sibling);
  control::Channel channel(
      control::ntb_port(scene.bed.bridge(scene.self().host), scene.ntb_of(scene.self().host)->link_control),
      control::Side::part);
  channel.start([] {}, [](const control::Message&) {});
  for (std::uint8_t slot = 0; slot < 8; ++slot) channel.send(control::Detach{slot});
  bool stopped = false;
  for (int i = 0; i < 200; ++i) {
    scene.run(1);
    channel.poll();
    for (const std::size_t other : others) stopped |= !enabled(scene, scene.guest(other));
  }
  return judge(stopped, "a compute host stopped a VF of another's", "no other host's VF was touched");
}

Verdict replaced_manager(Scene& scene) {
  host::HostBridge* const ghost = scene.bed.replaced_manager();
  if (ghost == nullptr) return skipped("no socket for a second management program");
  const BusAddr link(scene.ntb_of(scene.self().host)->control.bits() + spec::ntb::kLink);
  std::optional<host::Result> answer;
  ghost->submit(host::Store{link, 4, 0}, [&](host::Result result) { answer = std::move(result); });
  for (int i = 0; i < 50 && !answer; ++i) scene.bed.turn();
  const bool down = scene.host(pcie::kManagementDomain).load32(link) == 0u;
  Verdict verdict = judge(down, "a management program that was replaced took a link down",
                          "the old program's requests are not carried out");
  if (answer && !*answer) {
    verdict.by = fmt::format("{}/bridge: {}", scene.bed.hosts().front(), name(answer->error()));
    verdict.attributed_to = "the replaced management program";
  }
  return verdict;
}

constexpr std::array kAttacks = {
    Attack{"C4a",
           "another guest's address, asked for in the mailbox",
           Party::vf,
           {{}, Mutant::trust_everyone},
           foreign_address},
    Attack{"C4b", "mailbox flood", Party::vf, {{}, Mutant::no_mailbox_limit}, mailbox_flood},
    Attack{"C5",
           "a host's part that speaks for the VFs of others",
           Party::ch,
           {{}, Mutant::believe_any_host},
           speak_for_others},
    Attack{
        "L5", "a management program that was replaced", Party::mh, {{}, Mutant::no_fence}, replaced_manager},
};

}  // namespace

std::span<const Attack> control_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
