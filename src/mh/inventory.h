// What the management host has found in its domain: a plain value.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "host/enumeration.h"

namespace ladon::mh {

// A bridge to a compute host.
struct Ntb {
  pcie::Sbdf bdf;
  pcie::Domain peer{};                         // the compute host behind it
  BusAddr control, msi, dma;                   // its BARs on this side (spec/ntb.h)
  std::uint64_t dma_size = 0;                  // bytes
  std::uint64_t register_size = 0;             // bytes of the register BAR on the other side
  std::uint16_t windows = 0, lut_entries = 0;  // each way
  // What the part cannot do (spec/ntb.h, kLimits).
  std::uint64_t granule = 4096;  // bytes, of windows in the register BAR
  bool requester_table = true, by_device = false, whole_bar = false;
  bool operator==(const Ntb&) const = default;
};

struct Nic {
  pcie::Sbdf pf;
  BusAddr registers;  // BAR 0 of the PF (spec/pf.h)
  std::uint16_t vfs = 0, first_offset = 0, stride = 0, vf_device = 0;
  BusAddr vf_registers, vf_msix;  // BAR 0 and BAR 3 of VF 0; VF i's lie i * size further
  std::uint64_t vf_registers_size = 0, vf_msix_size = 0;
  std::uint64_t packet_memory = 0;  // bytes, of all VFs together
  bool operator==(const Nic&) const = default;

  [[nodiscard]] pcie::Sbdf vf_bdf(std::uint16_t vf) const {
    return pf.later(first_offset + unsigned{vf} * stride);
  }
  // Both are inside the 64-bit space, because enumeration placed them.
  [[nodiscard]] BusAddr registers_of(std::uint16_t vf) const {
    return BusAddr(vf_registers.bits() + vf * vf_registers_size);
  }
  [[nodiscard]] BusAddr msix_of(std::uint16_t vf) const {
    return BusAddr(vf_msix.bits() + vf * vf_msix_size);
  }
};

struct Inventory {
  host::Description host;
  std::vector<host::PciFunction> functions;  // all of them, parents before children
  std::vector<Ntb> ntbs;                     // in the order of segments and bus numbers
  std::vector<Nic> nics;
};

// Where a compute host's memory appears in the management domain. The address space is cut into strides of 64
// GiB, or of the largest DMA BAR of all NTBs if that is more; `largest` is a power of two. The first is the
// management host's own memory; then comes for each segment one for its NICs, and one for each of its hosts.
// `place` counts the hosts from 1 in the order of segments: with one segment, host k's memory is at (k + 1)
// strides.
[[nodiscard]] BusAddr dma_base(std::size_t place, pcie::HostSegment segment, std::uint64_t largest);

struct InventoryError {
  std::string message;  // for a person
};
// Enumerates a fabric without traffic, from nothing.
[[nodiscard]] std::expected<Inventory, InventoryError> take_inventory(host::BlockingHost& host);
// A known inventory after a restart: true if the hardware still is as it says. Writes nothing.
[[nodiscard]] std::expected<bool, InventoryError> still_as(host::BlockingHost& host,
                                                           const Inventory& inventory);

}  // namespace ladon::mh
