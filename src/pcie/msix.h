// The MSI-X table and pending bits of one function. PCI Local Bus 3.0, 6.8.2: 16 bytes an entry - message
// address low and high, data, vector control with the mask bit.
#pragma once

#include <cstdint>
#include <vector>

#include "pcie/config_space.h"
#include "pcie/dma.h"

namespace ladon::pcie {

class MsixTable {
 public:
  explicit MsixTable(std::uint16_t vectors);

  [[nodiscard]] std::uint16_t vectors() const { return static_cast<std::uint16_t>(entries_.size()); }
  // Registers: `offset` within the table or the pending-bit array, a multiple of 4. Outside: zero, no effect.
  [[nodiscard]] std::uint32_t read_table(std::uint64_t offset) const;
  // Unmasking a pending vector sends it through `port`.
  void write_table(std::uint64_t offset, std::uint32_t value, MsiPort& port);
  [[nodiscard]] std::uint32_t read_pending(std::uint64_t offset) const;

  // As the capability's message control says (enable, function mask).
  void set_control(bool enabled, bool function_masked, MsiPort& port);
  // Sends the vector, or marks it pending while masked; nothing while MSI-X is disabled. A vector out of
  // range is the device author's mistake and is ignored.
  DmaStatus raise(std::uint16_t vector, MsiPort& port);
  // What the vector was raised for is over: if it is still pending it is not sent any more
  // (PCIe 6.0, 6.1.4.5).
  void withdraw(std::uint16_t vector);
  // All entries masked and zero, nothing pending.
  void reset();

 private:
  struct Entry {
    std::uint32_t address_low = 0, address_high = 0, data = 0, control = 1;
    bool pending = false;
  };
  DmaStatus send(Entry& entry, MsiPort& port);
  std::vector<Entry> entries_;
  bool enabled_ = false, function_masked_ = false;
};

// Lets the table follow the enable and mask bits of the MSI-X capability. True if it is enabled.
bool apply_msix_control(const ConfigSpace& config, MsixTable& table, MsiPort& port);

}  // namespace ladon::pcie
