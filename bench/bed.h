// What a packet benchmark runs on: two virtual functions with their drivers' view of them, and an engine that
// is told to work. Each way of building one - plain memory, a whole rack with or without its defences - is
// a Bed.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "client/mmio.h"

namespace ladon::bench {

// A driver's end: registers and memory. Registers are set up by one thread and then used by one.
struct Station {
  client::Mmio& registers;
  client::GuestMemory memory;
};

class Bed {
 public:
  virtual ~Bed() = default;
  // The sender (0) and the receiver (1).
  [[nodiscard]] virtual Station station(unsigned index) = 0;
  // The engine works until it finds nothing to do: rings polled, frames moved.
  virtual void run() = 0;
};

using BedFactory = std::function<std::unique_ptr<Bed>()>;

// Of the frames, in bytes, FCS not counted.
inline constexpr std::array<std::size_t, 3> kFrameSizes = {64, 256, 1518};

// Registers the packet benchmarks under "<name>/<bytes>".
void register_packet_benchmarks(const std::string& name, const BedFactory& make);

}  // namespace ladon::bench
