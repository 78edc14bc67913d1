// What the backend needs of its consumer: where one guest's frames go. One port a guest.
#pragma once

#include "vhost/frame.h"

namespace ladon::vhost {

class FramePort {
 public:
  virtual ~FramePort() = default;

  // The guest sends `frame`, which is good for the duration of the call. False: there is no room for it now;
  // it stays in the guest's ring, and the guest's other frames behind it, until Backend::resume(). A frame
  // that the port takes and drops is its to count.
  [[nodiscard]] virtual bool take(const Frame& frame) = 0;
  // The last frame of a batch has been taken, or refused.
  virtual void flush() {}
  // The guest has new buffers, after Backend::send() has answered `busy`.
  virtual void room() {}
  // Frames can be exchanged with the guest from here on, or no longer.
  virtual void link(bool /*up*/) {}
};

}  // namespace ladon::vhost
