// The switch inside the device: which virtual functions a destination address reaches. A small hash table of
// unicast addresses, a 4096-bit multicast hash per function, and masks of who takes what.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <vector>

#include "base/mac.h"

namespace ladon::nic {

// Bit i: VF i.
using VfMask = std::uint64_t;

class Switch {
 public:
  explicit Switch(std::uint16_t vfs) : multicast_(vfs) {}

  // Unicast addresses: each may belong to several functions. Rebuilt whole: addresses change rarely.
  void clear_addresses();
  void add_address(MacAddress mac, std::uint16_t vf);
  // Whose address it is; 0 if nobody's. `mac` as MacAddress::bits() has it.
  [[nodiscard]] VfMask owners(std::uint64_t mac) const {
    for (std::size_t at = hash(mac);; at = (at + 1) % kSlots)
      if (slots_[at].mac == mac || slots_[at].owners == 0) return slots_[at].owners;
  }

  // Who takes broadcasts, all multicasts, multicasts by hash, everything.
  VfMask broadcast = 0, all_multicast = 0, by_hash = 0, promiscuous = 0;
  // The function gets none of these.
  void forget(std::uint16_t vf);

  // `hash`: bits 47..36 of the address (MO = 0; 82599 Datasheet 7.1.1.2, 8.2.3.7.7).
  void add_multicast(std::uint16_t vf, std::uint16_t hash) { multicast_[vf].set(hash & 0xFFF); }
  void clear_multicast(std::uint16_t vf) { multicast_[vf].reset(); }

  // Everybody that a frame to `mac` is for.
  [[nodiscard]] VfMask receivers(std::uint64_t mac) const {
    if ((mac & 1) == 0) [[likely]]
      return owners(mac) | promiscuous;
    return group(mac);
  }

 private:
  // At most 63 own addresses and 128 filters: a quarter full.
  static constexpr std::size_t kSlots = 1024;
  struct Slot {
    std::uint64_t mac = 0;
    VfMask owners = 0;  // 0: free
  };
  [[nodiscard]] static std::size_t hash(std::uint64_t mac) {
    return (mac * 0x9E37'79B9'7F4A'7C15u) >> 54;  // Fibonacci hashing: the top ten bits
  }
  [[nodiscard]] VfMask group(std::uint64_t mac) const;

  std::array<Slot, kSlots> slots_{};
  std::vector<std::bitset<4096>> multicast_;
};

}  // namespace ladon::nic
