// A PCI function and the endpoint it belongs to, as the fabric sees them: configuration space, the memory
// ranges its BARs claim, and its registers. The fabric routes to this interface and knows no device behind
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "pcie/id.h"

namespace ladon::pcie {

// A memory range that a BAR claims while memory decoding is on.
struct BarRange {
  std::uint8_t bar = 0;  // 0..5
  Range<BusAddr> range;
};

class Function {
 public:
  virtual ~Function() = default;

  // `offset` 0..4095, `width` 1, 2 or 4, naturally aligned.
  [[nodiscard]] virtual std::uint32_t config_read(std::uint16_t offset, unsigned width) = 0;
  virtual void config_write(std::uint16_t offset, unsigned width, std::uint32_t value) = 0;

  // Empty while memory space is disabled in the command register.
  [[nodiscard]] virtual std::vector<BarRange> decoded() const = 0;
  // Bus mastering: without it the function may emit nothing (PCI Local Bus 3.0, 6.2.2).
  [[nodiscard]] virtual bool bus_master() const = 0;

  // Registers: `offset` within the BAR, `width` 1, 2, 4 or 8, naturally aligned and inside the BAR.
  [[nodiscard]] virtual std::uint64_t register_read(std::uint8_t bar, std::uint64_t offset,
                                                    unsigned width) = 0;
  virtual void register_write(std::uint8_t bar, std::uint64_t offset, unsigned width,
                              std::uint64_t value) = 0;
};

// A device with one link to the fabric: function 0, and with SR-IOV the virtual functions that are enabled
// now.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // The function at `index` routing IDs after function 0 (PF 0; VF i at First VF Offset + i * VF Stride);
  // nullptr if there is none now.
  [[nodiscard]] virtual Function* function(std::uint16_t index) = 0;
  // Indices of all functions present now, ascending, function 0 first.
  [[nodiscard]] virtual std::vector<std::uint16_t> functions() const = 0;
  // Grows with every change to what functions() or decoded() or bus_master() would answer.
  [[nodiscard]] virtual std::uint64_t decode_version() const = 0;
};

}  // namespace ladon::pcie
