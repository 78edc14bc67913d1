#include "nic/switch.h"

#include <bit>

namespace ladon::nic {

namespace {
constexpr std::uint64_t kBroadcast = 0xFFFF'FFFF'FFFF;
}

void Switch::clear_addresses() {
  slots_.fill({});
}

void Switch::add_address(MacAddress mac, std::uint16_t vf) {
  std::size_t at = hash(mac.bits());
  while (slots_[at].owners != 0 && slots_[at].mac != mac.bits()) at = (at + 1) % kSlots;
  slots_[at].mac = mac.bits();
  slots_[at].owners |= VfMask{1} << vf;
}

void Switch::forget(std::uint16_t vf) {
  const VfMask others = ~(VfMask{1} << vf);
  broadcast &= others;
  all_multicast &= others;
  by_hash &= others;
  promiscuous &= others;
  clear_multicast(vf);
}

VfMask Switch::group(std::uint64_t mac) const {
  if (mac == kBroadcast) return broadcast | promiscuous;
  VfMask found = all_multicast | promiscuous;
  for (VfMask candidates = by_hash & ~found; candidates != 0; candidates &= candidates - 1) {
    const auto vf = static_cast<std::size_t>(std::countr_zero(candidates));
    if (multicast_[vf].test(mac >> 36)) found |= VfMask{1} << vf;
  }
  return found;
}

}  // namespace ladon::nic
