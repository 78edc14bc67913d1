#include "audit/interval.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <bitset>

namespace ladon::audit {
namespace {

constexpr std::uint64_t kEnd = ~std::uint64_t{0};
using Bits = std::bitset<128>;

// Numbers of a set below 64, and as far from the end of the space.
std::uint64_t spread(std::size_t bit) {
  return bit < 64 ? bit : kEnd - (127 - bit);
}

std::pair<IntervalSet, Bits> random_set() {
  std::vector<Interval> parts;
  Bits bits;
  for (const auto& [first, length] : *rc::gen::container<std::vector<std::pair<std::size_t, std::size_t>>>(
           rc::gen::pair(rc::gen::inRange<std::size_t>(0, 128), rc::gen::inRange<std::size_t>(1, 20)))) {
    const std::size_t end = std::min(first + length, first < 64 ? std::size_t{64} : std::size_t{128});
    parts.push_back({spread(first), spread(end - 1)});
    for (std::size_t i = first; i < end; ++i) bits.set(i);
  }
  return {IntervalSet(std::move(parts)), bits};
}

void check(const IntervalSet& set, const Bits& bits) {
  for (std::size_t i = 0; i < bits.size(); ++i) RC_ASSERT(set.contains(spread(i)) == bits[i]);
  RC_ASSERT(!set.contains(64) && !set.contains(kEnd - 64));
  const auto& parts = set.parts();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    RC_ASSERT(parts[i].first <= parts[i].last);
    if (i > 0) RC_ASSERT(parts[i - 1].last + 1 < parts[i].first);
  }
}

RC_GTEST_PROP(IntervalSet, IsWhatItsPartsAre, ()) {
  const auto [set, bits] = random_set();
  check(set, bits);
}

RC_GTEST_PROP(IntervalSet, WithoutAndIntersectAreThoseOfSets, ()) {
  const auto [a, a_bits] = random_set();
  const auto [b, b_bits] = random_set();
  check(a.without(b), a_bits & ~b_bits);
  check(a.intersect(b), a_bits & b_bits);
}

TEST(IntervalSet, HoldsTheWholeSpace) {
  const IntervalSet all({{5, kEnd}, {0, 4}});
  EXPECT_EQ(all.parts(), (std::vector<Interval>{{0, kEnd}}));
  EXPECT_TRUE(all.without(all).empty());
  EXPECT_EQ(all.without(IntervalSet({{7, 7}})).parts(), (std::vector<Interval>{{0, 6}, {8, kEnd}}));
}

}  // namespace
}  // namespace ladon::audit
