#include "port/link_wire.h"

#include <cstring>

namespace ladon::port {

std::pair<std::unique_ptr<LinkWire>, std::unique_ptr<LinkWire>> LinkWire::make_pair(std::size_t frames) {
  const auto there = std::make_shared<FrameQueue>(frames), back = std::make_shared<FrameQueue>(frames);
  const auto cable = std::make_shared<Cable>();
  return {std::unique_ptr<LinkWire>(new LinkWire(back, there, cable)),
          std::unique_ptr<LinkWire>(new LinkWire(there, back, cable))};
}

LinkWire::LinkWire(std::shared_ptr<FrameQueue> in, std::shared_ptr<FrameQueue> out,
                   std::shared_ptr<Cable> cable)
    : in_(std::move(in)), out_(std::move(out)), cable_(std::move(cable)) {}

LinkWire::~LinkWire() {
  cable_->whole.store(false, std::memory_order_release);
}

bool LinkWire::carrier() const {
  return cable_->whole.load(std::memory_order_acquire);
}

bool LinkWire::send(ConstBytes frame) {
  if (!carrier()) return count_refused(WireDrop::no_carrier);
  if (frame.size() > kMaxFrame) return count_refused(WireDrop::too_long);
  if (frame.size() < kMinFrame) return count_refused(WireDrop::too_short);
  if (!out_->push(frame)) return count_refused(WireDrop::queue_full);
  return count_sent(frame.size());
}

std::size_t LinkWire::receive(Bytes into) {
  for (;;) {
    const ConstBytes frame = in_->front();
    if (frame.empty()) return 0;
    const std::size_t length = frame.size();
    const bool fits = length <= into.size();
    if (fits) std::memcpy(into.data(), frame.data(), length);
    in_->pop();
    if (fits) return count_received(length);
    count_dropped(WireDrop::too_long);
  }
}

}  // namespace ladon::port
