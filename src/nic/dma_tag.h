// What a late completion belongs to, packed into the tag that comes back with it. Counts are kept by the
// queues, so that a tag needs no table and no allocation.
#pragma once

#include <cstdint>

#include "pcie/dma.h"

namespace ladon::nic {

enum class DmaKind : std::uint8_t {
  tx_descriptors,
  tx_data,
  tx_write_back,
  rx_descriptors,
  rx_write_back,
  deliver
};

struct DmaWork {
  DmaKind kind{};
  std::uint8_t queue = 0;   // whose memory it is: 2 * VF + queue
  std::uint8_t source = 0;  // deliver: where the frame comes from, a queue or kWireSource
  std::uint8_t slot = 0;    // deliver, rx_write_back: which of the queue's receive slots

  [[nodiscard]] constexpr pcie::DmaTag tag() const {
    return static_cast<pcie::DmaTag>(kind) << 24 | static_cast<pcie::DmaTag>(queue) << 16 |
           static_cast<pcie::DmaTag>(source) << 8 | slot;
  }
  [[nodiscard]] static constexpr DmaWork of(pcie::DmaTag tag) {
    return {static_cast<DmaKind>(tag >> 24 & 7), static_cast<std::uint8_t>(tag >> 16),
            static_cast<std::uint8_t>(tag >> 8), static_cast<std::uint8_t>(tag)};
  }
};

// Sources of frames that are no transmit queue: the wire, and function i's stored frames.
inline constexpr std::uint8_t kWireSource = 128, kStoreSource = 129;

}  // namespace ladon::nic
