// How a NIC is built.
#pragma once

#include <cstdint>

#include "spec/pci.h"
#include "spec/pf.h"

namespace ladon::nic {

struct NicOptions {
  std::uint16_t vfs = 8;                                        // TotalVFs, 1..63
  std::uint16_t vf_device = spec::pci::kX550VfDevice;           // or k82599VfDevice
  std::uint64_t serial = 1;                                     // device serial number
  std::uint64_t packet_memory_bytes = std::uint64_t{64} << 20;  // cut into equal partitions at the start
  // Checks left out, to show what they are worth: never in a rack that is to hold.
  struct Mutations {
    bool pass_reserved = false;  // link-local frames pass the switch
    bool no_snapshot = false;    // headers are taken from the guest's memory again after they were checked
  } mutations = {};
};

// Where the virtual functions are: routing ID = that of the PF + kFirstVfOffset + kVfStride * VF. As Intel's
// controllers number theirs under ARI (82599 Datasheet 9.4.4.9); 63 of them stay on the PF's bus.
inline constexpr std::uint16_t kFirstVfOffset = 0x80, kVfStride = 2;

inline constexpr std::uint32_t kMaxFrame = 9728;  // bytes without FCS (ixgbevf: MTU up to 9710)
// A packet between functions that is not segmented: as many receive buffers and as many bytes at most. Linux
// takes 17 buffers; with 16 its TCP finds them too dear for what is in them and prunes its queue.
inline constexpr std::uint32_t kMaxWholeBuffers = 8, kMaxWhole = 32 << 10;

}  // namespace ladon::nic
