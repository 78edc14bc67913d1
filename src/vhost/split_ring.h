// The device's side of one split virtqueue; virtio 1.2, section 2.7. It sees whole chains, checked; nothing
// that a driver writes is read twice or believed.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>

#include "spec/virtio.h"
#include "vhost/guest_memory.h"
#include "vhost/refusal.h"

namespace ladon::vhost {

// Descriptors of one chain, those of an indirect table included. Section 2.7.5.3.1 allows as many as the ring
// has; no driver needs so many for a frame, and each costs the device time.
inline constexpr std::size_t kMaxChain = 256;

// Buffers of one or more chains, in order.
struct BufferList {
  static constexpr std::size_t kCapacity = 2 * kMaxChain;
  std::array<Stretch, kCapacity> at;
  std::size_t count = 0;
  std::uint64_t bytes = 0;

  void clear() { count = 0, bytes = 0; }
};

class SplitRing {
 public:
  // Each as long as the ring's size makes it, and aligned.
  struct Parts {
    Stretch descriptors, available, used;
  };
  struct Features {
    bool event_idx = false, indirect = false;
  };

  // Starts at entry `base` of the available ring. The memory outlives the ring or is replaced by move_to.
  // False if the memory cannot be read.
  [[nodiscard]] bool open(const GuestMemory& memory, const Parts& parts, std::uint16_t size,
                          std::uint16_t base, Features features);
  // The same ring in other memory.
  void move_to(const GuestMemory& memory, const Parts& parts);
  void set_features(Features features) { features_ = features; }

  // The entry of the available ring that is looked at next: what GET_VRING_BASE answers.
  [[nodiscard]] std::uint16_t base() const { return next_; }

  // How many chains wait, as far as look() has found.
  [[nodiscard]] std::uint16_t available() const { return static_cast<std::uint16_t>(seen_ - next_); }
  // Looks whether there are more: how many wait now.
  [[nodiscard]] std::expected<std::uint16_t, RingFlaw> look();
  // The first descriptor of the chain that waits at place `index` < available().
  [[nodiscard]] std::expected<std::uint16_t, RingFlaw> head(std::uint16_t index) const;
  // Appends the buffers of the chain to `into`; all are of this direction.
  enum class Direction : std::uint8_t { from_driver, to_driver };
  [[nodiscard]] std::optional<RingFlaw> gather(std::uint16_t head, Direction direction,
                                               BufferList& into) const;

  // Gives back the next chains: put() the index-th of them, then advance() over them all. The driver sees
  // them after publish(). False if the memory is gone.
  [[nodiscard]] bool put(std::uint16_t index, std::uint16_t head, std::uint32_t written) const;
  void advance(std::uint16_t chains) { next_ += chains, used_ += chains; }
  [[nodiscard]] bool publish();
  [[nodiscard]] bool published() const { return used_ == published_; }
  // The driver wants a signal for what has been published since it was last asked; 2.7.7.
  [[nodiscard]] bool wants_signal();

  // Asks the driver not to notify, or to notify again; 2.7.10. After listen(), look once more for what came
  // in between.
  void quiet();
  void listen();

 private:
  struct Table {
    Stretch at;
    std::uint32_t size = 0;
  };
  struct Descriptor {
    Gpa address;
    std::uint32_t length = 0;
    std::uint16_t flags = 0, next = 0;
  };
  [[nodiscard]] static bool read(const Table& table, std::uint32_t index, Descriptor& into);
  [[nodiscard]] std::expected<Table, RingFlaw> indirect_table(const Descriptor& descriptor) const;
  [[nodiscard]] std::optional<RingFlaw> append(const Descriptor& descriptor, BufferList& into) const;
  void set_used_flags(std::uint16_t flags);

  const GuestMemory* memory_ = nullptr;
  Parts parts_;
  Features features_;
  std::uint16_t size_ = 0;       // 0: not open
  std::uint16_t next_ = 0;       // of the available ring
  std::uint16_t seen_ = 0;       // its index when it was last looked at
  std::uint16_t used_ = 0;       // of the used ring, not yet published
  std::uint16_t published_ = 0;  // what the driver sees
  std::uint16_t signalled_ = 0;  // up to here the driver has been asked whether it wants a signal
  std::uint16_t flags_ = 0;      // of the used ring
};

}  // namespace ladon::vhost
