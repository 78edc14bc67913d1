#include "iommu/unit.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace ladon::iommu {
namespace {

using pcie::Access;
using pcie::Bdf;

constexpr Bdf kVf0{3, 16, 0}, kVf1{3, 16, 2};

Mapping<Iova> mapping(std::uint64_t from, std::uint64_t length, std::uint64_t to,
                      pcie::AccessSet access = pcie::kReadWrite) {
  return {*Range<Iova>::of(Iova(from), length), BusAddr(to), access};
}

Reason refusal(const Unit& unit, Bdf rid, std::uint64_t at, Access access = Access::read) {
  return unit.table()->translate(rid, Iova(at), access, false).to.error();
}

std::uint64_t reached(const Unit& unit, Bdf rid, std::uint64_t at, Access access = Access::read) {
  const auto answer = unit.table()->translate(rid, Iova(at), access, false);
  return answer.to ? answer.to->bits() : ~0ull;
}

TEST(Unit, SeparatesRequestersByDomain) {
  Unit unit({});
  const DomainId a = unit.create_domain().value(), b = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0) && unit.attach(b, kVf1));
  ASSERT_TRUE(unit.map(a, mapping(0x1000, 0x1000, 0xA000)));
  ASSERT_TRUE(unit.map(b, mapping(0x1000, 0x1000, 0xB000, pcie::kReadOnly)));
  EXPECT_EQ(reached(unit, kVf0, 0x1010), 0xA010u);
  EXPECT_EQ(reached(unit, kVf1, 0x1010), 0xB010u);
  EXPECT_EQ(refusal(unit, kVf1, 0x1010, Access::write), Reason::no_permission);
  EXPECT_EQ(refusal(unit, kVf0, 0x2000), Reason::not_mapped);
  EXPECT_EQ(refusal(unit, Bdf(3, 0, 0), 0x1000), Reason::not_attached);
}

TEST(Unit, LifeOfADomain) {
  Unit unit({.max_domains = 1});
  const DomainId a = unit.create_domain().value();
  EXPECT_EQ(unit.create_domain().error(), TableError::limit);
  ASSERT_TRUE(unit.attach(a, kVf0));
  EXPECT_EQ(unit.attach(a, kVf0).error(), TableError::busy);
  EXPECT_EQ(unit.destroy_domain(a).error(), TableError::busy);
  EXPECT_EQ(unit.requesters(a), std::vector{kVf0});
  ASSERT_TRUE(unit.detach(kVf0));
  EXPECT_EQ(unit.detach(kVf0).error(), TableError::no_such_thing);
  ASSERT_TRUE(unit.destroy_domain(a));
  EXPECT_EQ(unit.map(a, mapping(0, 0x1000, 0)).error(), TableError::no_such_thing);
}

TEST(Unit, TranslatedRequestsAndPasidsNeedAGrant) {
  Unit unit({});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  ASSERT_TRUE(unit.attach(a, kVf1, {.translated = true, .pasid = true}));
  ASSERT_TRUE(unit.map(a, mapping(0x1000, 0x1000, 0xA000)));
  const auto table = unit.table();
  EXPECT_EQ(table->accept_translated(kVf0, BusAddr(5), false).error(), Reason::translated_request);
  EXPECT_EQ(table->accept_translated(kVf1, BusAddr(5), false), BusAddr(5));
  EXPECT_EQ(table->translate(kVf0, Iova(0x1000), Access::read, true).to.error(), Reason::pasid);
  EXPECT_TRUE(table->translate(kVf1, Iova(0x1000), Access::read, true).to.has_value());
}

