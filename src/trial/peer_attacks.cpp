// P1, P2: a guest's VF sent to registers: another VF's, the PF's, its own.
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

// Two words of the hash key, which ixgbevf sets when it starts, to something random.
constexpr std::uint32_t kMarked = regs::kRssKey;

std::uint64_t key_of(Stage& stage, const machine::GuestPlace& guest) {
  return stage.look([&](Machine& machine) {
    return std::uint64_t{vf_register(machine, guest, regs::kRegisterBar, kMarked + 4)} << 32 |
           vf_register(machine, guest, regs::kRegisterBar, kMarked);
  });
}

std::uint64_t registers_of(Stage& stage, const machine::GuestPlace& guest, std::uint8_t bar) {
  return stage.look([&](Machine& machine) { return bar_address(machine, vf_function(guest), bar); })
      .value_or(BusAddr(0))
      .bits();
}

const RunningGuest* other_guest(const Stage& stage) {
  return stage.parts.sibling != nullptr ? stage.parts.sibling : stage.parts.stranger;
}

Verdict write_vf_registers(Stage& stage) {
  const RunningGuest* victim = other_guest(stage);
  if (victim == nullptr) return skipped("the rack has no other guest");
  const std::uint64_t before = key_of(stage, *victim->place);
  (void)stage.write_by_dma(registers_of(stage, *victim->place, regs::kRegisterBar) + kMarked);
  return judge(key_of(stage, *victim->place) != before, "another VF's registers were written",
               "the other VF's registers are as they were");
}

Verdict read_vf_registers(Stage& stage) {
  const RunningGuest* victim = other_guest(stage);
  if (victim == nullptr) return skipped("the rack has no other guest");
  const std::uint64_t key = key_of(stage, *victim->place);
  if (key == 0) return skipped("the other guest's driver has set no hash key");
  const auto loot = stage.read_by_dma(registers_of(stage, *victim->place, regs::kRegisterBar) + kMarked, 64);
  const auto is_key = [&](const Frame& frame) {
    return frame.size() >= 8 && load_le<std::uint64_t>(frame.data()) == key;
  };
  return judge(std::ranges::any_of(loot, is_key), "another VF's registers were read", "no register was read");
}

// The longest frame that another VF may receive: the management host's to say.
Verdict write_pf_registers(Stage& stage) {
  const RunningGuest* victim = other_guest(stage);
  if (victim == nullptr) return skipped("the rack has no other guest");
  const auto& vf = *victim->place->placed.guest->vf;
  const fabric::FunctionId function{.index = static_cast<std::uint16_t>(vf.nic)};
  const std::uint32_t offset = pf::kVf + vf.index * pf::kVfStride + pf::kVfMaxFrame;
  const auto limit = [&] {
    return stage.look(
        [&](Machine& machine) { return machine.fabric().function(function)->register_read(0, offset, 4); });
  };
  const auto base = stage.look([&](Machine& machine) { return bar_address(machine, function, 0); });
  const auto before = limit();
  (void)stage.write_by_dma(base.value_or(BusAddr(0)).bits() + offset);
  return judge(limit() != before, "the PF's registers were written", "the PF's registers are as they were");
}

Verdict own_registers(Stage& stage) {
  const auto entry = [&] {
    return stage.look([&](Machine& machine) { return message_entry(machine, stage.self(), 1); });
  };
  const auto before = entry();
  const std::array at = {registers_of(stage, stage.self(), regs::kMsixBar) + 16,
                         registers_of(stage, stage.self(), regs::kRegisterBar) + kMarked};
  (void)stage.write_by_dma(at);
  return judge(entry() != before || key_of(stage, stage.self()) != 0,
               "the VF wrote its own registers and interrupt table by DMA", "its own BARs are no target");
}

constexpr std::array kAttacks = {
    GuestAttack{"P1a", "", write_vf_registers},
    GuestAttack{"P1b", "", write_pf_registers},
    GuestAttack{"P1c", "", read_vf_registers},
    GuestAttack{"P2", "", own_registers},
};

}  // namespace

std::span<const GuestAttack> peer_attacks() {
  return kAttacks;
}

}  // namespace ladon::trial
