// Each defence on, off, and what "off" means: the check is gone, the traffic still runs.
#include <gtest/gtest.h>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

using pcie::Access;
using pcie::Bdf;

struct Case {
  const char* name;
  Defences defences;
};

std::unique_ptr<Rig> rack(const Defences& defences) {
  auto rig = std::make_unique<Rig>(RigOptions{.defences = defences});
  rig->assign(0, 1, 0, 0x1000'0000);
  rig->assign(1, 1, 1, 0x2000'0000);
  rig->assign(2, 2, 0, 0x1000'0000);
  return rig;
}

class EachDefenceOff : public testing::TestWithParam<Case> {};

TEST_P(EachDefenceOff, LegalTrafficRuns) {
  const auto rig = rack(GetParam().defences);
  for (const Access access : {Access::read, Access::write}) {
    const Resolution dma = rig->go(rig->dma(0, 0x1234, access));
    ASSERT_FALSE(dma.refused()) << describe_outcome(*rig->fabric->tables(), dma);
    EXPECT_EQ(std::get<MemoryTarget>(dma.outcome).at, BusAddr(0x1000'1234));
    EXPECT_EQ(std::get<MemoryTarget>(dma.outcome).domain, kCh1);
    EXPECT_EQ(std::get<MemoryTarget>(rig->go(rig->dma(2, 0, access)).outcome).domain, kCh2);
    const Resolution mmio = rig->go(Rig::cpu(kCh1, kLinkWindow + kVfBarSize + 8, access));
    ASSERT_FALSE(mmio.refused()) << describe_outcome(*rig->fabric->tables(), mmio);
    EXPECT_EQ(std::get<RegisterTarget>(mmio.outcome).function.function, rig->nic.index_of(1));
  }
  const auto remote = rig->fabric->route_interrupt(kCh1, Rig::proxy_rid(1), 0x31).value();
  auto msi = rig->dma(1, kMsiIova + (remote.address - iommu::kInterruptFirst), Access::write);
  msi.data = remote.data;
  const Resolution interrupt = rig->go(msi);
  ASSERT_FALSE(interrupt.refused()) << describe_outcome(*rig->fabric->tables(), interrupt);
  EXPECT_EQ(std::get<InterruptTarget>(interrupt.outcome).vector, 0x31u);
  EXPECT_EQ(std::get<InterruptTarget>(interrupt.outcome).domain, kCh1);
  const auto local = rig->fabric->route_interrupt(kMh, rig->vf_rid(5), 0x32).value();
  msi = rig->dma(5, local.address, Access::write);
  msi.data = local.data;
  EXPECT_EQ(std::get<InterruptTarget>(rig->go(msi).outcome).vector, 0x32u);
}

constexpr Defences kAllOff{false, false, false, false, false, false};
INSTANTIATE_TEST_SUITE_P(Defences, EachDefenceOff,
                         testing::Values(Case{"none", {}}, Case{"acs", {.acs = false}},
                                         Case{"mh_iommu", {.mh_iommu = false}}, Case{"lut", {.lut = false}},
                                         Case{"ch_iommu", {.ch_iommu = false}},
                                         Case{"interrupt_remapping", {.interrupt_remapping = false}},
                                         Case{"ept", {.ept = false}}, Case{"all", kAllOff}),
                         [](const auto& one) { return one.param.name; });

TEST(Acs, OffLetsAVfReachItsSiblingsRegistersDirectly) {
  const std::uint64_t sibling = kVfBars + 1 * kVfBarSize, pf = port_base(2);
  const auto on = rack({}), off = rack({.acs = false});
  for (const std::uint64_t at : {sibling, pf}) {
    const Resolution refused = on->go(on->dma(0, at, Access::write));
    // Iova 0.. maps to the VF's own window: an address of the PF's BAR is its guest's memory, were there any.
    EXPECT_TRUE(refused.refused());
    EXPECT_EQ(refused.fault()->component.kind, ComponentKind::iommu);
    const Resolution reached = off->go(off->dma(0, at, Access::write));
    ASSERT_FALSE(reached.refused());
    EXPECT_TRUE(std::holds_alternative<RegisterTarget>(reached.outcome));
    EXPECT_EQ(reached.hops.size(), 4u) << "endpoint, port, port, BAR: no IOMMU";
  }
}

TEST(Acs, OffLetsAVfEnterAnotherHostsWindowButNotItsLut) {
  const auto rig = rack({.acs = false});
  EXPECT_EQ(why(rig->go(rig->dma(0, dma_window(2), Access::write))), why(Reason::lut_miss));
  const auto bare = rack({.acs = false, .lut = false});
  EXPECT_EQ(why(bare->go(bare->dma(0, dma_window(2), Access::write))), why(Reason::iommu_not_attached));
  const auto open = rack({.acs = false, .lut = false, .ch_iommu = false});
  EXPECT_EQ(std::get<MemoryTarget>(open->go(open->dma(0, dma_window(2) + 0x42, Access::write)).outcome),
            (MemoryTarget{kCh2, BusAddr(0x42), MemoryId{2}, 0x42}));
}

TEST(Acs, OffLetsAnMsiBeForgedIntoAnotherHostUnlessItIsChecked) {
  const auto rig = rack({.acs = false, .lut = false});
  auto msi = rig->dma(0, msi_window(2) + 0x10, Access::write);
  EXPECT_EQ(why(rig->go(msi)), why(Reason::interrupt_beyond_table));
  const auto open = rack({.acs = false, .lut = false, .interrupt_remapping = false});
  msi.data = 0x80;
  EXPECT_EQ(std::get<InterruptTarget>(open->go(msi).outcome).vector, 0x80u);
}

TEST(Acs, SourceValidationStaysWhenRedirectIsOff) {
  const auto rig = rack({.acs = false});
  auto spoofed = rig->dma(0, 0, Access::write);
  spoofed.rid.bdf = Bdf(3, 0, 1);
  EXPECT_EQ(why(rig->go(spoofed)), why(Reason::source_validation));
}

TEST(Acs, ProgrammedOffByTheHostMeansTheSame) {
  const auto rig = rack({});
  rig->set_acs(2, 0);
  EXPECT_FALSE(rig->go(rig->dma(0, kVfBars + kVfBarSize, Access::write)).refused());
  rig->set_acs(2, spec::pci::kAcsRequestRedirect);
  EXPECT_EQ(why(rig->go(rig->dma(0, kVfBars + kVfBarSize, Access::write))), why(Reason::no_redirect))
      << "redirected onto its own port needs upstream forwarding";
}

TEST(MhIommu, OffAddsTheBaseWithoutABound) {
  const auto on = rack({}), off = rack({.mh_iommu = false});
  // Base + 64 GiB is the next host's window; there the LUT stands.
  EXPECT_EQ(why(on->go(on->dma(0, kDmaSpan, Access::write))), why(Reason::iommu_not_mapped));
  EXPECT_EQ(why(off->go(off->dma(0, kDmaSpan, Access::write))), why(Reason::lut_miss));
  const auto open = rack({.mh_iommu = false, .lut = false, .ch_iommu = false});
  EXPECT_EQ(std::get<MemoryTarget>(open->go(open->dma(0, kDmaSpan + 0x99, Access::write)).outcome),
            (MemoryTarget{kCh2, BusAddr(0x99), MemoryId{2}, 0x99}));
}

TEST(MhIommu, OffLetsAnyVfRaiseTheManagementHostsInterrupts) {
  for (const bool on : {true, false}) {
    const auto rig = rack({.mh_iommu = on});
    const auto message = rig->fabric->route_interrupt(kMh, rig->vf_rid(5), 9).value();
    auto forged = rig->dma(0, message.address, Access::write);
    forged.data = message.data;
    EXPECT_EQ(rig->go(forged).refused(), on);
  }
}

TEST(ChIommu, OffLetsAVfReachAllOfItsHost) {
  const auto on = rack({}), off = rack({.ch_iommu = false});
  EXPECT_TRUE(on->go(on->dma(0, 0x3000'0000, Access::write)).refused());
  const Resolution r = off->go(off->dma(0, 0x3000'0000, Access::write));
  EXPECT_EQ(std::get<MemoryTarget>(r.outcome).at, BusAddr(0x3000'0000));
  EXPECT_EQ(std::get<MemoryTarget>(r.outcome).domain, kCh1);
}

TEST(ChIommu, OffStillCannotLoopForEver) {
  // Memory that is not there, but the link window is: back over the NTB, and refused or ended somewhere.
  const auto off = rack({false, false, false, false, false, false});
  const Resolution r = off->go(off->dma(0, kLinkWindow + 3 * kVfBarSize, Access::write));
  EXPECT_TRUE(r.refused());
}

TEST(InterruptRemapping, OffMakesAnyWriteAnInterrupt) {
  const auto on = rack({}), off = rack({.interrupt_remapping = false});
  auto forged = on->dma(0, iommu::kInterruptFirst | 0x5 << 12, Access::write);
  forged.data = 0x4002;
  EXPECT_EQ(why(on->go(forged)), why(Reason::interrupt_compatibility));
  EXPECT_EQ(std::get<InterruptTarget>(off->go(forged).outcome).vector, 0x0502u);
}

TEST(Ept, OffLetsAVmReachAllOfItsHost) {
  const auto on = rack({}), off = rack({.ept = false});
  const auto t = Rig::vm(kCh1, 3, 0x1234, Access::write);
  EXPECT_EQ(why(on->go(t)), why(Reason::ept_not_mapped));
  EXPECT_EQ(std::get<MemoryTarget>(off->go(t).outcome).at, BusAddr(0x1234));
  ASSERT_TRUE(off->fabric->map_vm(kCh1, pcie::Vm{3},
                                  {*Range<Gpa>::of(Gpa(0x1000), 0x1000), BusAddr(0x8000), pcie::kReadOnly}));
  EXPECT_EQ(std::get<MemoryTarget>(off->go(t).outcome).at, BusAddr(0x8234)) << "translated, unchecked";
}

TEST(DeferredIotlb, AStaleEntryIsReachUntilTheFlush) {
  Rig rig({.invalidation = iommu::Invalidation::deferred});
  const auto domain = rig.assign(0, 1, 0);
  ASSERT_TRUE(rig.fabric->unmap(kCh1, domain, *Range<Iova>::of(Iova(0), 0x10'0000)));
  const Resolution stale = rig.go(rig.dma(0, 0x10, Access::write));
  ASSERT_FALSE(stale.refused());
  bool named = false;
  for (const Hop& hop : stale.hops) named |= hop.table == Table::iotlb;
  EXPECT_TRUE(named);
  rig.changes.clear();
  rig.fabric->flush_iotlb(kCh1);
  EXPECT_EQ(why(rig.go(rig.dma(0, 0x10, Access::write))), why(Reason::iommu_not_mapped));
  ASSERT_EQ(rig.changes.size(), 1u);
  EXPECT_EQ(rig.changes[0].functions,
            (std::vector<FunctionId>{{.index = 0, .function = rig.nic.index_of(0)}}));
}

}  // namespace
}  // namespace ladon::fabric::test
