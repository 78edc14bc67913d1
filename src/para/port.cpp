#include "para/port.h"

#include <utility>

#include "para/mux.h"

namespace ladon::para {

void Port::connect(GuestLink* new_link) {
  if (new_link == nullptr) link(false);
  link_ = new_link;
}

void Port::set_limits(const Limits& limits) {
  options_.limits = limits;
  // What waited for the old limit asks the new one.
  if (wait_.reason == Wait::For::limit) mux_.wake(*this);
}

bool Port::take(const vhost::Frame& frame) {
  return mux_.take(*this, frame);
}

void Port::flush() {
  mux_.flush();
}

void Port::room() {
  stalled_ = false;
  mux_.wake_senders_to(index_);
}

void Port::link(bool is_up) {
  if (std::exchange(up_, is_up) == is_up) return;
  mux_.forget_waits(*this);
  room();  // those that wait for it are not to wait for ever
}

}  // namespace ladon::para
