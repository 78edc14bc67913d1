// Bytes and integers in a stated byte order, by copying: no alignment and no aliasing to think of.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ladon {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

template <std::unsigned_integral T>
[[nodiscard]] constexpr T swap_bytes(T value) {
  return std::byteswap(value);
}

// The caller has checked that sizeof(T) bytes are there.
template <std::unsigned_integral T>
[[nodiscard]] inline T load_le(const std::byte* from) {
  static_assert(std::endian::native == std::endian::little);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <std::unsigned_integral T>
inline void store_le(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <std::unsigned_integral T>
[[nodiscard]] inline T load_be(const std::byte* from) {
  return swap_bytes(load_le<T>(from));
}
template <std::unsigned_integral T>
inline void store_be(std::byte* to, T value) {
  store_le(to, swap_bytes(value));
}

}  // namespace ladon
