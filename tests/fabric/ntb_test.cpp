// The NTB's registers, as each side's driver sees them.
#include <gtest/gtest.h>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

namespace ntb = spec::ntb;
using ntb::Error;
using pcie::Access;
using pcie::Bdf;

class NtbRegisters : public testing::Test {
 protected:
  Error error_after(std::uint32_t control) {
    const auto error = static_cast<Error>(rig.read_ntb(1, ntb::kError));
    EXPECT_EQ((control & ntb::kWindowEnable) == 0, error != Error::none);
    rig.write_ntb(1, ntb::kError, 1);
    return error;
  }
  Rig rig{{.ntbs = {{.lut_entries = 4, .windows = 8}}}};
};

TEST_F(NtbRegisters, IdentifyThemselvesOnBothSides) {
  EXPECT_EQ(rig.read_ntb(1, ntb::kId), ntb::kMagic);
  EXPECT_EQ(rig.read_ntb(2, ntb::kSide), 0u);
  EXPECT_EQ(rig.read_ntb(2, ntb::kPeer), 2u);
  EXPECT_EQ(rig.read_ntb(1, ntb::kShape), 8u | 4u << 8 | 26u << 24);
  EXPECT_EQ(rig.read_link(2, ntb::kId), ntb::kMagic);
  EXPECT_EQ(rig.read_link(2, ntb::kSide), 1u);
  EXPECT_EQ(rig.read_link(2, ntb::kPeer), 0u);
  EXPECT_EQ(rig.read_link(2, ntb::kLink), 1u);
}

