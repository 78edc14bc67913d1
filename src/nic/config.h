// The configuration spaces of the NIC's functions.
#pragma once

#include "nic/options.h"
#include "pcie/config_space.h"

namespace ladon::nic {

// The PF's BARs: registers in 0 (64-bit), MSI-X table and pending bits in 2 (64-bit).
inline constexpr std::uint8_t kPfRegisterBar = 0, kPfMsixBar = 2;
inline constexpr std::uint64_t kPfMsixBarSize = 0x1000;
inline constexpr std::uint32_t kPfMsixPendingOffset = 0x800;
inline constexpr std::uint16_t kPfVectors = 1;

// PCI Express with FLR, MSI-X, AER, ARI, SR-IOV, serial number.
[[nodiscard]] pcie::ConfigSpace make_pf_config(const NicOptions& options);
// PCI Express with FLR, MSI-X, AER, ARI.
[[nodiscard]] pcie::ConfigSpace make_vf_config();

}  // namespace ladon::nic
