// What every wire of this room has beyond `Wire`: a descriptor for the event loop, and counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/counters.h"
#include "base/wire.h"

namespace ladon::port {

// The longest frame of any wire, without FCS: a jumbo frame of 9710 bytes of MTU with a VLAN tag fits.
inline constexpr std::size_t kMaxFrame = 9728;
inline constexpr std::size_t kMinFrame = 14;  // the Ethernet header

enum class WireDrop : std::uint8_t {
  no_carrier,      // nothing is at the other end any more
  interface_down,  // the other end's interface is not up
  queue_full,
  too_long,   // longer than kMaxFrame, or than the receiver's buffer
  too_short,  // no whole Ethernet header
  system_error,
  count_
};
[[nodiscard]] std::string_view name(WireDrop drop);

struct WireStats {
  std::uint64_t sent_frames = 0, sent_bytes = 0;  // taken from the NIC
  std::uint64_t received_frames = 0, received_bytes = 0;
  Counters<WireDrop> drops;
};

class CountedWire : public Wire {
 public:
  // Readable while receive() has something to give (epoll, level triggered); -1: the wire must be polled.
  [[nodiscard]] virtual int fd() const { return -1; }
  [[nodiscard]] virtual const WireStats& stats() const { return stats_; }

 protected:
  [[nodiscard]] bool count_refused(WireDrop reason) {
    stats_.drops.add(reason);
    return false;
  }
  [[nodiscard]] bool count_sent(std::size_t bytes) {
    ++stats_.sent_frames;
    stats_.sent_bytes += bytes;
    return true;
  }
  [[nodiscard]] std::size_t count_received(std::size_t bytes) {
    ++stats_.received_frames;
    stats_.received_bytes += bytes;
    return bytes;
  }
  void count_dropped(WireDrop reason) { stats_.drops.add(reason); }

 private:
  WireStats stats_;
};

}  // namespace ladon::port
