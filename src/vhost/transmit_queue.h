// The queue by which the guest sends (transmitq; virtio 1.2, 5.1.6.2): chains from its ring to frames for the
// port. A frame's first bytes are copied out before anything is decided upon them, the rest stays where it
// is.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "vhost/frame_port.h"
#include "vhost/net_header.h"
#include "vhost/traffic.h"
#include "vhost/vring.h"

namespace ladon::vhost {

class TransmitQueue {
 public:
  explicit TransmitQueue(Traffic& traffic) : traffic_(traffic) {}

  [[nodiscard]] Vring& vring() { return vring_; }
  [[nodiscard]] const Vring& vring() const { return vring_; }
  // Memory without pointers needs a place where its frames can be seen.
  void prepare(const GuestMemory& memory);

  // What one guest may have moved before others get their turn.
  struct Budget {
    unsigned frames = 64;
    std::uint64_t bytes = 1 << 20;  // exceeded by at most one frame
  };
  enum class Turn : std::uint8_t {
    idle,  // nothing waits; the guest will say when there is more
    more,  // the budget is used up
    busy,  // the port has no room
  };
  // `listen` false: the guest is never asked to say that there is more.
  Turn run(FramePort& port, const Budget& budget, const NetFeatures& features, bool listen);

 private:
  enum class Step : std::uint8_t { moved, busy, broken };
  [[nodiscard]] Step move_one(FramePort& port, const NetFeatures& features);
  [[nodiscard]] Step broken(RingFlaw flaw);
  [[nodiscard]] Step give_back(std::uint16_t head);
  // Fills frame_ and header_ from buffers_; false if their memory has gone.
  [[nodiscard]] bool read_frame(std::uint32_t header_bytes);
  [[nodiscard]] bool stage(std::uint32_t from_buffer, std::uint64_t skip);

  Traffic& traffic_;
  Vring vring_;
  BufferList buffers_;
  NetHeader header_{};
  Frame frame_;
  std::array<std::byte, kSnapshot> head_{};
  std::array<ConstBytes, BufferList::kCapacity> rest_;
  std::unique_ptr<std::byte[]> staging_;  // kMaxFrame bytes, if any
};

}  // namespace ladon::vhost
