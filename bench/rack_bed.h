// Beds made of a whole rack: every access of the NIC goes by way of the fabric's tables.
#pragma once

#include <memory>
#include <string>

#include "bed.h"

namespace ladon::bench {

enum class Layout : std::uint8_t {
  across_hosts,  // sender and receiver are VMs of two compute hosts behind NTBs
  local,         // both are VMs of the management host: plain SR-IOV
};

[[nodiscard]] BedFactory rack_bed(Layout layout, bool defences);

// The cost of one resolution: of a DMA address, through the tables and remembered.
void register_resolution_benchmarks();

}  // namespace ladon::bench
