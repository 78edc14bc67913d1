// What one guest has sent and received over the backend.
#pragma once

#include <cstdint>

#include "vhost/refusal.h"

namespace ladon::vhost {

struct Traffic {
  std::uint64_t from_guest_frames = 0, from_guest_bytes = 0;  // taken by the port
  std::uint64_t to_guest_frames = 0, to_guest_bytes = 0;
  std::uint64_t port_busy = 0, guest_busy = 0;  // how often one waited for the other
  FrameDrops drops;
};

}  // namespace ladon::vhost
