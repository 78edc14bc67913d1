// Memory of segmentation and receive coalescing: every packet that is being cut and every flow that is being
// gathered needs a context, and contexts lie in the partition of the vNIC whose packets they are. How many a
// vNIC may have follows from the size of its partition; what they take is charged to it like a frame, but
// never lies in what another is guaranteed: a packet that is being cut may wait for its turn for long.
#pragma once

#include <algorithm>
#include <cstdint>

#include "qos/partitions.h"

namespace ladon::qos {

enum class ContextKind : std::uint8_t { segmentation, coalescing };

// The headers to repeat (up to 256 bytes) and where one stands; for coalescing the descriptors gathered, too.
inline constexpr std::uint32_t kContextBytes = 512;
// As many flows as the 82599 coalesces at a time (Datasheet 7.11), and as many packets cut.
inline constexpr std::uint32_t kMostContexts = 32;
// At most this part of a partition's cap is for contexts, half of it for each kind.
inline constexpr std::uint32_t kContextShare = 8;

class OffloadContexts {
 public:
  OffloadContexts(Partitions& partitions, std::uint16_t index) : partitions_(partitions), index_(index) {}

  // Of each kind, from the partition as it is now.
  [[nodiscard]] std::uint32_t most() const {
    const std::uint64_t share = partitions_.size(index_).most / kContextShare / 2;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(share / kContextBytes, kMostContexts));
  }
  [[nodiscard]] std::uint32_t used(ContextKind kind) const { return used_[static_cast<std::size_t>(kind)]; }

  enum class Taken : std::uint8_t {
    yes,
    later,  // all are in use, or the partition is full: when something is released
    never,  // the partition is too small for any
  };
  [[nodiscard]] Taken take(ContextKind kind) {
    if (most() == 0) return Taken::never;
    if (used(kind) >= most()) return Taken::later;
    if (!partitions_.fits_for_long(index_, kContextBytes)) {
      partitions_.want(index_);
      if (!partitions_.fits_for_long(index_, kContextBytes)) return Taken::later;
    }
    partitions_.hold(index_, kContextBytes);
    ++used_[static_cast<std::size_t>(kind)];
    return Taken::yes;
  }
  void give_back(ContextKind kind) {
    partitions_.release(index_, kContextBytes);
    --used_[static_cast<std::size_t>(kind)];
  }

 private:
  Partitions& partitions_;
  std::uint16_t index_;
  std::uint32_t used_[2] = {0, 0};
};

}  // namespace ladon::qos
