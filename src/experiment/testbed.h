// What an experiment needs of the machine under test: two virtual machines with web servers, one device, a
// test host beside it, and one place where VM2 is held to a limit.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "experiment/web_guest.h"
#include "port/remote_host.h"

namespace ladon::experiment {

inline constexpr std::size_t kVms = 2;

// Of the device as a whole, shared by both machines.
struct DeviceCapacity {
  std::uint64_t receive_bits = 0;   // a second
  std::uint64_t packet_memory = 0;  // bytes of each partition
};

// VM2's limit in the terms of both places; what a reply takes has been measured.
struct Limit {
  double replies = 0;           // a second
  double received_packets = 0;  // of a reply
};

struct VmCounters {
  // Frames that the device has received for the VM and moved to memory, refused by the host or not.
  std::uint64_t device_frames = 0, device_bytes = 0;
  std::uint64_t refused_by_host = 0, refused_by_device = 0;  // frames
  std::uint64_t without_memory = 0, without_descriptor = 0;  // frames that the device dropped
};
using Counted = std::array<VmCounters, kVms>;

class Testbed {
 public:
  virtual ~Testbed() = default;

  [[nodiscard]] virtual port::RemoteHost& remote() = 0;
  [[nodiscard]] virtual std::array<WebGuest, kVms>& guests() = 0;
  virtual void set_capacity(const DeviceCapacity& capacity) = 0;
  // VM2's; nullopt: none.
  virtual void set_limit(const std::optional<Limit>& limit) = 0;
  [[nodiscard]] virtual Counted counted() = 0;
};

}  // namespace ladon::experiment
