// Which guest has which address, in which VLAN. It holds what was assigned and learns nothing: no guest can
// draw another's frames to itself, nor fill it.
#pragma once

#include <array>
#include <cstdint>

#include "base/mac.h"

namespace ladon::para {

inline constexpr unsigned kMaxGuests = 64;

// An address within a VLAN: the address as MacAddress::bits() has it, the VLAN above.
[[nodiscard]] constexpr std::uint64_t station(std::uint64_t mac, std::uint16_t vlan) {
  return mac | std::uint64_t{vlan} << 48;
}

class AddressTable {
 public:
  static constexpr unsigned kNobody = kMaxGuests;

  // `station` is not zero; `guest` < kMaxGuests. False if it belongs to somebody, or the table is full.
  [[nodiscard]] bool insert(std::uint64_t station, unsigned guest);
  void erase(std::uint64_t station);
  [[nodiscard]] unsigned find(std::uint64_t station) const {
    for (std::size_t at = slot_of(station);; at = (at + 1) % kSlots)
      if (slots_[at].station == station || slots_[at].station == 0) return slots_[at].guest;
  }

 private:
  static constexpr std::size_t kSlots = 4 * kMaxGuests;  // at most a quarter full
  struct Slot {
    std::uint64_t station = 0;  // 0: free
    unsigned guest = kNobody;
  };
  [[nodiscard]] static std::size_t slot_of(std::uint64_t station) {
    return (station * 0x9E37'79B9'7F4A'7C15u) >> 56;  // Fibonacci hashing: the top eight bits
  }
  static_assert(kSlots == 256);

  std::array<Slot, kSlots> slots_{};
  unsigned count_ = 0;
};

}  // namespace ladon::para
