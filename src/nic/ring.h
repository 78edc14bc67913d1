// A descriptor ring: its registers as the driver wrote them, and its shape as captured when the queue was
// enabled. Registers of an enabled queue may be written to without effect.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "spec/descriptor.h"

namespace ladon::nic {

inline constexpr std::size_t kDescriptorBytes = spec::descriptor::kSize;

struct RingShape {
  Iova base;
  std::uint32_t size = 0;  // descriptors; 0: unusable

  // Where descriptor `index` < size is.
  [[nodiscard]] Iova at(std::uint32_t index) const {
    return Iova(base.bits() + std::uint64_t{index} * kDescriptorBytes);
  }
  [[nodiscard]] std::uint32_t distance(std::uint32_t from, std::uint32_t to) const {
    return to >= from ? to - from : to + size - from;
  }
  [[nodiscard]] std::uint32_t wrap(std::uint32_t index) const { return index >= size ? index - size : index; }
};

struct RingRegisters {
  // 82599 Datasheet 8.2.3.8.1 to 8.2.3.8.3: 128-byte granularity.
  static constexpr std::uint32_t kBaseMask = ~std::uint32_t{0x7F}, kLengthMask = 0xF'FF80;

  std::uint32_t base_low = 0, base_high = 0, length = 0, dca = 0;

  [[nodiscard]] RingShape shape() const {
    const Iova base(std::uint64_t{base_high} << 32 | base_low);
    if (length == 0 || !base.plus(length - 1)) return {};
    return {base, static_cast<std::uint32_t>(length / kDescriptorBytes)};
  }
};

}  // namespace ladon::nic
