// The wire as a NIC sees it: frames out, frames in, carrier. Frames are Ethernet without preamble and FCS.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace ladon {

class Wire {
 public:
  virtual ~Wire() = default;
  // False if the frame was not taken (no carrier, queue full): the caller counts the drop. Never blocks.
  virtual bool send(ConstBytes frame) = 0;
  // The next frame, copied into `into`; its length, or 0 if none waits. A frame longer than `into` is dropped
  // and counted by the wire. Never blocks.
  virtual std::size_t receive(Bytes into) = 0;
  [[nodiscard]] virtual bool carrier() const = 0;
};

}  // namespace ladon
