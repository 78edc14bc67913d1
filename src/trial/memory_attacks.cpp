// D1 to D3, D13: a guest's VF sent to memory that is not the guest's. N4: what whole-memory windows make
// reachable.
#include <fmt/format.h>

#include "trial/attacks.h"

namespace ladon::trial {
namespace {

using attack::judge;
using attack::skipped;

bool leaked(const Target& target, const std::vector<Frame>& loot) {
  return std::ranges::any_of(loot, [&](const Frame& frame) { return is_in(target, frame); });
}

// Writes and reads the target; `address` is what the VF emits.
Verdict reach(Stage& stage, const Target& target, std::uint64_t address, std::string_view what) {
  (void)stage.write_by_dma(address);
  const bool written = !stage.intact(target);
  const bool read = leaked(target, stage.read_by_dma(address, 512));
  return judge(written || read,
               fmt::format("{} was {}", what,
                           written && read ? "read and written"
                           : written       ? "written"
                                           : "read"),
               fmt::format("no byte of {} moved", what));
}

Verdict host_memory(Stage& stage) {
  const Target& target = stage.host_page(stage.home());
  return reach(stage, target, target.at.bits(), "its host's memory");
}

Verdict sibling_memory(Stage& stage) {
  if (stage.parts.sibling == nullptr) return skipped("no other guest is on its host");
  const Target& target = stage.page_of(*stage.parts.sibling);
  return reach(stage, target, target.at.bits(), "the other VM's memory");
}

Verdict stranger_by_window(Stage& stage) {
  if (stage.parts.stranger == nullptr) return skipped("the rack has no second compute host");
  const Target& target = stage.page_of(*stage.parts.stranger);
  return reach(stage, target, stage.in_window(target.domain, target.at), "the other host's memory");
}

Verdict stranger_by_offset(Stage& stage) {
  if (stage.parts.stranger == nullptr) return skipped("the rack has no second compute host");
  const Target& target = stage.page_of(*stage.parts.stranger);
  const std::uint64_t own = stage.in_window(stage.home(), BusAddr(0));
  const std::uint64_t there = stage.in_window(target.domain, target.at);
  if (there < own) return skipped("no host's window lies above the attacker's");
  return reach(stage, target, there - own, "the other host's memory");
}

// The last bytes of the guest's memory and on, over the end; likewise up to the end of the address space and
// into the target.
Verdict over_the_end(Stage& stage) {
  constexpr std::uint32_t kLength = 400;
  const Target& target = stage.host_page(stage.home());
  const std::uint64_t end = stage.self().placed.guest->memory;
  const std::array at = {end - 32, ~std::uint64_t{0} - 31, target.at.bits() - 32};
  const bool read = leaked(target, stage.read_by_dma(at, kLength));
  (void)stage.poke(fmt::format("-r -w 150 attack rx-write {:#x} {:#x}", at[0], at[2]));
  return judge(read || !stage.intact(target), "an access went over the end of the grant",
               "nothing past the end moved");
}

Verdict whole_memory(Stage& stage) {
  constexpr std::size_t kPages = 8;
  std::vector<std::uint64_t> addresses;
  std::vector<Target> targets;
  for (std::size_t i = 0; i < kPages; ++i) {
    targets.push_back(stage.host_page(stage.home(), i));
    addresses.push_back(targets.back().at.bits());
  }
  const auto loot = stage.read_by_dma(addresses, 1024);
  const auto found =
      std::ranges::count_if(targets, [&](const Target& target) { return leaked(target, loot); });
  return judge(found != 0, fmt::format("{} bytes of the host's memory were read", found * 1024),
               "0 bytes reached besides the VM's own");
}

constexpr std::array kAttacks = {
    GuestAttack{"D1", "", host_memory},         GuestAttack{"D2", "", sibling_memory},
    GuestAttack{"D3a", "", stranger_by_window}, GuestAttack{"D3b", "", stranger_by_offset},
    GuestAttack{"D13", "", over_the_end},       GuestAttack{"N4", "", whole_memory},
};

}  // namespace

std::span<const GuestAttack> memory_attacks() {
  return kAttacks;
}

}  // namespace ladon::trial
