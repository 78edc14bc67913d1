// Sets of numbers - addresses, vectors - as what they are made of: stretches, ascending, never touching one
// another.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ladon::audit {

// first..last, both included: never empty, and able to hold the whole space.
struct Interval {
  std::uint64_t first = 0, last = 0;
  constexpr auto operator<=>(const Interval&) const = default;
};

class IntervalSet {
 public:
  IntervalSet() = default;
  // Any order, overlapping or not.
  explicit IntervalSet(std::vector<Interval> parts);

  [[nodiscard]] const std::vector<Interval>& parts() const { return parts_; }
  [[nodiscard]] bool empty() const { return parts_.empty(); }
  // O(log parts).
  [[nodiscard]] bool contains(std::uint64_t at) const;
  [[nodiscard]] IntervalSet without(const IntervalSet& other) const;
  [[nodiscard]] IntervalSet intersect(const IntervalSet& other) const;
  bool operator==(const IntervalSet&) const = default;

 private:
  std::vector<Interval> parts_;
};

}  // namespace ladon::audit
