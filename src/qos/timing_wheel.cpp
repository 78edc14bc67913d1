#include "qos/timing_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ladon::qos {

void TimingWheel::add(std::uint16_t id, Instant due) {
  const Duration::rep at = due.time_since_epoch().count();
  // Rounded up, so that nothing expires early.
  nodes_[id].due_tick = (at >> kSlotBits) + ((at & (kResolution.count() - 1)) != 0 ? 1 : 0);
  insert(id);
}

void TimingWheel::insert(std::uint16_t id) {
  Node& node = nodes_[id];
  const Tick at = std::clamp(node.due_tick, tick_ + 1, tick_ + Tick{kSlots} - 1);
  node.slot = static_cast<std::uint16_t>(at & (kSlots - 1));
  List& list = heads_[node.slot];
  node.previous = list.last;
  node.next = kNone;
  (list.last == kNone ? list.first : nodes_[list.last].next) = id;
  list.last = id;
  occupied_[node.slot / 64] |= std::uint64_t{1} << (node.slot % 64);
  summary_ |= std::uint64_t{1} << (node.slot / 64);
}

void TimingWheel::remove(std::uint16_t id) {
  Node& node = nodes_[id];
  if (node.slot == kNowhere) return;
  List& list = heads_[node.slot];
  (node.previous == kNone ? list.first : nodes_[node.previous].next) = node.next;
  (node.next == kNone ? list.last : nodes_[node.next].previous) = node.previous;
  if (list.first == kNone) {
    std::uint64_t& word = occupied_[node.slot / 64];
    word &= ~(std::uint64_t{1} << (node.slot % 64));
    if (word == 0) summary_ &= ~(std::uint64_t{1} << (node.slot / 64));
  }
  node.slot = kNowhere;
}

std::optional<std::uint32_t> TimingWheel::distance() const {
  if (summary_ == 0) return std::nullopt;
  const auto from = static_cast<std::uint32_t>((tick_ + 1) & (kSlots - 1));
  const std::uint32_t word = from / 64, bit = from % 64;
  // The rest of this word, the words after it, and round to this one again.
  if (const std::uint64_t here = occupied_[word] >> bit; here != 0)
    return static_cast<std::uint32_t>(std::countr_zero(here));
  const std::uint64_t turned = std::rotr(summary_, static_cast<int>(word + 1));
  const auto words = static_cast<std::uint32_t>(std::countr_zero(turned)) + 1;
  const std::uint64_t found = occupied_[(word + words) % 64];
  return words * 64 + static_cast<std::uint32_t>(std::countr_zero(found)) - bit;
}

std::uint16_t TimingWheel::take_due(Instant now) {
  const Tick until = now.time_since_epoch().count() >> kSlotBits;
  if (until <= tick_) return kNone;
  List due;
  while (const auto ahead = distance()) {
    const Tick at = tick_ + 1 + *ahead;
    if (at > until) break;
    tick_ = at;
    const auto slot = static_cast<std::uint32_t>(at & (kSlots - 1));
    const List list = std::exchange(heads_[slot], {});
    occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    if (occupied_[slot / 64] == 0) summary_ &= ~(std::uint64_t{1} << (slot / 64));
    for (std::uint16_t id = list.first; id != kNone; id = nodes_[id].next) nodes_[id].slot = kNowhere;
    (due.last == kNone ? due.first : nodes_[due.last].next) = list.first;
    due.last = list.last;
  }
  tick_ = until;
  return due.first;
}

std::optional<Instant> TimingWheel::next() const {
  const auto ahead = distance();
  if (!ahead) return std::nullopt;
  return Instant(Duration((tick_ + 1 + *ahead) << kSlotBits));
}

}  // namespace ladon::qos
