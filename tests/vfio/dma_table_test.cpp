#include "vfio/dma_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace ladon::vfio {
namespace {

constexpr std::uint64_t kPage = kPageBytes;

void add(DmaTable& table, std::uint64_t address, std::uint64_t size) {
  const auto range = table.check(address, size, 0);
  ASSERT_TRUE(range);
  table.add(*range, true);
}

TEST(DmaTable, RefusesWhatIsNoRange) {
  const DmaTable table({});
  EXPECT_EQ(table.check(0, 0, 0).error(), Refusal::dma_empty);
  EXPECT_EQ(table.check(1, kPage, 0).error(), Refusal::dma_unaligned);
  EXPECT_EQ(table.check(0, kPage + 1, 0).error(), Refusal::dma_unaligned);
  EXPECT_EQ(table.check(0, kPage, 1).error(), Refusal::dma_unaligned);
  EXPECT_EQ(table.check(~std::uint64_t{0} - kPage + 1, 2 * kPage, 0).error(), Refusal::dma_wraps);
  EXPECT_TRUE(table.check(~std::uint64_t{0} - kPage + 1, kPage, 0)) << "the last page is one";
  EXPECT_EQ(table.check(0, (std::uint64_t{1} << 40) + kPage, 0).error(), Refusal::dma_too_large);
}

TEST(DmaTable, RefusesOverlapsOnEitherSideAndRepetition) {
  DmaTable table({});
  add(table, 4 * kPage, 4 * kPage);
  for (const auto& [first, pages] : {std::pair{4, 4}, {3, 2}, {7, 2}, {5, 1}, {0, 20}, {4, 1}, {7, 1}})
    EXPECT_EQ(
        table.check(static_cast<unsigned>(first) * kPage, static_cast<unsigned>(pages) * kPage, 0).error(),
        Refusal::dma_exists);
  EXPECT_TRUE(table.check(3 * kPage, kPage, 0));
  EXPECT_TRUE(table.check(8 * kPage, kPage, 0));
}

TEST(DmaTable, HasALimit) {
  DmaTable table({.maps = 2});
  add(table, 0, kPage);
  add(table, kPage, kPage);
  EXPECT_EQ(table.check(2 * kPage, kPage, 0).error(), Refusal::dma_limit);
  table.remove(*Range<Gpa>::of(Gpa(0), kPage));
  EXPECT_TRUE(table.check(2 * kPage, kPage, 0));
}

TEST(DmaTable, AnUnmapMeansWholeMapsOnly) {
  DmaTable table({});
  add(table, 4 * kPage, 4 * kPage);
  add(table, 8 * kPage, 2 * kPage);
  EXPECT_EQ(table.inside(4 * kPage, 4 * kPage)->size(), 1u);
  EXPECT_EQ(table.inside(0, 32 * kPage)->size(), 2u);
  EXPECT_EQ(table.inside(4 * kPage, 2 * kPage).error(), Refusal::dma_cuts_a_map);
  EXPECT_EQ(table.inside(5 * kPage, 3 * kPage).error(), Refusal::dma_cuts_a_map);
  EXPECT_EQ(table.inside(4 * kPage, 5 * kPage).error(), Refusal::dma_cuts_a_map);
  EXPECT_EQ(table.inside(20 * kPage, kPage).error(), Refusal::dma_no_such_map);
  EXPECT_EQ(table.inside(0, 0).error(), Refusal::dma_empty);
  EXPECT_EQ(table.inside(~std::uint64_t{0}, 2).error(), Refusal::dma_wraps);
}

// Against a set of pages: what is mapped never overlaps, and unmap takes exactly what was mapped.
RC_GTEST_PROP(DmaTable, KeepsPagesLikeASet, ()) {
  DmaTable table({});
  std::set<std::uint64_t> pages;
  std::set<std::pair<std::uint64_t, std::uint64_t>> maps;
  const int steps = *rc::gen::inRange(1, 60);
  for (int i = 0; i < steps; ++i) {
    const std::uint64_t first = *rc::gen::inRange<std::uint64_t>(0, 24),
                        count = *rc::gen::inRange<std::uint64_t>(1, 6);
    const auto holds = [&pages](std::uint64_t page) { return pages.contains(page); };
    bool any = false;
    for (std::uint64_t page = first; page < first + count; ++page) any = any || holds(page);
    if (*rc::gen::arbitrary<bool>()) {
      const auto range = table.check(first * kPage, count * kPage, 0);
      RC_ASSERT(range.has_value() == !any);
      if (!range) continue;
      table.add(*range, true);
      maps.emplace(first, count);
      for (std::uint64_t page = first; page < first + count; ++page) pages.insert(page);
    } else {
      std::size_t whole = 0;
      bool cut = false;
      for (const auto& [at, length] : maps) {
        const bool overlaps = at < first + count && first < at + length;
        const bool inside = first <= at && at + length <= first + count;
        whole += inside;
        cut = cut || (overlaps && !inside);
      }
      const auto found = table.inside(first * kPage, count * kPage);
      RC_ASSERT(found.has_value() == (whole > 0 && !cut));
      if (!found) continue;
      RC_ASSERT(found->size() == whole);
      for (const auto& entry : *found) {
        table.remove(entry.range);
        maps.erase({entry.range.first().bits() / kPage, entry.range.span() / kPage + 1});
        for (std::uint64_t at = entry.range.first().bits(); at <= entry.range.last().bits(); at += kPage)
          pages.erase(at / kPage);
      }
    }
    RC_ASSERT(table.size() == maps.size());
  }
}

}  // namespace
}  // namespace ladon::vfio
