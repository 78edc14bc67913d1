// The Internet checksum (RFC 1071).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ladon::port {

class Checksum {
 public:
  // Parts are added at even offsets: only the last may have an odd length.
  void add(ConstBytes part) {
    std::size_t i = 0;
    for (; i + 1 < part.size(); i += 2) sum_ += load_be<std::uint16_t>(&part[i]);
    if (i < part.size()) sum_ += static_cast<std::uint64_t>(part[i]) << 8;
  }
  void add(std::uint32_t value) { sum_ += (value >> 16) + (value & 0xFFFF); }

  // What goes into the checksum field; 0 if the parts already hold a right one.
  [[nodiscard]] std::uint16_t value() const {
    std::uint64_t folded = sum_;
    while (folded >> 16 != 0) folded = (folded & 0xFFFF) + (folded >> 16);
    return static_cast<std::uint16_t>(~folded);
  }

 private:
  std::uint64_t sum_ = 0;
};

}  // namespace ladon::port
