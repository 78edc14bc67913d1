// Sees every frame that passes the switch: nothing that is a neighbour's may leave with a guest's frames, and
// each frame is delivered or counted.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/mac.h"
#include "nic/nic.h"

namespace ladon::fuzz::descriptors {

// Is in all memory of the neighbours that they do not use, and in no frame of anybody.
inline constexpr std::array<std::uint8_t, 8> kSecret{0xD7, 0x5E, 0xC2, 0xE7, 0x0F, 0x1E, 0xFB, 0x07};

void fill_with_secret(Bytes memory);
[[nodiscard]] bool holds_secret(ConstBytes bytes);

class Watch final : public nic::FrameTap {
 public:
  static constexpr std::uint16_t kVfs = 3;
  void frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant at) override;

  // Frames and bytes by VF, as statistics count them.
  std::array<nic::VfStatistics, kVfs> seen{};
  // Of each VF: frames that anybody, or the wire, has sent to its address, or to all of no VLAN.
  std::array<std::uint64_t, kVfs> meant{};
  std::uint64_t passed = 0;
};

}  // namespace ladon::fuzz::descriptors
