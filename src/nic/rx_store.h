// Received frames of one function that wait in its partition for the function's turn at the bus: a ring of
// bytes, every frame in one piece with what is known of it. Used where the device has a limit
// (Capacity::receive); otherwise frames go straight to their receivers.
#pragma once

#include <cstdint>
#include <memory>

#include "nic/frame.h"

namespace ladon::nic {

class RxStore {
 public:
  // `id`: as a FrameSource.
  explicit RxStore(std::uint8_t id) : source_(id, kStagingBytes) {}

  // Makes room for `bytes` of frames; what is stored stays.
  void resize(std::uint64_t bytes);
  [[nodiscard]] bool empty() const { return frames_ == 0; }
  // There is room for a frame of `length` bytes.
  [[nodiscard]] bool fits(std::uint32_t length) const;
  // After fits().
  void push(const Frame& frame);
  // The oldest frame, good until pop(); there is one.
  [[nodiscard]] Frame front();
  // What it is charged with: its bytes, and those of its tag.
  [[nodiscard]] std::uint32_t front_charge() const { return first().charge(); }
  void pop();
  // Forgets and erases all frames; returns what it was charged with.
  std::uint64_t clear();
  [[nodiscard]] FrameSource& source() { return source_; }

 private:
  static constexpr std::size_t kStagingBytes = std::size_t{64} << 10;
  struct Record {
    std::uint32_t length = 0, transport_checked_at = 0;
    std::uint16_t tag = 0;
    bool tagged = false, verify = false;
    [[nodiscard]] std::uint32_t charge() const { return length + (tagged ? kTagBytes : 0); }
  };
  [[nodiscard]] static std::size_t extent(std::uint32_t length) {
    return (sizeof(Record) + length + alignof(Record) - 1) / alignof(Record) * alignof(Record);
  }
  [[nodiscard]] Record first() const;

  FrameSource source_;
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0, head_ = 0, tail_ = 0;
  std::size_t wrap_ = 0;  // where the reader goes on at the start, if tail_ < head_
  std::size_t frames_ = 0;
  std::uint64_t charged_ = 0;
  ConstBytes rest_;
};

}  // namespace ladon::nic
