// The configuration space that a guest sees for its virtual function. A VF's own has no IDs and no BARs
// (SR-IOV 1.1, 3.4.1); what presents it to a guest fills them in, as VFIO does: vendor and device, BAR 0
// (registers) and BAR 3 (MSI-X), PCIe with function-level reset, MSI-X, AER, serial number.
#pragma once

#include <cstdint>

#include "pcie/config_space.h"

namespace ladon::ch {

class GuestConfig {
 public:
  // `device`: 8086:1565 (X550) or 8086:10ed (82599). `serial` tells one NIC from another.
  GuestConfig(std::uint16_t device, std::uint64_t serial);

  [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned width) const {
    return space_.read(offset, width);
  }
  // True if the guest has asked for a function-level reset: the owner resets the slot, then calls reset().
  [[nodiscard]] bool write(std::uint16_t offset, unsigned width, std::uint32_t value);
  // Back to what it was when the guest started.
  void reset() { space_.reset(); }
  // What the guest may do now, by its command register.
  [[nodiscard]] bool memory_enabled() const { return space_.memory_enabled(); }
  [[nodiscard]] bool bus_master() const { return space_.bus_master(); }
  [[nodiscard]] bool msix_enabled() const;

 private:
  pcie::ConfigSpace space_;
};

}  // namespace ladon::ch
