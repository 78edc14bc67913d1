// Who waits until when: a wheel of 4096 slots of about a microsecond, with a bitmap over it. Adding, removing
// and expiring are O(1) each; what is further away than the wheel reaches is put in its last slot and looked
// at again there, every four milliseconds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"

namespace ladon::qos {

class TimingWheel {
 public:
  static constexpr unsigned kSlotBits = 10;  // 1.024 us a slot
  static constexpr std::uint32_t kSlots = 4096;
  static constexpr Duration kResolution{Duration::rep{1} << kSlotBits};

  // For ids below `count` < 65535.
  explicit TimingWheel(std::uint16_t count) : nodes_(count), heads_(kSlots) {}

  [[nodiscard]] bool contains(std::uint16_t id) const { return nodes_[id].slot != kNowhere; }
  // `id` is not in the wheel. It expires at `due` or up to a slot later, never before.
  void add(std::uint16_t id, Instant due);
  // Does nothing if it is not there.
  void remove(std::uint16_t id);
  // Takes out what is due at `now` and calls expired(id) for each, which may add it again.
  template <class Expired>
  void advance(Instant now, Expired expired) {
    std::uint16_t id = take_due(now);
    while (id != kNone) {
      const std::uint16_t next = nodes_[id].next;
      if (nodes_[id].due_tick > tick_)
        insert(id);
      else
        expired(id);
      id = next;
    }
  }
  // When to call advance() again.
  [[nodiscard]] std::optional<Instant> next() const;

 private:
  static constexpr std::uint16_t kNone = 0xFFFF, kNowhere = 0xFFFF;
  using Tick = std::int64_t;
  struct Node {
    Tick due_tick = 0;
    std::uint16_t next = kNone, previous = kNone, slot = kNowhere;
  };
  struct List {
    std::uint16_t first = kNone, last = kNone;
  };
  void insert(std::uint16_t id);
  // Everything in slots that have passed, in their order, linked by `next`; the wheel then stands at `now`.
  std::uint16_t take_due(Instant now);
  // Slots from the one after tick_ to the next occupied one; nullopt if all are empty.
  [[nodiscard]] std::optional<std::uint32_t> distance() const;

  Tick tick_ = 0;  // everything up to and including it has expired
  std::vector<Node> nodes_;
  std::vector<List> heads_;
  std::array<std::uint64_t, kSlots / 64> occupied_{};
  std::uint64_t summary_ = 0;  // bit i: occupied_[i] is not zero
};

}  // namespace ladon::qos