TEST(Unit, NothingIsMappedOntoTheInterruptRange) {
  Unit unit({});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  ASSERT_TRUE(unit.map(a, mapping(0x0, 0x30'0000, kInterruptFirst - 0x10'0000)));
  EXPECT_EQ(reached(unit, kVf0, 0xF'FFFF), kInterruptFirst - 1);
  EXPECT_EQ(refusal(unit, kVf0, 0x10'0000), Reason::interrupt_target);
  EXPECT_EQ(reached(unit, kVf0, 0x20'0000), kInterruptLast + 1);
  const auto table = unit.table();
  EXPECT_EQ(table->translate(kVf0, Iova(0x15'0000), Access::read, false).extent,
            Range<Iova>::of(Iova(0x10'0000), 0x10'0000));
  EXPECT_EQ(table->translate(kVf0, Iova(0), Access::read, false).extent, Range<Iova>::of(Iova(0), 0x10'0000));
}

TEST(Unit, ExtentsStopAtTheInterruptRange) {
  Unit unit({});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  ASSERT_TRUE(unit.map(a, mapping(0, std::uint64_t{8} << 30, std::uint64_t{64} << 30)));
  const auto table = unit.table();
  EXPECT_EQ(table->translate(kVf0, Iova(0), Access::read, false).extent.last(), Iova(kInterruptFirst - 1));
  EXPECT_EQ(table->translate(kVf0, Iova(std::uint64_t{4} << 30), Access::read, false).extent.first(),
            Iova(kInterruptLast + 1));
}

TEST(Unit, StrictUnmapLeavesNothing) {
  Unit unit({});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  ASSERT_TRUE(unit.map(a, mapping(0x1000, 0x1000, 0xA000)));
  ASSERT_TRUE(unit.unmap(a, *Range<Iova>::of(Iova(0x1000), 0x1000)));
  EXPECT_EQ(refusal(unit, kVf0, 0x1000), Reason::not_mapped);
}

TEST(Unit, DeferredUnmapStaysReachableUntilTheFlush) {
  Unit unit({.invalidation = Invalidation::deferred});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  ASSERT_TRUE(unit.map(a, mapping(0x1000, 0x2000, 0xA000)));
  ASSERT_TRUE(unit.unmap(a, *Range<Iova>::of(Iova(0x1000), 0x2000)));
  ASSERT_TRUE(unit.map(a, mapping(0x2000, 0x2000, 0xF000)));
  const auto table = unit.table();
  const auto stale = table->translate(kVf0, Iova(0x2000), Access::read, false);
  EXPECT_TRUE(stale.stale);
  EXPECT_EQ(stale.to, BusAddr(0xB000)) << "the old translation wins while it is cached";
  EXPECT_EQ(stale.extent, Range<Iova>::of(Iova(0x1000), 0x2000));
  EXPECT_EQ(table->translate(kVf0, Iova(0x3000), Access::read, false).extent,
            Range<Iova>::of(Iova(0x3000), 0x1000));
  unit.flush();
  EXPECT_EQ(reached(unit, kVf0, 0x2000), 0xF000u);
  EXPECT_EQ(refusal(unit, kVf0, 0x1000), Reason::not_mapped);
}

TEST(Unit, WithABoundedIotlbOnlyWhatWasUsedIsStale) {
  Unit unit({.invalidation = Invalidation::deferred, .iotlb_entries = 2});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  ASSERT_TRUE(unit.map(a, mapping(0x1000, 0x4000, 0xA000)));
  for (const std::uint64_t at : {0x1000, 0x2000, 0x4000}) unit.fill(a, Iova(at));
  EXPECT_EQ(unit.iotlb().entries().size(), 2u);
  ASSERT_TRUE(unit.unmap(a, *Range<Iova>::of(Iova(0x1000), 0x4000)));
  EXPECT_EQ(refusal(unit, kVf0, 0x1000), Reason::not_mapped) << "evicted";
  EXPECT_EQ(reached(unit, kVf0, 0x2000), 0xB000u);
  EXPECT_EQ(refusal(unit, kVf0, 0x3000), Reason::not_mapped) << "never used";
  EXPECT_EQ(reached(unit, kVf0, 0x4FFF), 0xDFFFu);
}

TEST(Unit, OffsetModeAddsTheBaseWithoutABound) {
  Unit unit({.enforcement = Enforcement::offset});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  constexpr std::uint64_t kWindow = std::uint64_t{2} << 36;
  ASSERT_TRUE(unit.map(a, mapping(0, 0x10'0000, kWindow, pcie::kReadOnly)));
  ASSERT_TRUE(unit.map(a, mapping(0x7000'0000, 0x1000, 0x8000'0000)));
  EXPECT_EQ(reached(unit, kVf0, 0x10, Access::write), kWindow + 0x10) << "no permission check";
  EXPECT_EQ(reached(unit, kVf0, 0x20'0000), kWindow + 0x20'0000) << "no bound";
  EXPECT_EQ(reached(unit, kVf0, 0x7000'0004), 0x8000'0004u) << "the other mapping still translates";
  EXPECT_EQ(refusal(unit, kVf0, ~0ull), Reason::wraps);
  EXPECT_EQ(reached(unit, kVf1, 0x1234), 0x1234u) << "no requester check";
}

TEST(Unit, PassthroughTranslatesWhatIsMappedAndPassesTheRest) {
  Unit unit({.enforcement = Enforcement::passthrough});
  const DomainId a = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0));
  ASSERT_TRUE(unit.map(a, mapping(0x1000, 0x1000, 0xA000, pcie::kReadOnly)));
  EXPECT_EQ(reached(unit, kVf0, 0x1008, Access::write), 0xA008u);
  EXPECT_EQ(reached(unit, kVf0, 0x9000), 0x9000u);
  EXPECT_EQ(reached(unit, kVf1, 0x1008), 0x1008u);
}

TEST(Unit, ASnapshotIsNotChangedByLaterMappings) {
  Unit unit({});
  const DomainId a = unit.create_domain().value(), b = unit.create_domain().value();
  ASSERT_TRUE(unit.attach(a, kVf0) && unit.attach(b, kVf1));
  const auto before = unit.table();
  ASSERT_TRUE(unit.map(a, mapping(0x1000, 0x1000, 0xA000)));
  const auto after = unit.table();
  EXPECT_FALSE(before->translate(kVf0, Iova(0x1000), Access::read, false).to.has_value());
  EXPECT_TRUE(after->translate(kVf0, Iova(0x1000), Access::read, false).to.has_value());
  EXPECT_EQ(before->find(kVf1)->domain, after->find(kVf1)->domain) << "unchanged domains are shared";
}

// In the two modes without checks, too, the extent is where the same offset holds, and no farther.
RC_GTEST_PROP(Unit, ExtentsAreExactInEveryMode, ()) {
  const auto enforcement =
      *rc::gen::element(Enforcement::full, Enforcement::offset, Enforcement::passthrough);
  Unit unit({.enforcement = enforcement,
             .invalidation = *rc::gen::element(Invalidation::strict, Invalidation::deferred)});
  const DomainId a = unit.create_domain().value();
  RC_ASSERT(unit.attach(a, kVf0).has_value());
  const auto anywhere = [] {
    return *rc::gen::element<std::uint64_t>(0, 0xFEDF'0000, 0xFEEF'0000, 0x10'0000'0000, ~0xFFFFull) +
           *rc::gen::inRange<std::uint64_t>(0, 16) * 0x1000;
  };
  for (int i = 0; i < 12; ++i) {
    const auto length = *rc::gen::inRange<std::uint64_t>(1, 20) * 0x1000;
    const auto range = Range<Iova>::of(Iova(anywhere()), length);
    if (!range) continue;
    if (*rc::gen::inRange(0, 3) == 0)
      (void)unit.unmap(a, *range);
    else
      (void)unit.map(
          a, {*range, BusAddr(anywhere()), pcie::AccessSet{*rc::gen::element<std::uint8_t>(1, 2, 3)}});
  }
  const auto table = unit.table();
  const auto at = anywhere() + *rc::gen::inRange<std::uint64_t>(0, 0x1000);
  if (is_interrupt_address(at)) return;
  const auto offset = [&](std::uint64_t address) -> std::optional<std::uint64_t> {
    const auto got = table->translate(kVf0, Iova(address), Access::read, false);
    return got.to ? std::optional(got.to->bits() - address) : std::nullopt;
  };
  const auto here = table->translate(kVf0, Iova(at), Access::read, false);
  const auto first = here.extent.first().bits(), last = here.extent.last().bits();
  RC_ASSERT(first <= at && at <= last);
  for (const auto inside : {first, last, first + (last - first) / 2}) {
    RC_ASSERT(offset(inside) == offset(at));
    RC_ASSERT(table->translate(kVf0, Iova(inside), Access::read, false).extent == here.extent);
  }
  if (!here.to || here.stale) return;
  const auto differs = [&](std::uint64_t outside) {
    return is_interrupt_address(outside) || offset(outside) != offset(at) ||
           table->translate(kVf0, Iova(outside), Access::read, false).stale ||
           enforcement != Enforcement::full;
  };
  if (first > 0) RC_ASSERT(differs(first - 1));
  if (last < ~0ull) RC_ASSERT(differs(last + 1));
}

}  // namespace
}  // namespace ladon::iommu
