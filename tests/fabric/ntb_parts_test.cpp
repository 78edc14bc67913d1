// What parts of the market cannot do, as the hardware refuses it (spec/ntb_parts.h).
#include "spec/ntb_parts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

namespace ntb = spec::ntb;
using pcie::Access;

bool enabled(std::uint32_t control) {
  return (control & ntb::kWindowEnable) != 0;
}

TEST(NtbParts, EachFitsTheModel) {
  for (const ntb::Part& part : ntb::kParts) {
    EXPECT_LE(part.lut, ntb::kMaxLut) << part.name;
    EXPECT_LE(part.windows, ntb::kMaxWindows) << part.name;
    EXPECT_EQ(part.lut == 0, part.requesters == ntb::Requesters::none) << part.name;
  }
  EXPECT_EQ(granule(ntb::kGenericPart, 64 << 20), 4096u);
  const auto* plx = std::ranges::find(ntb::kParts, "plx-87xx", &ntb::Part::name);
  EXPECT_EQ(granule(*plx, 64 << 20), 256u << 10);
  EXPECT_EQ(granule(*plx, 1 << 20), 4096u);
}

TEST(NtbParts, SlicesBoundWhereAWindowMayBeginAndEnd) {
  Rig rig{{.ntbs = {{.granule = 0x10000}}}};
  EXPECT_EQ(rig.read_ntb(1, ntb::kLimits), 16u);
  const auto open = [&](std::uint64_t offset, std::uint64_t length, std::uint64_t to) {
    return enabled(rig.open_window(1, false, 5, ntb::kRegisterBar, offset, length, to));
  };
  EXPECT_FALSE(open(0x4000, 0x10000, 0));
  EXPECT_FALSE(open(0x10000, 0x4000, 0));
  EXPECT_FALSE(open(0x10000, 0x10000, 0x4000));
  EXPECT_TRUE(open(0x10000, 0x10000, 0x20000));
  rig.close_window(1, true, 0);
  EXPECT_TRUE(enabled(rig.open_window(1, true, 0, ntb::kDmaBar, 0x1000, 0x1000, 0)))
      << "the other BAR's go by pages";
}

TEST(NtbParts, AnAddressThatIsJoinedBitByBitIsAlignedToItsWindow) {
  Rig rig{{.ntbs = {{.size_aligned = true}}}};
  EXPECT_EQ(rig.read_ntb(1, ntb::kLimits), 12u | ntb::kLimitSizeAligned);
  const auto open = [&](std::uint64_t length, std::uint64_t to) {
    const bool is = enabled(rig.open_window(1, false, 5, ntb::kRegisterBar, 0x10000, length, to));
    rig.close_window(1, false, 5);
    return is;
  };
  EXPECT_TRUE(open(0x4000, 0x8000));
  EXPECT_FALSE(open(0x4000, 0x9000));
  EXPECT_FALSE(open(0x3000, 0x7000)) << "three pages lie in four";
  EXPECT_TRUE(open(0x3000, 0x8000));
}

TEST(NtbParts, WithoutLimitsADmaWindowIsItsBar) {
  Rig rig{{.ntbs = {{.whole_bar = true}}}, false};
  rig.enumerate();
  EXPECT_EQ(rig.read_ntb(1, ntb::kLimits), 12u | ntb::kLimitWholeBar);
  rig.close_window(1, true, 0);
  EXPECT_FALSE(enabled(rig.open_window(1, true, 0, ntb::kDmaBar, 0, kDmaSpan / 2, 0)));
  EXPECT_TRUE(enabled(rig.open_window(1, true, 0, ntb::kDmaBar, 0, kDmaSpan, 0)));
}

TEST(NtbParts, WithoutATableEveryoneCrossesAsTheNtbItself) {
  Rig rig{{.ntbs = {{.lut_entries = 0, .requester_table = false}}}};
  EXPECT_EQ(rig.read_ntb(1, ntb::kLimits), 12u | ntb::kLimitNoTable);
  rig.assign(0, 1, 0);
  rig.assign(1, 1, 1);
  // Both are the same to the host's IOMMU, which knows neither under a proxy of its own.
  for (const unsigned vf : {0u, 1u}) {
    const auto way = rig.go(rig.dma(vf, 0, Access::read));
    ASSERT_TRUE(way.refused());
    EXPECT_EQ(way.fault()->rid.bdf, Rig::ntb_rid(1, true)) << vf;
    EXPECT_EQ(way.fault()->component.kind, ComponentKind::iommu) << vf;
  }
  // The other NTB has its table, and refuses who is not in it.
  rig.assign(2, 2, 0);
  EXPECT_EQ(why(rig.go(rig.dma(2, 0, Access::read))), "");
  rig.clear_lut(2, true, 0);
  EXPECT_EQ(why(rig.go(rig.dma(2, 0, Access::read))), why(Reason::lut_miss));
}

TEST(NtbParts, WithoutATableACompletionComesBack) {
  Rig rig{{.ntbs = {{.lut_entries = 0, .requester_table = false}}}};
  const auto domain = rig.assign(0, 1, 0);
  ASSERT_TRUE(rig.fabric->attach(kCh1, domain, Rig::ntb_rid(1, true)));
  EXPECT_EQ(why(rig.go(rig.dma(0, 0, Access::write))), "");
  EXPECT_EQ(why(rig.go(rig.dma(0, 0, Access::read))), "");
  EXPECT_EQ(why(rig.go(rig.dma(1, 0, Access::read))), why(Reason::iommu_not_attached))
      << "the MH's IOMMU knows its own";
}

}  // namespace
}  // namespace ladon::fabric::test
