// The two ends of the switch, without sockets and without a device.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "para/guest_link.h"
#include "para/port.h"
#include "para/uplink.h"

namespace ladon::para {

using Payload = std::vector<std::byte>;

[[nodiscard]] inline vhost::Frame whole(ConstBytes bytes) {
  return {.head = bytes, .rest = {}, .length = static_cast<std::uint32_t>(bytes.size()), .offload = {}};
}
[[nodiscard]] inline Payload copy_of(const vhost::Frame& frame) {
  Payload bytes(frame.length);
  vhost::copy_whole(frame, bytes.data());
  return bytes;
}

// As a backend is to the switch: a ring of frames to send, and buffers for some to receive.
class FakeGuest final : public GuestLink {
 public:
  explicit FakeGuest(Port& port) : port_(port) {
    port.connect(this);
    port.link(true);
  }

  vhost::Delivery send(const vhost::Frame& frame) override {
    if (buffers == 0) {
      wants_room_ = true;
      return vhost::Delivery::busy;
    }
    --buffers;
    received.push_back(copy_of(frame));
    return vhost::Delivery::delivered;
  }
  void flush() override {}
  void resume() override { busy = false; }
  bool poll() override {
    if (busy) return false;
    bool moved = false;
    for (unsigned i = 0; i < budget && !ring.empty() && !busy; ++i) {
      busy = !port_.take(whole(ring.front()));
      if (busy) break;
      moved = true;
      if (endless) ring.push_back(ring.front());
      ring.pop_front();
    }
    port_.flush();
    return moved;
  }
  void offer(unsigned more) {
    buffers += more;
    if (std::exchange(wants_room_, false)) port_.room();
  }

  std::deque<Payload> ring;
  std::vector<Payload> received;
  unsigned buffers = 0, budget = 64;
  bool busy = false, endless = false;

 private:
  Port& port_;
  bool wants_room_ = false;
};

class FakeUplink final : public Uplink {
 public:
  Outcome send(const vhost::Frame& frame, std::uint16_t) override {
    if (down) return Outcome::down;
    if (room == 0) return Outcome::busy;
    --room;
    sent.push_back(copy_of(frame));
    return Outcome::sent;
  }
  void flush() override {}
  bool ready() override { return down || room != 0; }
  std::optional<Instant> deadline() const override { return std::nullopt; }
  bool receive(Arrival& into) override {
    if (arriving.empty()) return false;
    current_ = std::move(arriving.front());
    arriving.pop_front();
    into = {.frame = whole(current_)};
    return true;
  }

  std::deque<Payload> arriving;
  std::vector<Payload> sent;
  unsigned room = 0;
  bool down = false;

 private:
  Payload current_;
};

}  // namespace ladon::para
