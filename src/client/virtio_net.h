// A virtio network driver without a guest: buffers, and the header in front of every frame;
// virtio 1.2, 5.1.6.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "client/mmio.h"
#include "client/virtio_queue.h"

namespace ladon::client {

// As in spec/virtio.h.
struct VirtioNetHeader {
  std::uint8_t flags = 0, gso_type = 0;
  std::uint16_t header_length = 0, gso_size = 0, checksum_start = 0, checksum_offset = 0, buffers = 0;
  constexpr bool operator==(const VirtioNetHeader&) const = default;
};

struct VirtioNetOptions {
  std::uint64_t features = 0;  // spec/virtio.h, as negotiated
  std::uint16_t rx_size = 256, tx_size = 256;
  std::uint32_t rx_buffer = 2048;  // bytes of each, header included
  std::uint32_t tx_buffer = 2048;
  std::uint32_t rx_pieces = 1;  // descriptors of one receive buffer
};

class VirtioNet {
 public:
  // Throws std::runtime_error if `memory` is too small.
  VirtioNet(const VirtioNetOptions& options, GuestMemory memory);

  [[nodiscard]] VirtioQueue& rx() { return rx_; }
  [[nodiscard]] VirtioQueue& tx() { return tx_; }
  [[nodiscard]] std::uint32_t header_bytes() const { return header_bytes_; }

  // Makes all receive buffers that the device has not got available. True if it wants to be kicked.
  bool fill();
  struct Received {
    VirtioNetHeader header;
    std::vector<std::byte> bytes;
  };
  // The next frame; its buffers go back with the next fill(). nullopt if none has come, or the device broke
  // the rules: see broken().
  [[nodiscard]] std::optional<Received> receive();

  // Copies the frame, behind its header, into a transmit buffer, which is offered in pieces of the lengths in
  // `cuts`, what is left in one more. False if no buffer or descriptor is free, or it is too long.
  [[nodiscard]] bool send(ConstBytes frame, const VirtioNetHeader& header = {},
                          std::span<const std::uint32_t> cuts = {});
  // Shows the device what was sent. True if it wants to be kicked.
  bool publish() { return tx_.publish(); }
  // Takes back what the device has sent.
  void reclaim();
  [[nodiscard]] std::size_t free_tx_buffers() const { return free_tx_.size(); }

  // The device broke a rule: a chain that it had not got, a length that cannot be, bytes outside a buffer.
  [[nodiscard]] bool broken() const;
  [[nodiscard]] bool canaries_hold() const;

  // ---- for benchmarks: the frame that is in all transmit buffers; sent and received untouched.
  void preload(ConstBytes frame);
  std::uint32_t transmit_batch(std::uint32_t count);
  std::uint32_t receive_batch(std::uint32_t count);  // how many frames ended

 private:
  static constexpr std::uint32_t kGap = 64;  // bytes behind every receive buffer that nobody may write
  static constexpr std::byte kCanary{0xC5};
  [[nodiscard]] static VirtioQueue make_queue(const VirtioNetOptions& options, std::uint16_t size,
                                              Arena& arena);
  [[nodiscard]] Bytes rx_buffer(std::uint64_t index) const {
    return rx_memory_.bytes.subspan(index * (options_.rx_buffer + kGap), options_.rx_buffer);
  }
  [[nodiscard]] Bytes tx_buffer(std::uint64_t index) const {
    return tx_memory_.bytes.subspan(index * options_.tx_buffer, options_.tx_buffer);
  }
  [[nodiscard]] bool offer_rx(std::uint64_t index);

  VirtioNetOptions options_;
  std::uint32_t header_bytes_;
  Arena arena_;
  VirtioQueue rx_, tx_;
  GuestMemory rx_memory_{}, tx_memory_{};
  std::vector<std::uint64_t> free_rx_, free_tx_;  // buffers by number
  std::uint32_t preloaded_ = 0;                   // bytes, header included
  bool broken_ = false;
};

}  // namespace ladon::client
