// A place to watch frames go by, e.g. to write them to a capture file. Frames are whole, without FCS, as a
// receiver at that point sees them.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"

namespace ladon::nic {

enum class TapPoint : std::uint8_t { vf_sent, vf_received, wire_sent, wire_received };

class FrameTap {
 public:
  virtual ~FrameTap() = default;
  // `vf` is meaningless at the wire. The bytes are valid during the call only.
  virtual void frame(TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant at) = 0;
};

}  // namespace ladon::nic
