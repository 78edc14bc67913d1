// The queue by which the guest receives (receiveq; virtio 1.2, 5.1.6.3 and 5.1.6.4): frames into the buffers
// that its ring offers, several of them for one frame if the driver takes that.
#pragma once

#include <array>
#include <cstdint>

#include "vhost/frame.h"
#include "vhost/net_header.h"
#include "vhost/traffic.h"
#include "vhost/vring.h"

namespace ladon::vhost {

enum class Delivery : std::uint8_t {
  delivered,  // the guest sees it after flush()
  busy,       // the guest has too few buffers now
  dropped,    // and counted
};

class ReceiveQueue {
 public:
  explicit ReceiveQueue(Traffic& traffic) : traffic_(traffic) {}

  [[nodiscard]] Vring& vring() { return vring_; }
  [[nodiscard]] const Vring& vring() const { return vring_; }

  [[nodiscard]] Delivery send(const Frame& frame, const NetFeatures& features);

  // After `busy`. The guest is asked to say when there are new buffers. False: send again, something has
  // changed meanwhile.
  [[nodiscard]] bool wait_for_room();
  void stop_waiting();
  // After `busy`: something has changed since.
  [[nodiscard]] bool has_changed();

 private:
  struct Chain {
    std::uint16_t head = 0;
    std::uint32_t capacity = 0;  // bytes
  };
  [[nodiscard]] Delivery drop(FrameDrop reason);
  [[nodiscard]] Delivery broken(RingFlaw flaw);
  // Gathers the next chains until they have `bytes`; anything but `delivered` is the answer.
  [[nodiscard]] Delivery gather(std::uint64_t bytes, const NetFeatures& features);
  [[nodiscard]] bool write(const NetHeader& header, std::uint32_t header_bytes, const Frame& frame);
  [[nodiscard]] bool write(ConstBytes from);
  [[nodiscard]] bool give_back(std::uint64_t bytes);

  Traffic& traffic_;
  Vring vring_;
  BufferList buffers_;
  std::array<Chain, kMaxChain> chains_;
  std::uint16_t chain_count_ = 0;
  std::size_t buffer_ = 0;    // where the next byte goes
  std::uint64_t filled_ = 0;  // of that buffer
};

}  // namespace ladon::vhost
