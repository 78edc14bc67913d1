// A virtio network device without the part that is QEMU's: features, memory, and the two queues of frames
// (virtio 1.2, 5.1). Knows nothing of sockets and of the loop.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "spec/vhost_user.h"
#include "spec/virtio.h"
#include "vhost/guest_memory.h"
#include "vhost/receive_queue.h"
#include "vhost/transmit_queue.h"

namespace ladon::vhost {

// What the driver may leave to the consumer, and take from it. Without, the consumer gets frames as they go
// over a wire, none longer than the guest's MTU.
struct Offloads {
  bool checksum = true;
  bool segmentation = true;  // of TCP; takes checksum
};

class NetDevice {
 public:
  static constexpr unsigned kQueues = 2;  // kReceiveQueue, kTransmitQueue

  explicit NetDevice(Offloads offloads) : offered_(offer(offloads)) {}
  NetDevice(const NetDevice&) = delete;
  NetDevice& operator=(const NetDevice&) = delete;

  // ---- what the front end does
  [[nodiscard]] std::uint64_t offered() const { return offered_; }
  [[nodiscard]] std::uint64_t features() const { return features_; }
  // `features` are among those offered.
  void set_features(std::uint64_t features);
  void set_memory(GuestMemory memory);
  [[nodiscard]] const GuestMemory* memory_or_null() const {
    return memories_[current_] ? &*memories_[current_] : nullptr;
  }
  // nullptr if there is no such queue.
  [[nodiscard]] Vring* vring(std::uint32_t queue);
  [[nodiscard]] Vring::Outcome start(Vring& vring);
  // Rings stop and are disabled, features are forgotten; memory and eventfds stay.
  void reset();
  // The front end has gone: nothing of it is kept but the counters.
  void forget();

  // ---- what the consumer does
  [[nodiscard]] bool link() const;
  TransmitQueue::Turn transmit(FramePort& port, const TransmitQueue::Budget& budget, bool listen) {
    return transmit_.run(port, budget, net_, listen);
  }
  [[nodiscard]] Delivery send(const Frame& frame) { return receive_.send(frame, net_); }
  // Shows the guest what it has received.
  void flush() { receive_.vring().flush(); }
  [[nodiscard]] ReceiveQueue& receive_queue() { return receive_; }
  [[nodiscard]] const Vring& receive_vring() const { return receive_.vring(); }
  [[nodiscard]] const Vring& transmit_vring() const { return transmit_.vring(); }
  [[nodiscard]] const NetFeatures& net() const { return net_; }
  [[nodiscard]] const Traffic& traffic() const { return traffic_; }

 private:
  [[nodiscard]] static std::uint64_t offer(Offloads offloads);
  [[nodiscard]] SplitRing::Features ring_features() const;

  std::uint64_t offered_, features_ = 0;
  NetFeatures net_;
  Traffic traffic_;
  // The rings refer to the memory: a new table has its place before the old one goes.
  std::array<std::optional<GuestMemory>, 2> memories_;
  unsigned current_ = 0;
  ReceiveQueue receive_{traffic_};
  TransmitQueue transmit_{traffic_};
};

}  // namespace ladon::vhost
