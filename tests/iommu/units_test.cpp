// The units of a host's segments: I/O domains are common, contexts, IOTLBs and interrupt tables are not.
#include "iommu/units.h"

#include <gtest/gtest.h>

namespace ladon::iommu {
namespace {

constexpr pcie::Bdf kRid(5, 16, 2);

Range<Iova> pages(std::uint64_t first, std::uint64_t count) {
  return *Range<Iova>::of(Iova(first * kPage4K), count * kPage4K);
}
bool reaches(const Unit& unit, std::uint64_t page) {
  return unit.table()->translate(kRid, Iova(page * kPage4K), pcie::Access::write, false).to.has_value();
}

TEST(Units, ADomainIsTheSameInAllAndARequesterInOne) {
  Units units({}, 3);
  const auto domain = units.create_domain().value();
  ASSERT_TRUE(units.map(domain, {pages(0, 4), BusAddr(0), pcie::kReadWrite}));
  ASSERT_TRUE(units[1].attach(domain, kRid));
  EXPECT_FALSE(reaches(units[0], 1));
  EXPECT_TRUE(reaches(units[1], 1));
  ASSERT_TRUE(units[2].attach(domain, kRid)) << "another requester: the number is the segment's";
  EXPECT_EQ(units.destroy_domain(domain).error(), TableError::busy);
  ASSERT_TRUE(units[1].detach(kRid));
  EXPECT_EQ(units.destroy_domain(domain).error(), TableError::busy);
  ASSERT_TRUE(units[2].detach(kRid));
  EXPECT_TRUE(units.destroy_domain(domain));
  EXPECT_EQ(units[0].attach(domain, kRid).error(), TableError::no_such_thing);
}

TEST(Units, AChangeIsMadeInAllOrInNone) {
  Units units({}, 2);
  const auto domain = units.create_domain().value();
  ASSERT_TRUE(units.map(domain, {pages(0, 4), BusAddr(0), pcie::kReadWrite}));
  EXPECT_EQ(units.map(domain, {pages(3, 4), BusAddr(0), pcie::kReadWrite}).error(), TableError::overlap);
  EXPECT_EQ(units.unmap(domain, pages(1, 1)).error(), TableError::cuts_mapping);
  for (std::size_t u = 0; u < units.size(); ++u) {
    ASSERT_TRUE(units[u].attach(domain, kRid));
    EXPECT_TRUE(reaches(units[u], 3));
    EXPECT_FALSE(reaches(units[u], 4));
  }
}

TEST(Units, WhatAnIotlbKeepsIsItsUnits) {
  Units units({.invalidation = Invalidation::deferred, .iotlb_entries = 8}, 2);
  const auto domain = units.create_domain().value();
  ASSERT_TRUE(units.map(domain, {pages(0, 4), BusAddr(0), pcie::kReadWrite}));
  ASSERT_TRUE(units[0].attach(domain, kRid));
  units.fill(domain, Iova(kPage4K));  // used in the first segment, where the domain has its only requester
  ASSERT_TRUE(units[1].attach(domain, kRid));
  ASSERT_TRUE(units.unmap(domain, pages(0, 4)));
  EXPECT_TRUE(reaches(units[0], 1));
  EXPECT_FALSE(reaches(units[0], 2));
  EXPECT_FALSE(reaches(units[1], 1));
  units.flush();
  EXPECT_FALSE(reaches(units[0], 1));
}

}  // namespace
}  // namespace ladon::iommu
