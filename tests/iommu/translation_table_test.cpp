#include "iommu/translation_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace ladon::iommu {
namespace {

using pcie::Access;

Mapping<Iova> mapping(std::uint64_t from, std::uint64_t length, std::uint64_t to,
                      pcie::AccessSet access = pcie::kReadWrite) {
  return {*Range<Iova>::of(Iova(from), length), BusAddr(to), access};
}

AddressSpaceTable table_of(std::initializer_list<Mapping<Iova>> mappings) {
  AddressSpaceTable table;
  for (const auto& m : mappings) table = table.with(m).value();
  return table;
}

TEST(TranslationTable, TranslatesInsideAndRefusesOutside) {
  const auto table = table_of({mapping(0x1000, 0x2000, 0x10'0000)});
  EXPECT_EQ(table.lookup(Iova(0x1FFF), Access::read).to, BusAddr(0x10'0FFF));
  EXPECT_EQ(table.lookup(Iova(0x2FFF), Access::write).to, BusAddr(0x10'1FFF));
  const auto miss = table.lookup(Iova(0x3000), Access::read);
  EXPECT_EQ(miss.to, std::nullopt);
  EXPECT_FALSE(miss.mapped);
  EXPECT_EQ(miss.extent, Range<Iova>::between(Iova(0x3000), Iova(~0ull)));
  EXPECT_EQ(table.lookup(Iova(0), Access::read).extent, Range<Iova>::of(Iova(0), 0x1000));
}

TEST(TranslationTable, RefusesWhatIsNotWholePages) {
  const AddressSpaceTable table;
  EXPECT_EQ(table.with(mapping(0x800, 0x1000, 0)).error(), TableError::unaligned);
  EXPECT_EQ(table.with(mapping(0x1000, 0x800, 0)).error(), TableError::unaligned);
  EXPECT_EQ(table.with(mapping(0x1000, 0x1000, 0x10)).error(), TableError::unaligned);
  EXPECT_EQ(table.with(mapping(0, 0x2000, ~0xFFFull)).error(), TableError::wraps);
  EXPECT_TRUE(table.with({Range<Iova>::everything(), BusAddr(0), pcie::kReadWrite}).has_value());
}

TEST(TranslationTable, RefusesOverlapOnEitherSideAndTakesNeighbours) {
  const auto table = table_of({mapping(0x4000, 0x2000, 0)});
  for (const std::uint64_t first : {0x3000ull, 0x4000ull, 0x5000ull})
    EXPECT_EQ(table.with(mapping(first, 0x2000, 0)).error(), TableError::overlap) << first;
  EXPECT_TRUE(table.with(mapping(0x2000, 0x2000, 0)).has_value());
  EXPECT_TRUE(table.with(mapping(0x6000, 0x1000, 0)).has_value());
}

TEST(TranslationTable, UnmapTakesWholeMappingsOnly) {
  const auto table = table_of({mapping(0x1000, 0x1000, 0), mapping(0x4000, 0x2000, 0)});
  EXPECT_EQ(table.without(*Range<Iova>::of(Iova(0x1000), 0x4000)).error(), TableError::cuts_mapping);
  EXPECT_EQ(table.without(*Range<Iova>::of(Iova(0), 0x6000))->mappings().size(), 0u);
  EXPECT_EQ(table.without(*Range<Iova>::of(Iova(0x2000), 0x2000))->mappings().size(), 2u);
}

TEST(TranslationTable, PermissionIsCheckedPerMapping) {
  const auto table = table_of(
      {mapping(0x1000, 0x1000, 0x8000, pcie::kReadOnly), mapping(0x2000, 0x1000, 0x9000, pcie::kReadWrite)});
  EXPECT_EQ(table.lookup(Iova(0x1000), Access::read).extent, Range<Iova>::of(Iova(0x1000), 0x2000))
      << "neighbours that continue one another are one stretch";
  const auto denied = table.lookup(Iova(0x1000), Access::write);
  EXPECT_TRUE(!denied.to && denied.mapped);
  EXPECT_EQ(denied.extent, Range<Iova>::of(Iova(0x1000), 0x1000));
  EXPECT_EQ(table.lookup(Iova(0x1000), std::nullopt).to, BusAddr(0x8000));
}

TEST(TranslationTable, PageSizeNeedsAlignmentOfBothSidesAndRoom) {
  const auto table =
      table_of({mapping(kPage1G, 2 * kPage1G, 4 * kPage1G), mapping(0x20'0000, kPage2M, 0x20'0000),
                mapping(8 * kPage1G, kPage1G, 0x1000)});
  EXPECT_EQ(table.page_size(Iova(kPage1G + 5)), kPage1G);
  EXPECT_EQ(table.page_size(Iova(0x20'0000)), kPage2M);
  EXPECT_EQ(table.page_size(Iova(8 * kPage1G)), kPage4K) << "target not congruent";
  EXPECT_EQ(table.page_size(Iova(0)), std::nullopt);
}

// Against a map of single pages: every answer, and every extent exact.
RC_GTEST_PROP(TranslationTable, AgreesWithPages, ()) {
  constexpr std::uint64_t kPages = 24;
  struct Page {
    std::uint64_t to;
    pcie::AccessSet access;
  };
  std::map<std::uint64_t, Page> oracle;
  AddressSpaceTable table;
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, kPages);
    const auto pages = *rc::gen::inRange<std::uint64_t>(1, 6);
    if (*rc::gen::inRange(0, 4) != 0) {
      const auto to = *rc::gen::inRange<std::uint64_t>(0, 8) + first;
      const pcie::AccessSet access{*rc::gen::element<std::uint8_t>(1, 2, 3)};
      bool free = true;
      for (auto p = first; p < first + pages; ++p) free = free && !oracle.contains(p);
      auto next = table.with(mapping(first << 12, pages << 12, to << 12, access));
      RC_ASSERT(next.has_value() == free);
      if (!free) continue;
      table = std::move(*next);
      for (std::uint64_t p = 0; p < pages; ++p) oracle[first + p] = {to + p, access};
    } else {
      auto next = table.without(*Range<Iova>::of(Iova(first << 12), pages << 12));
      if (!next) continue;
      table = std::move(*next);
      for (auto p = first; p < first + pages; ++p) oracle.erase(p);
    }
  }
  const auto answer = [&](std::uint64_t page, Access access) -> std::optional<std::uint64_t> {
    const auto it = oracle.find(page);
    if (it == oracle.end() || !it->second.access.allows(access)) return std::nullopt;
    return it->second.to - page;
  };
  for (const Access access : {Access::read, Access::write})
    for (std::uint64_t page = 0; page < kPages + 8; ++page) {
      const auto got = table.lookup(Iova((page << 12) + 7), access);
      const auto expected = answer(page, access);
      RC_ASSERT(got.to.has_value() == expected.has_value());
      if (expected) RC_ASSERT(got.to->bits() == ((*expected + page) << 12) + 7);
      RC_ASSERT(got.mapped == oracle.contains(page));
      const std::uint64_t low = got.extent.first().bits() >> 12;
      const std::uint64_t high = std::min(got.extent.last().bits() >> 12, kPages + 8);
      for (auto p = low; p <= high; ++p) RC_ASSERT(answer(p, access) == expected);
      if (!expected) continue;
      if (low > 0) RC_ASSERT(answer(low - 1, access) != expected);
      RC_ASSERT(answer(high + 1, access) != expected);
    }
}

}  // namespace
}  // namespace ladon::iommu