TEST_F(NtbRegisters, WindowsAreCheckedWhenTheyAreEnabled) {
  const auto open = [&](std::uint8_t bar, std::uint64_t offset, std::uint64_t length, std::uint64_t to) {
    return error_after(rig.open_window(1, true, 5, bar, offset, length, to));
  };
  rig.close_window(1, true, 0);
  EXPECT_EQ(open(0, 0, 0x1000, 0), Error::no_such_bar);
  EXPECT_EQ(open(3, 0, 0x1000, 0), Error::no_such_bar);
  EXPECT_EQ(open(2, 0x800, 0x1000, 0), Error::unaligned);
  EXPECT_EQ(open(2, 0, 0x1800, 0), Error::unaligned);
  EXPECT_EQ(open(2, 0, 0x1000, 0x10), Error::unaligned);
  EXPECT_EQ(open(2, 0, 0, 0), Error::empty);
  EXPECT_EQ(open(2, kDmaSpan, 0x1000, 0), Error::outside_bar);
  EXPECT_EQ(open(2, kDmaSpan - 0x1000, 0x2000, 0), Error::outside_bar);
  EXPECT_EQ(open(2, 0x1000, ~0xFFFull, 0), Error::outside_bar);
  EXPECT_EQ(open(2, 0, 0x2000, ~0xFFFull), Error::wrap);
  EXPECT_EQ(open(1, 0xF'F000, 0x1000, 0), Error::overlap) << "with the MSI window";
  EXPECT_EQ(open(2, 0, kDmaSpan, 0), Error::none) << "the whole BAR";
}

TEST_F(NtbRegisters, WindowsMayTouchButNotOverlap) {
  const auto open = [&](unsigned index, std::uint64_t offset, std::uint64_t length) {
    return error_after(rig.open_window(1, false, index, 2, offset, length, 0));
  };
  EXPECT_EQ(open(0, 0x4000, 0x4000), Error::none);
  EXPECT_EQ(open(1, 0x3000, 0x1000), Error::none);
  EXPECT_EQ(open(2, 0x8000, 0x1000), Error::none);
  EXPECT_EQ(open(3, 0x7000, 0x1000), Error::overlap);
  EXPECT_EQ(open(3, 0x0000, 0x10000), Error::overlap);
  rig.close_window(1, false, 0);
  EXPECT_EQ(open(3, 0x7000, 0x1000), Error::none);
}

TEST_F(NtbRegisters, AnEnabledWindowStandsStill) {
  rig.open_window(1, false, 0, 2, 0, 0x1000, 0x5000);
  const std::uint32_t refused = rig.read_ntb(1, ntb::kRefusedWrites);
  rig.write_ntb(1, ntb::kInbound + ntb::kWindowTranslationLow, 0x9000);
  rig.write_ntb(1, ntb::kInbound, ntb::kWindowEnable | 2u << ntb::kWindowBarShift);
  EXPECT_EQ(rig.read_ntb(1, ntb::kInbound + ntb::kWindowTranslationLow), 0x5000u);
  EXPECT_EQ(rig.read_ntb(1, ntb::kInbound) & 6, 6u);
  EXPECT_EQ(rig.read_ntb(1, ntb::kRefusedWrites), refused + 2);
}

TEST_F(NtbRegisters, AFullLutFailsClosed) {
  for (unsigned i = 0; i < 4; ++i) rig.set_lut(1, true, i, rig.vf_rid(i), static_cast<std::uint8_t>(1 + i));
  rig.set_lut(1, true, 4, rig.vf_rid(4), 5);
  EXPECT_EQ(rig.read_ntb(1, ntb::kLutOutbound + 4 * ntb::kLutStride), 0u) << "there is no fifth entry";
  rig.assign(4, 1, 5);
  EXPECT_EQ(why(rig.go(rig.dma(4, 0, Access::write))), why(Reason::lut_miss));
}

TEST(NtbShapes, EachNtbHasItsOwn) {
  Rig rig{{.ntbs = {{.dma_window = kDmaSpan, .register_window = 64 << 20, .lut_entries = 4, .windows = 8},
                    {.dma_window = 16 * kGiB, .register_window = 4 << 20, .lut_entries = 2, .windows = 3}}}};
  EXPECT_EQ(rig.read_ntb(1, ntb::kShape), 8u | 4u << 8 | 26u << 24);
  EXPECT_EQ(rig.read_ntb(2, ntb::kShape), 3u | 2u << 8 | 22u << 24);
  const auto bar_size = [&](pcie::Domain domain, Bdf bdf) {
    const auto at = static_cast<std::uint16_t>(spec::pci::kBar0 + 8);
    const auto before = rig.fabric->config_read(domain, bdf, at, 4);
    const auto upper = rig.fabric->config_read(domain, bdf, at + 4, 4);
    rig.fabric->config_write(domain, bdf, at, 4, ~0u);
    rig.fabric->config_write(domain, bdf, at + 4, 4, ~0u);
    const std::uint64_t mask = std::uint64_t{rig.fabric->config_read(domain, bdf, at + 4, 4)} << 32 |
                               (rig.fabric->config_read(domain, bdf, at, 4) & ~0xFu);
    rig.fabric->config_write(domain, bdf, at, 4, before);
    rig.fabric->config_write(domain, bdf, at + 4, 4, upper);
    return ~mask + 1;
  };
  EXPECT_EQ(bar_size(kMh, Rig::ntb_rid(1, false)), kDmaSpan);
  EXPECT_EQ(bar_size(kMh, Rig::ntb_rid(2, false)), 16 * kGiB);
  EXPECT_EQ(bar_size(kCh1, Rig::ntb_rid(1, true)), 64u << 20);
  EXPECT_EQ(bar_size(kCh2, Rig::ntb_rid(2, true)), 4u << 20);
  // What fits the one is refused by the other.
  const auto enabled = [](std::uint32_t control) { return (control & ntb::kWindowEnable) != 0; };
  for (const unsigned k : {1u, 2u}) {
    const bool large = k == 1;
    EXPECT_EQ(enabled(rig.open_window(k, false, 2, ntb::kRegisterBar, 4 << 20, 0x1000, 0)), large) << k;
    EXPECT_EQ(enabled(rig.open_window(k, false, 3, ntb::kRegisterBar, 0, 0x1000, 0)), large) << k;
    rig.close_window(k, true, 0);
    EXPECT_EQ(enabled(rig.open_window(k, true, 0, ntb::kDmaBar, 16 * kGiB, 0x1000, 0)), large) << k;
    rig.set_lut(k, true, 2, rig.vf_rid(0), 1);
    EXPECT_EQ(rig.read_ntb(k, ntb::kLutOutbound + 2 * ntb::kLutStride) != 0, large) << k;
  }
}

TEST_F(NtbRegisters, OneRequesterOneProxy) {
  const auto entry = [&](unsigned i) { return rig.read_ntb(1, ntb::kLutOutbound + i * ntb::kLutStride); };
  rig.set_lut(1, true, 0, rig.vf_rid(0), 1);
  rig.set_lut(1, true, 1, rig.vf_rid(1), 1);
  EXPECT_EQ(entry(1), 0u) << "a second requester would inherit the first one's domain";
  EXPECT_EQ(rig.read_ntb(1, ntb::kError), static_cast<std::uint32_t>(Error::duplicate));
  rig.set_lut(1, true, 1, rig.vf_rid(0), 2);
  EXPECT_EQ(entry(1), 0u);
  rig.write_ntb(1, ntb::kLutOutbound + ntb::kLutProxy, 9);
  EXPECT_EQ(rig.read_ntb(1, ntb::kLutOutbound + ntb::kLutProxy), 1u) << "read-only while valid";
  rig.write_ntb(1, ntb::kLutOutbound, ntb::kLutValid | 0x1234);
  EXPECT_EQ(entry(0), ntb::kLutValid | rig.vf_rid(0).bits);
  rig.clear_lut(1, true, 0);
  rig.set_lut(1, true, 1, rig.vf_rid(1), 1);
  EXPECT_EQ(entry(1), ntb::kLutValid | rig.vf_rid(1).bits);
}

TEST_F(NtbRegisters, TheLinkSideTranslatesNothing) {
  rig.assign(0, 1, 0);
  const auto before = rig.fabric->tables();
  const std::uint32_t refused = rig.read_ntb(1, ntb::kRefusedWrites);
  std::uint32_t tried = 0;
  for (std::uint32_t at = 0; at < ntb::kControlBarSize; at += 4) {
    if (at >= ntb::kScratchpads && at <= ntb::kDoorbellMask) continue;
    if (at >= ntb::kMsixTable && at < ntb::kMsixTable + 16) continue;
    rig.write_link(1, at, 0xFFFF'FFFF);
    ++tried;
    const bool identification = at <= ntb::kVersion || at == ntb::kSide || at == ntb::kLink;
    if (!identification) {
      ASSERT_EQ(rig.read_link(1, at), 0u) << at;
    }
  }
  EXPECT_EQ(rig.fabric->tables(), before) << "nothing was changed";
  EXPECT_EQ(rig.read_ntb(1, ntb::kRefusedWrites), refused + tried);
}

TEST_F(NtbRegisters, ScratchpadsAreThePairsOwn) {
  rig.write_ntb(1, ntb::kScratchpads + 4, 0x1234);
  EXPECT_EQ(rig.read_link(1, ntb::kScratchpads + 4), 0x1234u);
  rig.write_link(1, ntb::kScratchpads + 31 * 4, 7);
  EXPECT_EQ(rig.read_ntb(1, ntb::kScratchpads + 31 * 4), 7u);
  EXPECT_EQ(rig.read_link(2, ntb::kScratchpads + 4), 0u);
}

TEST_F(NtbRegisters, NarrowWritesAreRefusedAndWideOnesSplit) {
  auto* side = rig.fabric->function({.is_ntb = true, .index = 0, .function = 0});
  const std::uint32_t refused = rig.read_ntb(1, ntb::kRefusedWrites);
  side->register_write(0, ntb::kScratchpads, 2, 0xFFFF);
  EXPECT_EQ(rig.read_ntb(1, ntb::kRefusedWrites), refused + 1);
  EXPECT_EQ(rig.read_ntb(1, ntb::kScratchpads), 0u);
  side->register_write(0, ntb::kScratchpads, 8, 0x1122'3344'5566'7788);
  EXPECT_EQ(rig.read_ntb(1, ntb::kScratchpads + 4), 0x1122'3344u);
  EXPECT_EQ(side->register_read(0, ntb::kScratchpads + 2, 2), 0x5566u);
}

TEST_F(NtbRegisters, RefusalsShowInItsCounters) {
  const auto miss = Rig::cpu(kMh, dma_window(1), Access::write);
  rig.fabric->record(miss, rig.go(miss), Instant{});
  EXPECT_EQ(rig.read_ntb(1, ntb::kLutMisses), 1u);
  EXPECT_EQ(rig.read_ntb(2, ntb::kLutMisses), 0u);
  const auto spare = Rig::cpu(kCh1, kLinkWindow, Access::write);
  rig.fabric->record(spare, rig.go(spare), Instant{});
  EXPECT_EQ(rig.read_ntb(1, ntb::kWindowMisses), 1u);
}

TEST_F(NtbRegisters, WindowPermissionAndLinkState) {
  rig.assign(0, 1, 0);
  rig.close_window(1, true, 0);
  rig.open_window(1, true, 0, 2, 0, kDmaSpan, 0, ntb::kWindowRead);
  EXPECT_FALSE(rig.go(rig.dma(0, 0, Access::read)).refused());
  EXPECT_EQ(why(rig.go(rig.dma(0, 0, Access::write))), why(Reason::ntb_window_permission));
  rig.write_ntb(1, ntb::kLink, 0);
  EXPECT_EQ(why(rig.go(rig.dma(0, 0, Access::read))), why(Reason::ntb_link_down));
  EXPECT_EQ(rig.read_link(1, ntb::kLink), 0u) << "registers answer all the same";
}

TEST_F(NtbRegisters, MissingReverseEntryIsOneWayTraffic) {
  rig.assign(0, 1, 0);
  rig.clear_lut(1, false, 0);  // the host bridge of the compute host, which completes reads of its memory
  EXPECT_FALSE(rig.go(rig.dma(0, 0, Access::write)).refused());
  const Resolution read = rig.go(rig.dma(0, 0, Access::read));
  EXPECT_EQ(why(read), why(Reason::completion_lut_miss));
  EXPECT_TRUE(read.fault()->on_completion);
  EXPECT_EQ(read.fault()->rid.bdf, Bdf(0, 0, 0));
  EXPECT_GT(read.hops.size(), 10u) << "the request had arrived";
  rig.set_lut(1, false, 0, Bdf(0, 0, 0), 1);
  EXPECT_FALSE(rig.go(rig.dma(0, 0, Access::read)).refused());
  rig.clear_lut(1, true, 0);  // now the VF, as completer of register reads
  EXPECT_FALSE(rig.go(Rig::cpu(kCh1, kLinkWindow, Access::write)).refused());
  EXPECT_EQ(why(rig.go(Rig::cpu(kCh1, kLinkWindow, Access::read))), why(Reason::completion_lut_miss));
}

TEST_F(NtbRegisters, WrongBusNumbersLoseTheCompletion) {
  rig.assign(0, 1, 0);
  rig.fabric->config_write(kMh, Bdf(1, 0, 0), spec::pci::kSubordinateBus, 1, 4);
  EXPECT_FALSE(rig.go(rig.dma(0, 0, Access::write)).refused());
  EXPECT_EQ(why(rig.go(rig.dma(0, 0, Access::read))), why(Reason::completion_no_route));
}

}  // namespace
}  // namespace ladon::fabric::test
