#include "audit/interval.h"

#include <algorithm>

namespace ladon::audit {

namespace {

constexpr std::uint64_t kEnd = ~std::uint64_t{0};

}  // namespace

IntervalSet::IntervalSet(std::vector<Interval> parts) : parts_(std::move(parts)) {
  std::sort(parts_.begin(), parts_.end());
  std::size_t kept = 0;
  for (const Interval& part : parts_) {
    Interval* before = kept > 0 ? &parts_[kept - 1] : nullptr;
    if (before != nullptr && (before->last == kEnd || part.first <= before->last + 1))
      before->last = std::max(before->last, part.last);
    else
      parts_[kept++] = part;
  }
  parts_.resize(kept);
}

bool IntervalSet::contains(std::uint64_t at) const {
  const auto after = std::upper_bound(parts_.begin(), parts_.end(), at,
                                      [](std::uint64_t a, const Interval& part) { return a < part.first; });
  return after != parts_.begin() && at <= std::prev(after)->last;
}

IntervalSet IntervalSet::intersect(const IntervalSet& other) const {
  IntervalSet common;
  for (auto a = parts_.begin(), b = other.parts_.begin(); a != parts_.end() && b != other.parts_.end();) {
    const std::uint64_t first = std::max(a->first, b->first), last = std::min(a->last, b->last);
    if (first <= last) common.parts_.push_back({first, last});
    if (a->last < b->last)
      ++a;
    else
      ++b;
  }
  return common;
}

IntervalSet IntervalSet::without(const IntervalSet& other) const {
  IntervalSet rest;
  auto b = other.parts_.begin();
  for (Interval part : parts_) {
    while (b != other.parts_.end() && b->last < part.first) ++b;
    bool used_up = false;
    for (auto hole = b; hole != other.parts_.end() && hole->first <= part.last; ++hole) {
      if (hole->first > part.first) rest.parts_.push_back({part.first, hole->first - 1});
      used_up = hole->last >= part.last;
      if (used_up) break;
      part.first = hole->last + 1;
    }
    if (!used_up) rest.parts_.push_back(part);
  }
  return rest;
}

}  // namespace ladon::audit
