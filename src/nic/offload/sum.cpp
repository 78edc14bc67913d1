#include "nic/offload/sum.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ladon::nic::offload {
namespace {

[[nodiscard]] std::uint64_t fold(std::uint64_t sum) {
  sum = (sum & 0xFFFF'FFFF) + (sum >> 32);
  sum = (sum & 0xFFFF'FFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return (sum & 0xFFFF) + (sum >> 16);
}

// Sum of the words in the machine's byte order, folded; an odd last byte is the first of its word. With
// `Copy`, the bytes are also written to `to`. 32-bit words into 64-bit sums: no carry is ever lost.
template <bool Copy>
[[nodiscard]] std::uint64_t sum_plain(std::byte* to, const std::byte* from, std::size_t length) {
  std::uint64_t even = 0, odd = 0;
  while (length >= 8) {
    const auto word = load_le<std::uint64_t>(from);
    if constexpr (Copy) store_le(to, word), to += 8;
    even += word & 0xFFFF'FFFF;
    odd += word >> 32;
    from += 8, length -= 8;
  }
  std::uint64_t last = 0;
  if (length > 0) std::memcpy(&last, from, length);
  if constexpr (Copy)
    if (length > 0) std::memcpy(to, from, length);
  return fold(fold(even) + fold(odd) + fold(last));
}

#if defined(__x86_64__)
template <bool Copy>
[[nodiscard, gnu::target("avx2")]] std::uint64_t sum_avx2(std::byte* to, const std::byte* from,
                                                          std::size_t length) {
  const __m256i low_half = _mm256_set1_epi64x(0xFFFF'FFFF);
  __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
  while (length >= 32) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    if constexpr (Copy) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), words), to += 32;
    even = _mm256_add_epi64(even, _mm256_and_si256(words, low_half));
    odd = _mm256_add_epi64(odd, _mm256_srli_epi64(words, 32));
    from += 32, length -= 32;
  }
  alignas(32) std::array<std::uint64_t, 4> lanes;
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes.data()), _mm256_add_epi64(even, odd));
  std::uint64_t sum = sum_plain<Copy>(to, from, length);
  for (const std::uint64_t lane : lanes) sum += fold(lane);
  return fold(sum);
}
// What the processor can do is a constant of the machine, looked up once.
const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;
#endif

template <bool Copy>
[[nodiscard]] std::uint64_t sum_words(std::byte* to, const std::byte* from, std::size_t length) {
#if defined(__x86_64__)
  if (length >= 64 && kHasAvx2) return sum_avx2<Copy>(to, from, length);
#endif
  return sum_plain<Copy>(to, from, length);
}

// The Castagnoli polynomial, bits reversed.
constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F6'3B78u : 0u);
    table[i] = crc;
  }
  return table;
}();

}  // namespace

void InternetSum::append(std::uint64_t native_sum, std::size_t length) {
  // RFC 1071, 2(B): a sum that starts at an odd byte is the byte-swapped sum.
  sum_ += odd_ ? swap_bytes(static_cast<std::uint16_t>(native_sum)) : native_sum;
  odd_ ^= (length & 1) != 0;
}

void InternetSum::add(ConstBytes bytes) {
  append(sum_words<false>(nullptr, bytes.data(), bytes.size()), bytes.size());
}

void InternetSum::add(const InternetSum& next) {
  append(fold(next.sum_), next.odd_ ? 1 : 0);
}

std::uint16_t InternetSum::folded() const {
  return swap_bytes(static_cast<std::uint16_t>(fold(sum_)));
}

InternetSum sum_of(ConstBytes bytes) {
  InternetSum sum;
  sum.add(bytes);
  return sum;
}

InternetSum copy_and_sum(Bytes to, ConstBytes from) {
  InternetSum sum;
  sum.append(sum_words<true>(to.data(), from.data(), from.size()), from.size());
  return sum;
}

void Crc32c::add(ConstBytes bytes) {
  for (const std::byte byte : bytes)
    state_ = (state_ >> 8) ^ kCrcTable[(state_ ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
}

}  // namespace ladon::nic::offload
