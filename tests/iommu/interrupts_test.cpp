#include "iommu/interrupts.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace ladon::iommu {
namespace {

using pcie::Bdf;
constexpr Bdf kMine{1, 0, 1}, kOther{1, 0, 2};

std::expected<std::uint32_t, InterruptReason> raise(const InterruptRemapper& remapper, Bdf rid, Message m) {
  return remapper.table()->lookup(rid, m.address, 4, m.data);
}

TEST(Interrupts, ARouteIsTheRequestersAlone) {
  InterruptRemapper remapper(InterruptMode::checked, 16);
  const Message message = remapper.route(kMine, 77).value();
  EXPECT_EQ(raise(remapper, kMine, message), 77u);
  EXPECT_EQ(raise(remapper, kOther, message).error(), InterruptReason::wrong_source);
  EXPECT_EQ(remapper.route(kMine, 77), message);
  const Message other = remapper.route(kOther, 77).value();
  EXPECT_NE(other, message);
  EXPECT_EQ(raise(remapper, kMine, other).error(), InterruptReason::wrong_source);
}

TEST(Interrupts, UnroutedIsNotPresentAndItsEntryIsUsedAgain) {
  InterruptRemapper remapper(InterruptMode::checked, 1);
  const Message message = remapper.route(kMine, 77).value();
  EXPECT_EQ(remapper.route(kMine, 78).error(), TableError::limit);
  ASSERT_TRUE(remapper.unroute(kMine, 77));
  EXPECT_EQ(raise(remapper, kMine, message).error(), InterruptReason::not_present);
  EXPECT_EQ(remapper.unroute(kMine, 77).error(), TableError::no_such_thing);
  EXPECT_TRUE(remapper.route(kOther, 1).has_value());
  EXPECT_EQ(raise(remapper, kMine, message).error(), InterruptReason::wrong_source);
}

TEST(Interrupts, MalformedRequestsAreRefusedByReason) {
  InterruptRemapper remapper(InterruptMode::checked, 16);
  const Message m = remapper.route(kMine, 77).value();
  const auto table = remapper.table();
  EXPECT_EQ(table->lookup(kMine, m.address, 8, 0).error(), InterruptReason::not_four_bytes);
  EXPECT_EQ(table->lookup(kMine, m.address + 1, 4, 0).error(), InterruptReason::not_four_bytes);
  EXPECT_EQ(table->lookup(kMine, 0xFEE0'0000, 4, 0x4041).error(), InterruptReason::compatibility);
  EXPECT_EQ(table->lookup(kMine, m.address, 4, 0x1'0000).error(), InterruptReason::reserved_bits);
  EXPECT_EQ(table->lookup(kMine, 0xFEEF'FFF4, 4, 0).error(), InterruptReason::beyond_table);
}

TEST(Interrupts, SubhandleIsAddedOnlyWhereItIsValid) {
  InterruptRemapper remapper(InterruptMode::checked, 16);
  const Message first = remapper.route(kMine, 70).value();
  ASSERT_TRUE(remapper.route(kMine, 71).has_value());
  const auto table = remapper.table();
  EXPECT_EQ(table->lookup(kMine, first.address, 4, 1), 70u);
  EXPECT_EQ(table->lookup(kMine, first.address | 8, 4, 1), 71u);
  EXPECT_EQ(table->lookup(kMine, first.address | 8, 4, 0xFFFF).error(), InterruptReason::beyond_table);
}

TEST(Interrupts, UncheckedModeKeepsTheTranslation) {
  InterruptRemapper remapper(InterruptMode::unchecked, 16);
  const Message message = remapper.route(kMine, 77).value();
  EXPECT_EQ(raise(remapper, kOther, message), 77u);
}

TEST(Interrupts, OffModeIsWhatTheBitsSay) {
  InterruptRemapper remapper(InterruptMode::off, 16);
  const Message message = remapper.route(kMine, 0x0277).value();
  EXPECT_EQ(message, (Message{.address = 0xFEE0'2000, .data = 0x77}));
  EXPECT_EQ(raise(remapper, kOther, message), 0x0277u);
  EXPECT_EQ(remapper.table()->lookup(kOther, 0xFEE0'0000, 4, 0xFE), 0xFEu) << "never routed";
  EXPECT_EQ(remapper.route(kMine, 0x1'0000).error(), TableError::limit);
}

RC_GTEST_PROP(Interrupts, EveryRouteOfAFullTableFindsItsOwnEntry, ()) {
  InterruptRemapper remapper(InterruptMode::checked, 400);
  const auto count = *rc::gen::inRange<std::uint32_t>(1, 400);
  for (std::uint32_t v = 0; v < count; ++v)
    RC_ASSERT(remapper.route(Bdf(v & 7 ? 0x100 : 0x200), v).has_value());
  const auto v = *rc::gen::inRange<std::uint32_t>(0, count);
  const Bdf rid(v & 7 ? 0x100 : 0x200);
  RC_ASSERT(raise(remapper, rid, remapper.route(rid, v).value()).value() == v);
}

TEST(Interrupts, HandlesAbove32767UseBitTwo) {
  InterruptTable table;
  table.entries.resize(40000);
  table.entries[32769] = {.present = true, .vector = 9, .source = kMine};
  EXPECT_EQ(table.lookup(kMine, 0xFEE0'0000 | 1 << 5 | 1 << 4 | 1 << 2, 4, 0), 9u);
}

}  // namespace
}  // namespace ladon::iommu
