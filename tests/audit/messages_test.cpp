#include "audit/messages.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace ladon::audit {
namespace {

constexpr pcie::Bdf kRid(0x108);

Interval random_area() {
  const auto first = *rc::gen::inRange<std::uint64_t>(0, 0x10'0000);
  const auto last = *rc::gen::inRange<std::uint64_t>(first, 0x10'0000);
  return {iommu::kInterruptFirst + first, iommu::kInterruptFirst + last};
}

// Every word of the area that names an entry, by the table itself: is there one for `index`?
bool some_message_raises(const iommu::InterruptTable& table, std::uint32_t index, const Interval& area) {
  for (std::uint64_t at = (area.first + 3) & ~3ull; at + 3 <= area.last; at += 4) {
    const auto raised = [&](std::uint32_t data) { return table.lookup(kRid, at, 4, data) == index; };
    const auto low = static_cast<std::uint32_t>(at);
    const std::uint32_t handle = ((low >> 5) & 0x7FFF) | ((low >> 2) & 1) << 15;
    if (raised(0) || (index >= handle && raised(index - handle))) return true;
  }
  return false;
}

RC_GTEST_PROP(Messages, NameAnEntryIfAnyMessageToTheAreaDoes, ()) {
  iommu::InterruptTable table;
  // The vector is the entry's own index, so that a look-up says which it was.
  table.entries.resize(70'000);
  const auto index = *rc::gen::element(
      *rc::gen::inRange<std::uint32_t>(0, 64), *rc::gen::inRange<std::uint32_t>(0x7F00, 0x8100),
      *rc::gen::inRange<std::uint32_t>(0xFFF0, 0x1'0010), *rc::gen::inRange<std::uint32_t>(0, 70'000));
  table.entries[index] = {.present = true, .vector = index, .source = kRid};
  const Interval area = random_area();
  const auto message = message_for(index, area);
  if (message) {
    RC_ASSERT(area.first <= message->address && message->address + 3 <= area.last);
    const bool raises = table.lookup(kRid, message->address, 4, message->data) == index;
    RC_ASSERT(raises);
  } else {
    RC_ASSERT(!some_message_raises(table, index, area));
  }
}

RC_GTEST_PROP(Messages, WithoutRemappingAreTheVectorsOfTheirBits, ()) {
  const Interval area = random_area();
  const iommu::InterruptTable table{.mode = iommu::InterruptMode::off, .entries = {}};
  std::set<std::uint32_t> expected;
  for (std::uint64_t at = (area.first + 3) & ~3ull; at + 3 <= area.last; at += 4) {
    expected.insert(*table.lookup(kRid, at, 4, 0));
    expected.insert(*table.lookup(kRid, at, 4, 0xFF));
  }
  const auto vectors = unremapped_vectors(area);
  RC_ASSERT(vectors.has_value() == !expected.empty());
  if (!vectors) return;
  RC_ASSERT(vectors->first == *expected.begin());
  RC_ASSERT(vectors->last == *expected.rbegin());
}

TEST(Messages, EntriesAreFoundByTheirRequester) {
  iommu::InterruptTable table;
  table.entries = {{.present = true, .vector = 1, .source = pcie::Bdf(1)},
                   {.present = false, .vector = 2, .source = pcie::Bdf(1)},
                   {.present = true, .vector = 3, .source = pcie::Bdf(2)}};
  EXPECT_EQ(EntriesByRequester(table).of(pcie::Bdf(1)), (std::vector<std::uint32_t>{0}));
  EXPECT_TRUE(EntriesByRequester(table).of(pcie::Bdf(3)).empty());
  table.mode = iommu::InterruptMode::unchecked;
  EXPECT_EQ(EntriesByRequester(table).of(pcie::Bdf(3)), (std::vector<std::uint32_t>{0, 2}));
}

}  // namespace
}  // namespace ladon::audit
