#include "descriptors/watch.h"

#include <cstring>

#include "client/pf_responder.h"
#include "input.h"

namespace ladon::fuzz::descriptors {

void fill_with_secret(Bytes memory) {
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte{kSecret[i % kSecret.size()]};
}

// Not for the fuzzer to look into: it would learn the secret from the comparison.
#ifdef __clang__
__attribute__((no_sanitize("coverage")))
#endif
bool holds_secret(ConstBytes bytes) {
  std::uint64_t secret = 0, last = 0;
  std::memcpy(&secret, kSecret.data(), sizeof secret);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    last = last >> 8 | static_cast<std::uint64_t>(bytes[i]) << 56;
    if (last == secret) return true;
  }
  return false;
}

void Watch::frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant) {
  using nic::TapPoint;
  ++passed;
  require(bytes.size() >= 14);
  require(!holds_secret(bytes));
  const auto destination = MacAddress::from_bits(load_le<std::uint64_t>(bytes.data()) & 0xFFFF'FFFF'FFFF);
  switch (point) {
    case TapPoint::vf_sent:
      ++seen[vf].sent_packets;
      seen[vf].sent_bytes += bytes.size();
      break;
    case TapPoint::vf_received:
      ++seen[vf].received_packets;
      seen[vf].received_bytes += bytes.size();
      return;
    case TapPoint::wire_sent:
      return;
    case TapPoint::wire_received:
      vf = kVfs;
      break;
  }
  // Nobody is in a VLAN: a frame to all of one is meant for none.
  const bool in_a_vlan = bytes.size() >= 16 && load_be<std::uint16_t>(bytes.data() + 12) == 0x8100 &&
                         (load_be<std::uint16_t>(bytes.data() + 14) & 0xFFF) != 0;
  for (std::uint16_t to = 0; to < kVfs; ++to) {
    const bool to_all = destination.bits() == 0xFFFF'FFFF'FFFF && !in_a_vlan;
    if (to != vf && (destination == client::PfResponder::mac_of(to) || to_all)) ++meant[to];
  }
}

}  // namespace ladon::fuzz::descriptors
