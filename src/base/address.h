// Addresses and address ranges. One type per meaning: a guest-physical address, the address a device emits
// before its IOMMU, and a physical address in one host's domain never convert into one another; whoever
// translates says so by naming both types. Arithmetic is checked: what would wrap around is a value
// (nullopt), never a small number.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>

namespace ladon {

template <class Tag>
class Address {
 public:
  constexpr Address() = default;
  explicit constexpr Address(std::uint64_t bits) : bits_(bits) {}

  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
  constexpr auto operator<=>(const Address&) const = default;

  // This address moved up by `bytes`; nullopt if it would pass the end of the 64-bit space.
  [[nodiscard]] constexpr std::optional<Address> plus(std::uint64_t bytes) const {
    const std::uint64_t sum = bits_ + bytes;
    if (sum < bits_) return std::nullopt;
    return Address(sum);
  }
  // Distance in bytes from `base` up to this address; nullopt if this address lies below it.
  [[nodiscard]] constexpr std::optional<std::uint64_t> minus(Address base) const {
    if (bits_ < base.bits_) return std::nullopt;
    return bits_ - base.bits_;
  }
  // `alignment` is a power of two.
  [[nodiscard]] constexpr Address align_down(std::uint64_t alignment) const {
    return Address(bits_ & ~(alignment - 1));
  }
  [[nodiscard]] constexpr bool is_aligned(std::uint64_t alignment) const {
    return (bits_ & (alignment - 1)) == 0;
  }

 private:
  std::uint64_t bits_ = 0;
};

using Gpa = Address<struct GpaTag>;          // guest-physical
using Iova = Address<struct IovaTag>;        // as a device emits it, before its IOMMU
using BusAddr = Address<struct BusAddrTag>;  // physical, in one host's domain

// The addresses first..last, both included: never empty, never wrapped, and able to hold the whole space.
template <class A>
class Range {
 public:
  // nullopt if length is 0 or the range would pass the end of the 64-bit space.
  [[nodiscard]] static constexpr std::optional<Range> of(A first, std::uint64_t length) {
    if (length == 0) return std::nullopt;
    const auto last = first.plus(length - 1);
    if (!last) return std::nullopt;
    return Range(first, *last);
  }
  // nullopt if last < first.
  [[nodiscard]] static constexpr std::optional<Range> between(A first, A last) {
    if (last < first) return std::nullopt;
    return Range(first, last);
  }
  [[nodiscard]] static constexpr Range everything() { return Range(A(0), A(~std::uint64_t{0})); }

  [[nodiscard]] constexpr A first() const { return first_; }
  [[nodiscard]] constexpr A last() const { return last_; }
  // Length in bytes minus one: the only form of the length that the whole space has too.
  [[nodiscard]] constexpr std::uint64_t span() const { return last_.bits() - first_.bits(); }

  [[nodiscard]] constexpr bool contains(A at) const { return first_ <= at && at <= last_; }
  [[nodiscard]] constexpr bool contains(const Range& other) const {
    return first_ <= other.first_ && other.last_ <= last_;
  }
  [[nodiscard]] constexpr bool overlaps(const Range& other) const {
    return first_ <= other.last_ && other.first_ <= last_;
  }
  [[nodiscard]] constexpr std::optional<Range> intersect(const Range& other) const {
    return between(first_ < other.first_ ? other.first_ : first_, last_ < other.last_ ? last_ : other.last_);
  }
  constexpr bool operator==(const Range&) const = default;

 private:
  constexpr Range(A first, A last) : first_(first), last_(last) {}
  A first_, last_;
};

}  // namespace ladon

template <class Tag>
struct std::hash<ladon::Address<Tag>> {
  std::size_t operator()(ladon::Address<Tag> a) const noexcept {
    return std::hash<std::uint64_t>{}(a.bits());
  }
};
