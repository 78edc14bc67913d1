// I1 to I5: interrupts that a guest's VF has no right to. What it receives ends in made-up messages, and its
// receive buffers lie where messages go.
#include <fmt/format.h>

#include "spec/ixgbevf.h"
#include "spec/ntb.h"
#include "spec/pci.h"
#include "trial/attacks.h"

namespace ladon::trial {
namespace {

using attack::judge;
using attack::skipped;
using machine::Machine;

namespace pci = spec::pci;
namespace regs = spec::ixgbevf;

// VT-d 5.1.2.2: handle in [19:5], remappable format in [4], sub-handle valid in [3].
constexpr std::uint64_t remappable(std::uint32_t handle) {
  return std::uint64_t{handle} << 5 | 1u << 4;
}
constexpr std::uint64_t kSubhandle = 1u << 3;
// So often each address gets a message: once for each word that the frames end in.
constexpr unsigned kRounds = 8;

template <class IsOne>
bool arrived(Stage& stage, IsOne is_one) {
  return std::ranges::any_of(stage.witness.interrupts(), is_one);
}

Requesters own_ids(Stage& stage) {
  return stage.look([&](Machine& machine) { return requesters(machine, stage.self()); });
}

bool has_vector(const Stage& stage, const RunningGuest& guest, std::uint32_t vector) {
  const auto all = stage.vectors_of(guest);
  return std::ranges::find(all, vector) != all.end();
}

Verdict at_management(Stage& stage, std::span<const std::uint64_t> addresses, unsigned rounds) {
  const pcie::Sbdf own = own_ids(stage).management;
  (void)stage.write_by_dma(addresses, rounds);
  const auto is_one = [&](const attack::Interrupt& one) {
    return one.host == pcie::kManagementDomain && one.source == own;
  };
  return judge(arrived(stage, is_one), "the management host took an interrupt that a guest made up",
               "the management host took none");
}

Verdict forge_at_management(Stage& stage) {
  const std::array at = {std::uint64_t{pci::kInterruptBase}};
  return at_management(stage, at, kRounds);
}

Verdict handles_at_management(Stage& stage) {
  std::vector<std::uint64_t> at;
  for (std::uint32_t handle = 0; handle < 8; ++handle) at.push_back(pci::kInterruptBase + remappable(handle));
  return at_management(stage, at, 1);
}

Verdict through_ntb(Stage& stage) {
  if (stage.parts.stranger == nullptr) return skipped("the rack has no second compute host");
  const pcie::Domain there = stage.parts.stranger->place->placed.domain;
  const auto window = stage.look(
      [&](Machine& machine) { return bar_address(machine, ntb_function(there), spec::ntb::kMsiBar); });
  if (!window) return skipped("the other host's NTB has no interrupt window");
  const std::array at = {window->bits(), window->bits() + remappable(0), window->bits() + remappable(1)};
  (void)stage.write_by_dma(at, kRounds / 2);
  // Of the words that the frames end in, those that are nobody's vector there.
  const auto is_one = [&](const attack::Interrupt& one) {
    return one.host == there && (one.vector == 0x80 || one.vector < 32);
  };
  return judge(arrived(stage, is_one), "another host took an interrupt of this VF",
               "the other host took none");
}

// The MiB through which its VF raises interrupts of its own host.
std::uint64_t message_window(const MessageEntry& entry) {
  return entry.address & ~std::uint64_t{pci::kInterruptLength - 1};
}

Verdict handle_of_sibling(Stage& stage) {
  if (stage.parts.sibling == nullptr) return skipped("no other guest is on its host");
  std::vector<std::uint64_t> at;
  for (std::uint16_t v = 0; v < regs::kVectors; ++v) {
    const auto entry =
        stage.look([&](Machine& machine) { return message_entry(machine, *stage.parts.sibling->place, v); });
    if (entry.address != 0) at.push_back(entry.address);
  }
  if (at.empty()) return skipped("the other guest has no interrupts");
  at.push_back(at.front() & ~std::uint64_t{pci::kInterruptLength - 1});
  const pcie::Sbdf own = own_ids(stage).own;
  (void)stage.write_by_dma(at, kRounds / 2);
  const auto is_one = [&](const attack::Interrupt& one) {
    return one.host == stage.home() && one.source == own &&
           has_vector(stage, *stage.parts.sibling, one.vector);
  };
  return judge(arrived(stage, is_one), "the VF raised an interrupt of another VM",
               "no vector of the other VM came from it");
}

Verdict malformed(Stage& stage) {
  const RunningGuest* any = stage.parts.sibling;
  if (any == nullptr) return skipped("no other guest is on its host");
  const auto entry = stage.look([&](Machine& machine) { return message_entry(machine, *any->place, 0); });
  const std::uint64_t window = message_window(entry);
  if (window == 0) return skipped("the other guest has no interrupts");
  const std::array at = {window | remappable(0) | kSubhandle, window, window | 0xF'FFF0};
  const pcie::Sbdf own = own_ids(stage).own;
  (void)stage.write_by_dma(at, 2);
  // A whole frame is no message.
  (void)stage.poke(fmt::format("-r -w 150 attack rx-write {:#x}", window));
  stage.remember(window);
  const auto is_one = [&](const attack::Interrupt& one) {
    return one.host == stage.home() && one.source == own &&
           !has_vector(stage, *stage.parts.attacker, one.vector);
  };
  return judge(arrived(stage, is_one), "its host took an interrupt that it never gave out",
               "its host took nothing but what it gave out");
}

// By the guest's own processor, through BAR 3: the entry for its second vector, and on to the pending bits.
Verdict table_by_guest(Stage& stage) {
  constexpr std::array<std::uint32_t, 4> kWords = {static_cast<std::uint32_t>(pci::kInterruptBase), 0, 0x80,
                                                   0};
  const auto table = [&] {
    return stage.look([&](Machine& machine) {
      std::array<MessageEntry, regs::kVectors> all;
      for (std::uint16_t v = 0; v < regs::kVectors; ++v) all[v] = message_entry(machine, stage.self(), v);
      return all;
    });
  };
  const auto before = table();
  for (const std::uint32_t base : {16u, 16u * regs::kVectors, regs::kMsixPendingOffset})
    for (std::uint32_t i = 0; i < kWords.size(); ++i)
      (void)stage.poke(fmt::format("-b 3 write {:#x} {:#x}", base + 4 * i, kWords[i]));
  return judge(table() != before, "the VF's interrupt table holds what the guest wrote",
               "the table is as its host wrote it");
}

constexpr std::array kAttacks = {
    GuestAttack{"I1a", "", forge_at_management},
    GuestAttack{"I1b", "", handles_at_management},
    GuestAttack{"I2", "", through_ntb},
    GuestAttack{"I3", "", handle_of_sibling},
    GuestAttack{"I4", "", malformed},
    GuestAttack{"I5a", "", table_by_guest},
};

}  // namespace

std::span<const GuestAttack> interrupt_attacks() {
  return kAttacks;
}

}  // namespace ladon::trial
