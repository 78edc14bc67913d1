// Whose remembered accesses a change drops: exactly those it can have changed.
#include <gtest/gtest.h>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

using pcie::Access;
using Functions = std::vector<FunctionId>;
using Processors = std::vector<pcie::Domain>;

class Changes : public testing::Test {
 protected:
  Changes() {
    own = rig.assign(0, 1, 0, 0x1000'0000);
    rig.assign(1, 1, 1, 0x2000'0000);
    rig.assign(2, 2, 0, 0x1000'0000);
    rig.changes.clear();
  }
  FunctionId vf(unsigned i) { return {.index = 0, .function = rig.nic.index_of(i)}; }
  // The one change that was told since the last call.
  Affected heard() {
    EXPECT_EQ(rig.changes.size(), 1u);
    Affected a = rig.changes.empty() ? Affected{} : rig.changes.back();
    rig.changes.clear();
    return a;
  }
  Rig rig;
  iommu::DomainId own{};
};

TEST_F(Changes, AnUnmapDropsItsVfAlone) {
  ASSERT_TRUE(
      rig.fabric->map(kCh1, own, {*Range<Iova>::of(Iova(0x800'0000), 0x1000), BusAddr(0), pcie::kReadWrite}));
  EXPECT_TRUE(rig.changes.empty()) << "more reach voids nothing that is remembered";
  ASSERT_TRUE(rig.fabric->unmap(kCh1, own, *Range<Iova>::of(Iova(0x800'0000), 0x1000)));
  const Affected a = heard();
  EXPECT_FALSE(a.everyone);
  EXPECT_EQ(a.functions, (Functions{vf(0)}));
  EXPECT_TRUE(a.processors.empty());
}

TEST_F(Changes, DetachAtTheManagementHostNamesTheVf) {
  ASSERT_TRUE(rig.fabric->detach(kMh, rig.vf_rid(2)));
  EXPECT_EQ(heard().functions, (Functions{vf(2)}));
}

TEST_F(Changes, AVfPageTakenFromAHostDropsThatHostsProcessors) {
  ASSERT_TRUE(rig.fabric->unmap(kMh, rig.nic_pages[0], *Range<Iova>::of(Iova(kVfBars), kVfBarSize)));
  const Affected a = heard();
  EXPECT_TRUE(a.functions.empty());
  EXPECT_EQ(a.processors, (Processors{kCh1}));
}

TEST_F(Changes, ALutEntryDropsItsRequesterAndWhoReadsFromIt) {
  rig.clear_lut(1, true, 1);
  const Affected a = heard();
  EXPECT_EQ(a.functions, (Functions{vf(1)}));
  EXPECT_EQ(a.processors, (Processors{kCh1}));
  rig.clear_lut(1, false, 0);
  const Affected b = heard();
  EXPECT_EQ(b.functions, (Functions{vf(0)})) << "completions of its reads need that entry";
  EXPECT_EQ(b.processors, (Processors{kCh1}));
}

TEST_F(Changes, AWindowDropsThoseWhoMayEnterIt) {
  rig.close_window(1, true, 0);
  EXPECT_EQ(heard().functions, (Functions{vf(0), vf(1)}));
  rig.close_window(1, false, 0);
  EXPECT_EQ(heard().processors, (Processors{kCh1}));
  rig.open_window(1, false, 0, 2, 0, kVfBarSize, kVfBars);
  EXPECT_TRUE(rig.changes.empty());
}

TEST_F(Changes, AnInterruptRouteDropsItsRequester) {
  ASSERT_TRUE(rig.fabric->route_interrupt(kCh1, Rig::proxy_rid(1), 4));
  ASSERT_TRUE(rig.fabric->unroute_interrupt(kCh1, Rig::proxy_rid(1), 4));
  EXPECT_EQ(heard().functions, (Functions{vf(1)}));
}

TEST_F(Changes, AnNtbsOwnRequestsAreItsFunctions) {
  for (const auto& [domain, rid, side] : {std::tuple(kMh, Rig::ntb_rid(2, false), std::uint16_t{0}),
                                          std::tuple(kCh2, Rig::ntb_rid(2, true), std::uint16_t{1})}) {
    ASSERT_TRUE(rig.fabric->route_interrupt(domain, rid, 4));
    ASSERT_TRUE(rig.fabric->unroute_interrupt(domain, rid, 4));
    EXPECT_EQ(heard().functions, (Functions{{.is_ntb = true, .index = 1, .function = side}}));
  }
}

TEST_F(Changes, ABarThatAppearsBeforeAnotherIsAChange) {
  const pcie::Bdf link(1, 0, 0);
  const auto bar = [&](unsigned index, std::uint32_t value) {
    rig.fabric->config_write(kCh1, link, static_cast<std::uint16_t>(spec::pci::kBar0 + 4 * index), 4, value);
  };
  bar(0, 0);
  bar(3, 0);
  bar(2, kLinkControl);
  const auto there = [&] { return rig.go(Rig::cpu(kCh1, kLinkControl, Access::write)).hops.size(); };
  const auto before = there();
  rig.changes.clear();
  bar(0, kLinkControl);
  EXPECT_NE(there(), before) << "the NTB's registers, where a window was";
  EXPECT_TRUE(heard().everyone);
}

TEST_F(Changes, BusNumbersThatTwoShareNameBoth) {
  // NTB 2's port takes the NIC's bus number.
  rig.fabric->config_write(kMh, pcie::Bdf(2, 1, 0), spec::pci::kPrimaryBus, 4, 0x050502);
  const auto id = rig.fabric->create_domain(kMh).value();
  ASSERT_TRUE(rig.fabric->attach(kMh, id, pcie::Bdf(5, 0, 0)));
  rig.changes.clear();
  ASSERT_TRUE(rig.fabric->detach(kMh, pcie::Bdf(5, 0, 0)));
  EXPECT_EQ(heard().functions,
            (Functions{{.index = 0, .function = 0}, {.is_ntb = true, .index = 1, .function = 0}}));
}

TEST_F(Changes, BusZeroBelowARootPortIsItsNtbsToo) {
  rig.fabric->config_write(kCh1, pcie::Bdf(0, 1, 0), spec::pci::kPrimaryBus, 4, 0);
  const auto id = rig.fabric->create_domain(kCh1).value();
  const pcie::Bdf proxy(static_cast<std::uint16_t>(1));  // of VF 0
  ASSERT_TRUE(rig.fabric->attach(kCh1, id, proxy));
  rig.changes.clear();
  ASSERT_TRUE(rig.fabric->detach(kCh1, proxy));
  EXPECT_EQ(heard().functions, (Functions{vf(0)}));
}

TEST_F(Changes, ASecondLevelMappingDropsItsHostsProcessors) {
  const auto range = *Range<Gpa>::of(Gpa(0), 0x1000);
  ASSERT_TRUE(rig.fabric->map_vm(kCh2, pcie::Vm{1}, {range, BusAddr(0), pcie::kReadWrite}));
  EXPECT_TRUE(rig.changes.empty());
  ASSERT_TRUE(rig.fabric->unmap_vm(kCh2, pcie::Vm{1}, range));
  EXPECT_EQ(heard().processors, (Processors{kCh2}));
}

TEST_F(Changes, RemovedMemoryDropsThoseWhoseMappingsLeadThere) {
  const MemoryRange extra{*Range<BusAddr>::of(BusAddr(16 * kGiB), 0x10000), MemoryId{9}, 0};
  ASSERT_TRUE(rig.fabric->add_memory(kCh1, extra));
  ASSERT_TRUE(rig.fabric->map(kCh1, own,
                              {*Range<Iova>::of(Iova(kGiB), 0x1000), BusAddr(16 * kGiB), pcie::kReadWrite}));
  EXPECT_TRUE(rig.changes.empty());
  ASSERT_TRUE(rig.fabric->remove_memory(kCh1, extra.range));
  const Affected a = heard();
  EXPECT_EQ(a.functions, (Functions{vf(0)}));
  EXPECT_EQ(a.processors, (Processors{kCh1}));
}

TEST_F(Changes, MemoryOverWhatTheRootPortForwardedIsAChange) {
  const MemoryRange over{*Range<BusAddr>::of(BusAddr(kLinkWindow), 0x10000), MemoryId{9}, 0};
  ASSERT_TRUE(rig.fabric->map(kCh1, own,
                              {*Range<Iova>::of(Iova(kGiB), 0x1000), over.range.first(), pcie::kReadWrite}));
  rig.changes.clear();
  ASSERT_TRUE(rig.fabric->add_memory(kCh1, over));
  const Affected a = heard();
  EXPECT_EQ(a.functions, (Functions{vf(0)}));
  EXPECT_EQ(a.processors, (Processors{kCh1}));
}

TEST_F(Changes, BusMasteringDropsTheFunctionAndBridgesEveryone) {
  rig.fabric->config_write(kMh, rig.vf_rid(1), spec::pci::kCommand, 2, 0);
  EXPECT_EQ(heard().functions, (Functions{vf(1)}));
  rig.fabric->config_write(kMh, pcie::Bdf(2, 0, 0), spec::pci::kCommand, 2, 0);
  EXPECT_TRUE(heard().everyone);
}

TEST_F(Changes, AnInterruptRouteThatAnyoneMayUseDropsEveryone) {
  Rig open({.defences = {.mh_iommu = false}});
  ASSERT_TRUE(open.fabric->route_interrupt(kMh, open.vf_rid(0), 4));
  open.changes.clear();
  ASSERT_TRUE(open.fabric->unroute_interrupt(kMh, open.vf_rid(0), 4));
  ASSERT_EQ(open.changes.size(), 1u);
  EXPECT_TRUE(open.changes[0].everyone) << "entries are not checked for their source";
}

TEST_F(Changes, WithoutChecksMoreTablesVoidMore) {
  Rig open({.defences = {.ch_iommu = false}});
  const auto domain = open.assign(0, 1, 0);
  open.changes.clear();
  ASSERT_TRUE(
      open.fabric->map(kCh1, domain, {*Range<Iova>::of(Iova(kGiB), 0x1000), BusAddr(0), pcie::kReadWrite}));
  ASSERT_EQ(open.changes.size(), 1u) << "what passed through unchanged is translated now";
  EXPECT_EQ(open.changes[0].functions, (Functions{{.index = 0, .function = open.nic.index_of(0)}}));
}

}  // namespace
}  // namespace ladon::fabric::test
