// A BAR of a PCI function as a driver's registers, without anything in between; and what an operating system
// does to a function before it hands it to a driver.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "client/mmio.h"
#include "pcie/function.h"
#include "spec/pci.h"

namespace ladon::client {

class FunctionMmio final : public Mmio {
 public:
  // `idle` runs when the driver sleeps. The function outlives this object.
  explicit FunctionMmio(pcie::Function& function, std::function<void()> idle = {}, std::uint8_t bar = 0)
      : function_(function), idle_(std::move(idle)), bar_(bar) {}

  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) override {
    return static_cast<std::uint32_t>(function_.register_read(bar_, offset, 4));
  }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    function_.register_write(bar_, offset, 4, value);
  }
  void pause() override {
    if (idle_) idle_();
  }

 private:
  pcie::Function& function_;
  std::function<void()> idle_;
  std::uint8_t bar_;
};

// Offset of a capability in the standard list; nullopt if the function has none with this id.
[[nodiscard]] inline std::optional<std::uint16_t> find_capability(pcie::Function& function, std::uint8_t id) {
  auto at = static_cast<std::uint16_t>(function.config_read(spec::pci::kCapabilityPointer, 1));
  for (int i = 0; at >= 0x40 && i < 48; ++i) {
    if (function.config_read(at, 1) == id) return at;
    at = static_cast<std::uint16_t>(function.config_read(static_cast<std::uint16_t>(at + 1), 1));
  }
  return std::nullopt;
}

// The same in the extended list (PCIe 6.0, 7.6).
[[nodiscard]] inline std::optional<std::uint16_t> find_extended_capability(pcie::Function& function,
                                                                           std::uint16_t id) {
  std::uint16_t at = 0x100;
  for (int i = 0; at >= 0x100 && i < 64; ++i) {
    const std::uint32_t header = function.config_read(at, 4);
    if ((header & 0xFFFF) == id) return at;
    at = static_cast<std::uint16_t>(header >> 20);
  }
  return std::nullopt;
}

// Memory decoding, bus mastering and MSI-X on.
inline void enable_function(pcie::Function& function) {
  namespace pci = spec::pci;
  function.config_write(pci::kCommand, 2, pci::kCommandMemory | pci::kCommandBusMaster);
  if (const auto msix = find_capability(function, pci::kCapMsix))
    function.config_write(static_cast<std::uint16_t>(*msix + pci::kMsixControl), 2, pci::kMsixControlEnable);
}

// SR-IOV on with `vfs` functions; false if the function has no such capability.
[[nodiscard]] inline bool enable_vfs(pcie::Function& function, std::uint16_t vfs) {
  namespace pci = spec::pci;
  const auto sriov = find_extended_capability(function, pci::kExtSriov);
  if (!sriov) return false;
  function.config_write(static_cast<std::uint16_t>(*sriov + pci::kSriovNumVfs), 2, vfs);
  function.config_write(static_cast<std::uint16_t>(*sriov + pci::kSriovControl), 2,
                        pci::kSriovControlVfEnable | pci::kSriovControlVfMemory);
  return true;
}

// An MSI-X vector's table entry, unmasked.
inline void set_vector(pcie::Function& function, std::uint8_t bar, std::uint16_t vector,
                       std::uint64_t address, std::uint32_t data) {
  const std::uint64_t at = 16u * vector;
  function.register_write(bar, at, 4, static_cast<std::uint32_t>(address));
  function.register_write(bar, at + 4, 4, static_cast<std::uint32_t>(address >> 32));
  function.register_write(bar, at + 8, 4, data);
  function.register_write(bar, at + 12, 4, 0);
}

}  // namespace ladon::client
