// A receive ring as a VF driver keeps it: one buffer a descriptor, taken for complete when the length in the
// write-back is not zero, as ixgbevf does. Intel 82599 Datasheet 7.1.6.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "client/mmio.h"
#include "client/vf_mailbox.h"
#include "spec/descriptor.h"

namespace ladon::client {

struct RxOptions {
  std::uint16_t size = 256;                   // descriptors, a multiple of 8
  std::uint32_t buffer = 2048;                // bytes in memory behind each descriptor, whole KiB
  std::optional<std::uint16_t> limit = 1664;  // RLPML: what the driver can take in one buffer (X550)
  bool strip_vlan = true;
  bool drop_enable = true;
};

struct ReceivedFrame {
  std::vector<std::byte> bytes;
  std::uint32_t info = 0, hash = 0;  // as written back with the first buffer
  std::uint32_t status = 0;          // as written back with the last
  std::optional<std::uint16_t> vlan;
  std::uint32_t buffers = 0;
};

// A whole frame where the device has put it.
struct FrameInPlace {
  std::uint32_t length = 0;   // bytes
  std::uint32_t buffers = 0;  // that it lies in
  std::uint32_t status = 0;   // as written back with the last
  std::optional<std::uint16_t> vlan;
};

class RxRing {
 public:
  // Takes ring and buffers from `arena`.
  [[nodiscard]] static std::expected<RxRing, VfError> make(Mmio& registers, std::uint16_t queue,
                                                           const RxOptions& options, Arena& arena);

  // Programs and enables the queue and gives it all buffers but one.
  [[nodiscard]] std::expected<void, VfError> start();
  void stop();

  // The next whole frame, copied; its buffers go back to the device. nullopt if none is complete.
  [[nodiscard]] std::optional<ReceivedFrame> receive();

  // The next whole frame without a copy: its pieces go into `parts`; of a frame in more buffers than `parts`
  // has, `length` is 0. Good until pop(), which gives its buffers back - the device hears of that with every
  // kRefill buffers, and by refill().
  [[nodiscard]] std::optional<FrameInPlace> front(std::span<ConstBytes> parts) const;
  void pop(const FrameInPlace& frame);

  // For benchmarks: up to `count` frames, untouched, their buffers given back; the tail is written for every
  // kRefill buffers. Returns how many frames ended.
  std::uint32_t receive_batch(std::uint32_t count);
  // Gives back what receive_batch still holds.
  void refill();

  // Bytes behind a buffer's end that the device must leave alone carry this.
  static constexpr std::byte kCanary{0xC5};
  // True while everything behind the part of each buffer that the device may write is untouched. Meaningful
  // with `limit`, after start().
  [[nodiscard]] bool canaries_hold() const;

  // For tests of malformed rings: descriptor `index` as it is.
  void put_raw(std::uint32_t index, std::uint64_t packet, std::uint64_t header);
  void write_tail(std::uint32_t value);
  [[nodiscard]] std::uint16_t size() const { return options_.size; }
  [[nodiscard]] Bytes memory() const { return ring_.bytes; }

 private:
  static constexpr std::uint32_t kRefill = 32;

  RxRing(Mmio& registers, std::uint16_t queue, const RxOptions& options)
      : registers_(&registers), queue_(queue), options_(options) {}
  [[nodiscard]] std::uint32_t reg(std::uint32_t offset) const;
  [[nodiscard]] std::byte* descriptor(std::uint32_t index) const {
    return ring_.bytes.data() + index * spec::descriptor::kSize;
  }
  [[nodiscard]] Bytes buffer(std::uint32_t index) const {
    return buffers_.bytes.subspan(std::size_t{index} * options_.buffer, options_.buffer);
  }
  [[nodiscard]] std::uint32_t after(std::uint32_t index) const {
    return index + 1 == options_.size ? 0 : index + 1;
  }
  // Buffers of the next whole frame; 0 if it is not there yet.
  [[nodiscard]] std::uint32_t complete() const;
  void arm(std::uint32_t index);
  // The descriptor at `index` is given back: the device may fill it again.
  void give_back();

  Mmio* registers_;
  std::uint16_t queue_;
  RxOptions options_;
  GuestMemory ring_{}, buffers_{};
  std::uint32_t next_ = 0;     // first descriptor not seen complete
  std::uint32_t pending_ = 0;  // buffers armed again of which the tail does not tell yet
};

}  // namespace ladon::client
