// What the switch needs of the backend that serves one guest; vhost_guest.h has it over vhost-user.
#pragma once

#include "vhost/frame.h"
#include "vhost/receive_queue.h"

namespace ladon::para {

class GuestLink {
 public:
  virtual ~GuestLink() = default;
  // As vhost::Backend has them.
  [[nodiscard]] virtual vhost::Delivery send(const vhost::Frame& frame) = 0;
  virtual void flush() = 0;
  virtual void resume() = 0;
  virtual bool poll() = 0;
};

}  // namespace ladon::para
