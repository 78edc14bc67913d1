// The Internet checksum (RFC 1071) and CRC32c (RFC 9260, appendix A) over bytes that lie in several pieces.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ladon::nic::offload {

// A ones'-complement sum under way. Pieces may have odd lengths: what follows is shifted accordingly.
class InternetSum {
 public:
  void add(ConstBytes bytes);
  // Sixteen bits as they would stand in the packet in network order; only at an even position.
  void add_word(std::uint16_t word) { sum_ += swap_bytes(word); }
  // The sum of a stretch that follows here and was begun on its own.
  void add(const InternetSum& next);

  // The sum folded to sixteen bits: what stands in a field that a partial sum seeds.
  [[nodiscard]] std::uint16_t folded() const;
  // The checksum: the complement of the sum.
  [[nodiscard]] std::uint16_t checksum() const { return static_cast<std::uint16_t>(~folded()); }

 private:
  friend InternetSum copy_and_sum(Bytes to, ConstBytes from);
  void append(std::uint64_t native_sum, std::size_t length);

  std::uint64_t sum_ = 0;  // of words in the machine's byte order; folded before it can overflow
  bool odd_ = false;
};

[[nodiscard]] InternetSum sum_of(ConstBytes bytes);
// Copies `from` to `to`, which is at least as long, and sums on the way: one pass over the payload.
InternetSum copy_and_sum(Bytes to, ConstBytes from);

// CRC32c under way; `value()` is what SCTP puts into its checksum field, as a little-endian integer.
class Crc32c {
 public:
  void add(ConstBytes bytes);
  [[nodiscard]] std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = 0xFFFF'FFFF;
};

}  // namespace ladon::nic::offload
