// A set of queues and other sources of frames (dma_tag.h): a bitmap, so that a doorbell is one instruction.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <utility>

namespace ladon::nic {

class QueueSet {
 public:
  void add(unsigned queue) { words_[queue / 64] |= std::uint64_t{1} << (queue % 64); }
  void remove(unsigned queue) { words_[queue / 64] &= ~(std::uint64_t{1} << (queue % 64)); }
  void merge(const QueueSet& other) {
    for (unsigned i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  [[nodiscard]] bool contains(unsigned queue) const { return (words_[queue / 64] >> (queue % 64) & 1) != 0; }
  [[nodiscard]] bool empty() const { return (words_[0] | words_[1] | words_[2]) == 0; }
  void clear() { words_.fill(0); }

  // Removes the smallest member, which exists.
  unsigned take_first() {
    for (unsigned i = 0;; ++i)
      if (words_[i] != 0) {
        const auto bit = static_cast<unsigned>(std::countr_zero(words_[i]));
        words_[i] &= words_[i] - 1;
        return i * 64 + bit;
      }
  }

 private:
  std::array<std::uint64_t, 3> words_{};  // 63 functions with two queues and a store each, and the wire
};

}  // namespace ladon::nic
