// The driver's side of a split virtqueue; virtio 1.2, section 2.7. For tests of a device's other side it also
// writes whatever a driver could.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "client/mmio.h"

namespace ladon::client {

class VirtioQueue {
 public:
  struct Options {
    std::uint16_t size = 256;  // a power of two
    bool event_idx = true;
    bool indirect = false;  // chains of several buffers lie in a table of their own
  };
  struct Buffer {
    Iova address;
    std::uint32_t length = 0;
    bool writable = false;
  };
  struct Used {
    std::uint16_t head = 0;
    std::uint32_t length = 0;  // bytes that the device says it has written
    std::uint64_t token = 0;   // as given to add()
  };

  // Nullopt if the arena has not enough memory left.
  [[nodiscard]] static std::optional<VirtioQueue> make(const Options& options, Arena& arena);

  [[nodiscard]] std::uint16_t size() const { return options_.size; }
  // The three parts, for whoever tells the device.
  [[nodiscard]] const GuestMemory& descriptors() const { return descriptors_; }
  [[nodiscard]] const GuestMemory& available() const { return available_; }
  [[nodiscard]] const GuestMemory& used() const { return used_; }

  // Makes a chain of the buffers available, as of publish(). False if there are too few free descriptors, or
  // more buffers than an indirect table has room for.
  [[nodiscard]] bool add(std::span<const Buffer> buffers, std::uint64_t token);
  // True if the device wants to be kicked for what is new; 2.7.10.
  bool publish();
  // The next chain that the device has given back. What it says is checked: nullopt also if that chain was
  // not the device's, see `broken`.
  [[nodiscard]] std::optional<Used> take();
  [[nodiscard]] std::uint16_t free_descriptors() const { return free_count_; }
  // The device has given back what it did not have, or moved its index by too much.
  [[nodiscard]] bool broken() const { return broken_; }
  // Asks for a signal for the next chain that is given back, or for none; 2.7.7.
  void want_signal(bool wanted);

  // ---- what no driver does
  void put_descriptor(std::uint32_t index, std::uint64_t address, std::uint32_t length, std::uint16_t flags,
                      std::uint16_t next);
  // Makes `head` available, whatever it is.
  void put_available(std::uint16_t head);
  void set_available_index(std::uint16_t index);
  [[nodiscard]] std::uint16_t available_index() const { return next_available_; }
  [[nodiscard]] std::uint16_t used_index() const;

 private:
  static constexpr std::size_t kIndirect = 64;  // entries of an indirect table
  struct Chain {
    std::uint64_t token = 0;
    std::uint16_t descriptors = 0;  // 0: the device has no chain that begins here
  };
  explicit VirtioQueue(const Options& options) : options_(options) {}
  void write(const GuestMemory& table, std::uint32_t index, const Buffer& buffer, std::uint16_t flags,
             std::uint16_t next);
  [[nodiscard]] std::uint16_t free_after(std::uint16_t descriptor) const;

  Options options_;
  GuestMemory descriptors_{}, available_{}, used_{}, tables_{};
  std::vector<Chain> chains_;  // by head
  std::uint16_t free_ = 0, free_count_ = 0;
  std::uint16_t next_available_ = 0, published_ = 0, next_used_ = 0;
  bool broken_ = false, wants_signal_ = true;
};

}  // namespace ladon::client
