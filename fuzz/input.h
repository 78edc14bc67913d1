// A fuzzer's bytes as a script: read from the front, so that a word of a dictionary means the same wherever
// it is inserted. What lies behind the end reads as zero. Needs no compiler's library, so that corpora are
// replayed by any build.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>
#include <span>

namespace ladon::fuzz {

// An invariant: libFuzzer, like a test, takes an abort for a finding.
inline void require(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: does not hold\n", where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* bytes, std::size_t size) : left_(bytes, size) {}

  [[nodiscard]] bool empty() const { return left_.empty(); }
  [[nodiscard]] std::size_t left() const { return left_.size(); }

  // The next byte, which stays; there is one.
  [[nodiscard]] std::uint8_t peek() const { return left_.front(); }

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  template <class T>
  T any() {
    return number<T>();
  }
  // `first` to `last`, both included.
  template <class T>
  T between(T first, T last) {
    const auto values = static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first) + 1;
    const std::uint64_t value = values <= 0x100 ? u8() : values <= 0x1'0000 ? u16() : u32();
    return static_cast<T>(static_cast<std::uint64_t>(first) + value % values);
  }
  bool flag() { return (u8() & 1) != 0; }
  // One byte; `end` at most 256.
  std::size_t below(std::size_t end) { return u8() % end; }
  template <class T, std::size_t N>
  T of(const std::array<T, N>& all) {
    return all[below(N)];
  }
  // At most `most` bytes, fewer at the end.
  std::span<const std::uint8_t> bytes(std::size_t most) {
    const auto taken = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }

 private:
  // Little endian, as the machine is.
  template <class T>
  T number() {
    T value = 0;
    const auto taken = bytes(sizeof value);
    if (!taken.empty()) std::memcpy(&value, taken.data(), taken.size());
    return value;
  }

  std::span<const std::uint8_t> left_;
};

}  // namespace ladon::fuzz
