// The two narrow things that a driver holds of its machine: registers and memory.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"

namespace ladon::client {

// One BAR. Offsets are multiples of 4 inside it.
class Mmio {
 public:
  virtual ~Mmio() = default;
  [[nodiscard]] virtual std::uint32_t read32(std::uint32_t offset) = 0;
  virtual void write32(std::uint32_t offset, std::uint32_t value) = 0;
  // The driver sleeps: whoever shares its thread (device, management software) may work now.
  virtual void pause() {}
};

// A stretch of memory that the driver owns and the device reaches from `base` on.
struct GuestMemory {
  Iova base;
  Bytes bytes;
};

// Hands memory out once, in order.
class Arena {
 public:
  explicit Arena(GuestMemory memory) : memory_(memory) {}

  // nullopt if there is not enough left; `alignment` is a power of two. The bytes are not cleared.
  [[nodiscard]] std::optional<GuestMemory> take(std::size_t length, std::size_t alignment = 4096) {
    const std::uint64_t begin = memory_.base.bits() + used_;
    const std::uint64_t aligned = (begin + alignment - 1) & ~std::uint64_t{alignment - 1};
    const std::size_t offset = static_cast<std::size_t>(aligned - memory_.base.bits());
    if (aligned < begin || offset > memory_.bytes.size() || length > memory_.bytes.size() - offset)
      return std::nullopt;
    used_ = offset + length;
    return GuestMemory{Iova(aligned), memory_.bytes.subspan(offset, length)};
  }
  // Everything handed out is void.
  void clear() { used_ = 0; }

 private:
  GuestMemory memory_;
  std::size_t used_ = 0;
};

}  // namespace ladon::client
