// A frame on its way through the device, and where it comes from.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/time.h"
#include "nic/offload/frame.h"
#include "nic/options.h"

namespace ladon::nic {

inline constexpr std::uint32_t kTagBytes = offload::kVlanTag;

struct Frame {
  // The first bytes, in memory of the device: read once, checked, delivered from here. At least an Ethernet
  // header, at most kMaxSnapshot bytes, without VLAN tag.
  ConstBytes head;
  // What follows: in the sender's memory, which a guest may change at any time, or staged.
  std::span<const ConstBytes> rest;
  std::uint32_t length = 0;  // of head and rest
  bool tagged = false;       // a VLAN tag goes with the frame, in `tag`
  std::uint16_t tag = 0;
  // Where the transport header is whose checksum the device has just made; 0: none.
  std::uint32_t transport_checked_at = 0;
  bool verify = false;  // checksums are to be verified: the frame came from the wire
  bool whole = false;   // longer than a segment, for a function that takes such frames

  // What the write-back says of the frame, once described: packet type and checksum bits.
  bool described = false;
  std::uint32_t info = 0, status = 0;
  std::optional<offload::FrameHeaders> headers;  // once anyone has needed them
};

// Parses the headers, once.
const offload::FrameHeaders& headers_of(Frame& frame);

// Finds `info` and `status`, once.
void describe(Frame& frame);

// Copies the frame's bytes from `offset` on, `length` of them, all of which exist.
void copy_part(const Frame& frame, std::uint32_t offset, std::uint32_t length, std::byte* to);

inline void copy_whole(const Frame& frame, std::byte* to) {
  std::memcpy(to, frame.head.data(), frame.head.size());
  to += frame.head.size();
  for (const ConstBytes& piece : frame.rest) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
}

// The head with the VLAN tag back in its place, in `to` (head.size() + 4 bytes).
void insert_tag(const Frame& frame, std::byte* to);

// A sender of frames: a transmit queue or the wire. Holds the frames whose delivery is still under way, so
// that a batch of them can wait without the sender's memory.
class FrameSource {
 public:
  FrameSource(std::uint8_t id, std::size_t staging_bytes)
      : id_(id), staging_(std::make_unique_for_overwrite<std::byte[]>(staging_bytes)), size_(staging_bytes) {}

  [[nodiscard]] std::uint8_t id() const { return id_; }
  [[nodiscard]] std::uint32_t outstanding() const { return outstanding_; }
  // There is room for another frame, whatever its length; `whole`: as Frame says.
  [[nodiscard]] bool can_stage(bool whole = false) const {
    return size_ - used_ >= (whole ? kMaxWhole : kMaxFrame) + offload::kVlanTag;
  }
  // The whole frame in one piece, good until all writes that were issued have completed.
  [[nodiscard]] ConstBytes stage(const Frame& frame);
  void write_issued() { ++outstanding_; }
  // True if that was the last one.
  bool write_completed() {
    if (--outstanding_ != 0) return false;
    used_ = 0;
    return true;
  }
  // Nothing is under way: what was staged may be overwritten.
  void rewind() {
    if (outstanding_ == 0) used_ = 0;
  }
  // Erases what has been staged.
  void scrub();

  // Until when the frame at hand waits for buffers.
  std::optional<Instant> patience;

 private:
  std::uint8_t id_;
  std::uint32_t outstanding_ = 0;
  std::unique_ptr<std::byte[]> staging_;
  std::size_t size_, used_ = 0, high_water_ = 0;
};

}  // namespace ladon::nic
