// Receive coalescing: whether a TCP segment goes on where a run of segments ends, and the headers that the
// run has as one packet. Intel 82599 Datasheet 7.11: TCP over IPv4 without options or IPv6 without extension
// headers, no flag but ACK (and PSH, which ends a run), no TCP option but timestamps, checksums verified.
// Pure: it sees the device's private copy of the headers only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "nic/offload/frame.h"

namespace ladon::nic::offload {

// What of a frame matters here. `header` bytes, then `payload` bytes, then nothing.
struct Segment {
  std::uint16_t header = 0, transport = 0;  // bytes; where the TCP header is
  std::uint32_t payload = 0, sequence = 0, acknowledged = 0;
  bool push = false, stamped = false, ipv6 = false;
};

// nullopt: never part of a run. `head` is the first bytes of a frame of `length` bytes, `headers` what was
// found in it; a frame with a VLAN tag in its place is never one.
[[nodiscard]] std::optional<Segment> coalescible(const FrameHeaders& headers, ConstBytes head,
                                                 std::uint32_t length);

class Run {
 public:
  // Ethernet, IPv6, TCP with timestamps.
  static constexpr std::size_t kMostHeader = 14 + 40 + 20 + 12;

  [[nodiscard]] std::uint32_t segments() const { return segments_; }
  void begin(ConstBytes head, const Segment& segment);
  // The segment is the next of the same flow, in order, and the packet does not become longer than IP can
  // say.
  [[nodiscard]] bool continues(ConstBytes head, const Segment& segment) const;
  void add(ConstBytes head, const Segment& segment);
  void end() { segments_ = 0; }
  // Those of the first segment with the lengths of all, and acknowledgement, window, PSH and timestamps of
  // the last. The IP checksum is right; the TCP checksum is the first segment's and means nothing.
  [[nodiscard]] ConstBytes headers();

 private:
  [[nodiscard]] bool same_flow(ConstBytes head) const;

  std::array<std::byte, kMostHeader> headers_{};
  Segment first_;
  std::uint32_t segments_ = 0;  // 0: there is no run
  std::uint32_t payload_ = 0, next_ = 0, acknowledged_ = 0;
};

}  // namespace ladon::nic::offload
