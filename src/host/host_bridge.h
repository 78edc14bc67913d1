// The seam between software and hardware: the only thing of a host that its software holds. An emulated host
// serves it in the process of the hardware, or at the other end of a socket; a real one through sysfs and
// VFIO.
#pragma once

#include <functional>

#include "host/messages.h"

namespace ladon::host {

class HostBridge {
 public:
  using Reply = std::move_only_function<void(Result)>;
  using Listener = std::move_only_function<void(const Event&)>;

  virtual ~HostBridge() = default;
  // Never blocks. `reply` is called exactly once, perhaps before submit returns, on the thread that polls
  // this bridge. Requests of one bridge take effect in order.
  virtual void submit(Request request, Reply reply) = 0;
  // Where events go from now on; one listener a bridge.
  virtual void listen(Listener listener) = 0;
};

}  // namespace ladon::host
