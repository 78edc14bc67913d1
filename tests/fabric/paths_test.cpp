// The three paths of the architecture, and who stops what on them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

using pcie::Access;
using testing::ElementsAre;

std::vector<std::string> components(const Rig& rig, const Hops& hops) {
  std::vector<std::string> names;
  for (const Hop& hop : hops) names.push_back(rig.fabric->tables()->name(hop.component));
  return names;
}

class Paths : public testing::Test {
 protected:
  Paths() {
    rig.assign(0, 1, 0, 0x1000'0000);
    rig.assign(1, 1, 1, 0x2000'0000);
    rig.assign(2, 2, 0, 0x1000'0000);
  }
  Rig rig;
};

TEST_F(Paths, DmaOfAVfReachesItsHostsMemory) {
  const Resolution r = rig.go(rig.dma(0, 0x1234, Access::write));
  ASSERT_FALSE(r.refused()) << describe_outcome(*rig.fabric->tables(), r);
  const auto& target = std::get<MemoryTarget>(r.outcome);
  EXPECT_EQ(target, (MemoryTarget{kCh1, BusAddr(0x1000'1234), MemoryId{1}, 0x1000'1234}));
  EXPECT_EQ(r.extent, (Extent{0, 0xF'FFFF}));
  EXPECT_THAT(
      components(rig, r.hops),
      ElementsAre("nic0", "switch0/down2", "switch0/up", "mh/root-port", "mh/iommu", "mh/root-complex",
                  "mh/root-port", "switch0/up", "switch0/down0", "ntb1/management", "ntb1/management",
                  "ntb1/management", "ch1/root-port", "ch1/iommu", "ch1/root-complex"));
  EXPECT_EQ(r.hops[4].out, dma_window(1) + 0x1234);
  EXPECT_EQ(r.hops[10].rid_out.bdf, Rig::proxy_rid(0));
  EXPECT_EQ(r.return_hops.size(), 0u) << "a posted write has no completion";
}

TEST_F(Paths, AReadsCompletionComesBackTheWholeWay) {
  const Resolution r = rig.go(rig.dma(0, 0x1234, Access::read));
  ASSERT_FALSE(r.refused()) << describe_outcome(*rig.fabric->tables(), r);
  EXPECT_THAT(components(rig, r.return_hops),
              ElementsAre("ch1/root-port", "ntb1/link", "switch0/down0", "switch0/up", "mh/root-port",
                          "mh/root-port", "switch0/up", "switch0/down2"));
  EXPECT_EQ(r.return_hops[1].rid_out.bdf, rig.vf_rid(0));
}

TEST_F(Paths, VfsOfOneHostAreApartInItsIommu) {
  const Resolution r = rig.go(rig.dma(1, 0x1234, Access::write));
  EXPECT_EQ(std::get<MemoryTarget>(r.outcome).at, BusAddr(0x2000'1234));
  const Resolution outside = rig.go(rig.dma(0, 0x1000'0000, Access::write));
  ASSERT_TRUE(outside.refused());
  EXPECT_EQ(outside.fault()->reason, Reason::iommu_not_mapped);
  EXPECT_EQ(outside.fault()->component, (ComponentId{ComponentKind::iommu, kCh1, 0}));
  EXPECT_EQ(outside.extent, (Extent{0x10'0000, iommu::kInterruptFirst - 1}));
}

TEST_F(Paths, AnotherHostsWindowIsRefusedByTheManagementIommu) {
  const Resolution r = rig.go(rig.dma(0, dma_window(2), Access::write));
  ASSERT_TRUE(r.refused());
  EXPECT_EQ(r.fault()->component, (ComponentId{ComponentKind::iommu, kMh, 0}));
  EXPECT_EQ(r.fault()->reason, Reason::iommu_not_mapped);
}

TEST_F(Paths, StoreOfAVmReachesItsVfsRegister) {
  ASSERT_TRUE(rig.fabric->map_vm(
      kCh1, pcie::Vm{7},
      {*Range<Gpa>::of(Gpa(0xC000'0000), kVfBarSize), BusAddr(kLinkWindow), pcie::kReadWrite}));
  const Resolution r = rig.go(Rig::vm(kCh1, 7, 0xC000'0018, Access::read));
  ASSERT_FALSE(r.refused()) << describe_outcome(*rig.fabric->tables(), r);
  EXPECT_EQ(std::get<RegisterTarget>(r.outcome), (RegisterTarget{{false, 0, rig.nic.index_of(0)}, 0, 0x18}));
  EXPECT_EQ(r.extent, (Extent{0xC000'0000, 0xC000'3FFF}));
  EXPECT_THAT(components(rig, r.hops),
              ElementsAre("ch1/cpu", "ch1/root-complex", "ch1/root-port", "ntb1/link", "ntb1/link",
                          "ntb1/link", "switch0/down0", "switch0/up", "mh/root-port", "mh/iommu",
                          "mh/root-complex", "mh/root-port", "switch0/up", "switch0/down2", "nic0"));
  EXPECT_THAT(components(rig, r.return_hops),
              ElementsAre("switch0/down2", "switch0/up", "mh/root-port", "mh/root-port", "switch0/up",
                          "switch0/down0", "ntb1/management", "ch1/root-port", "ch1/root-complex"));
}

TEST_F(Paths, AVmReachesOnlyWhatItsPageTableSays) {
  ASSERT_TRUE(rig.fabric->map_vm(kCh1, pcie::Vm{7},
                                 {*Range<Gpa>::of(Gpa(0), 0x1000), BusAddr(0x5000), pcie::kReadOnly}));
  EXPECT_EQ(std::get<MemoryTarget>(rig.go(Rig::vm(kCh1, 7, 8, Access::read)).outcome).at, BusAddr(0x5008));
  EXPECT_EQ(why(rig.go(Rig::vm(kCh1, 7, 8, Access::write))), why(Reason::ept_no_permission));
  EXPECT_EQ(why(rig.go(Rig::vm(kCh1, 7, 0x1000, Access::read))), why(Reason::ept_not_mapped));
  EXPECT_EQ(why(rig.go(Rig::vm(kCh1, 8, 8, Access::read))), why(Reason::ept_not_mapped));
}

TEST_F(Paths, MsiReachesTheVmsVectorAndNoOther) {
  const auto message = rig.fabric->route_interrupt(kCh1, Rig::proxy_rid(0), 55).value();
  auto msi = rig.dma(0, kMsiIova + (message.address - iommu::kInterruptFirst), Access::write);
  msi.data = message.data;
  const Resolution r = rig.go(msi);
  ASSERT_FALSE(r.refused()) << describe_outcome(*rig.fabric->tables(), r);
  const auto& target = std::get<InterruptTarget>(r.outcome);
  EXPECT_EQ(target.domain, kCh1);
  EXPECT_EQ(target.vector, 55u);
  EXPECT_EQ(target.source.bdf, Rig::proxy_rid(0));
  EXPECT_EQ(r.extent.last - r.extent.first, 3u);

  msi.rid.bdf = rig.vf_rid(1);
  EXPECT_EQ(why(rig.go(msi)), why(Reason::interrupt_wrong_source));
  msi.rid.bdf = rig.vf_rid(0);
  msi.access = Access::read;
  EXPECT_EQ(why(rig.go(msi)), why(Reason::iommu_no_permission));
}

TEST_F(Paths, AWriteToTheManagementHostsInterruptRangeIsRefused) {
  auto forged = rig.dma(0, iommu::kInterruptFirst, Access::write);
  forged.data = 0x41;
  EXPECT_EQ(why(rig.go(forged)), why(Reason::interrupt_compatibility));
  const auto message = rig.fabric->route_interrupt(kMh, rig.vf_rid(1), 9).value();
  forged.address = Iova(message.address);
  forged.data = message.data;
  EXPECT_EQ(why(rig.go(forged)), why(Reason::interrupt_wrong_source));
  forged.length = 8;
  EXPECT_EQ(why(rig.go(forged)), why(Reason::interrupt_not_four_bytes));
  forged.access = Access::read;
  EXPECT_EQ(why(rig.go(forged)), why(Reason::interrupt_area));
}

TEST_F(Paths, ALocalVfUsesTheManagementHostsOwnTables) {
  const auto local = rig.fabric->create_domain(kMh).value();
  ASSERT_TRUE(rig.fabric->attach(kMh, local, rig.vf_rid(5)));
  ASSERT_TRUE(
      rig.fabric->map(kMh, local, {*Range<Iova>::of(Iova(0), 0x1000), BusAddr(0x7000), pcie::kReadWrite}));
  const auto message = rig.fabric->route_interrupt(kMh, rig.vf_rid(5), 3).value();
  EXPECT_EQ(std::get<MemoryTarget>(rig.go(rig.dma(5, 4, Access::read)).outcome).at, BusAddr(0x7004));
  auto msi = rig.dma(5, message.address, Access::write);
  msi.data = message.data;
  EXPECT_EQ(std::get<InterruptTarget>(rig.go(msi).outcome).vector, 3u);
}

TEST_F(Paths, FormOfTheAccessIsCheckedFirst) {
  EXPECT_EQ(why(rig.go(rig.dma(0, 0, Access::read, 0))), why(Reason::bad_length));
  EXPECT_EQ(why(rig.go(rig.dma(0, ~0ull, Access::read, 2))), why(Reason::bad_length));
  EXPECT_EQ(why(rig.go(rig.dma(0, 0xFFF, Access::read, 2))), why(Reason::crosses_4k));
  EXPECT_FALSE(rig.go(rig.dma(0, 0x1000, Access::read, 4096)).refused());
}

TEST_F(Paths, TranslatedAndPasidRequestsAreRefused) {
  auto translated = rig.dma(0, 0, Access::read);
  translated.address = BusAddr(0x1000);
  EXPECT_EQ(why(rig.go(translated)), why(Reason::translation_blocked));
  rig.set_acs(2, 0x1D);
  EXPECT_EQ(why(rig.go(translated)), why(Reason::iommu_translated));
  auto pasid = rig.dma(0, 0, Access::read);
  pasid.pasid = 5;
  EXPECT_EQ(why(rig.go(pasid)), why(Reason::iommu_pasid));
}

TEST_F(Paths, BusMasteringIsNeededOnTheWholeWay) {
  const auto off = [&](pcie::Domain domain, pcie::Bdf bdf) {
    const auto before = rig.fabric->config_read(domain, bdf, spec::pci::kCommand, 2);
    rig.fabric->config_write(domain, bdf, spec::pci::kCommand, 2, before & ~4u);
    const Resolution r = rig.go(rig.dma(0, 0, Access::write));
    rig.fabric->config_write(domain, bdf, spec::pci::kCommand, 2, before);
    return r.refused() && r.fault()->reason == Reason::bus_master_off;
  };
  using pcie::Bdf;
  EXPECT_TRUE(off(kMh, rig.vf_rid(0)));
  EXPECT_TRUE(off(kMh, Bdf(2, 2, 0)));
  EXPECT_TRUE(off(kMh, Bdf(1, 0, 0)));
  EXPECT_TRUE(off(kMh, Bdf(0, 1, 0)));
  EXPECT_TRUE(off(kCh1, Bdf(1, 0, 0)));
  EXPECT_TRUE(off(kCh1, Bdf(0, 1, 0)));
  EXPECT_FALSE(off(kMh, rig.vf_rid(1)));
}

TEST_F(Paths, CpusReachTheirOwnDomainOnly) {
  EXPECT_EQ(std::get<MemoryTarget>(rig.go(Rig::cpu(kCh1, 0x10, Access::read)).outcome).domain, kCh1);
  EXPECT_EQ(why(rig.go(Rig::cpu(kCh1, iommu::kInterruptFirst, Access::write))), why(Reason::interrupt_area));
  const Resolution nothing = rig.go(Rig::cpu(kCh1, kLinkControl + 0x20'0000, Access::read));
  EXPECT_EQ(why(nothing), why(Reason::no_route));
  EXPECT_EQ(nothing.extent, (Extent{kLinkControl + 0x10'0000, iommu::kInterruptFirst - 1}));
  const Resolution spare = rig.go(Rig::cpu(kCh1, kLinkWindow + 8 * kVfBarSize, Access::read));
  EXPECT_EQ(why(spare), why(Reason::ntb_no_window));
}

TEST_F(Paths, ManagementCpuNeedsALutEntryToReachAHost) {
  EXPECT_EQ(why(rig.go(Rig::cpu(kMh, dma_window(1), Access::write))), why(Reason::lut_miss));
}

TEST_F(Paths, RequesterIdsOfOtherPortsAreRefused) {
  auto spoofed = rig.dma(0, 0, Access::write);
  spoofed.rid.bdf = pcie::Bdf(3, 0, 1);
  EXPECT_EQ(why(rig.go(spoofed)), why(Reason::source_validation));
  spoofed.rid.bdf = pcie::Bdf(0, 0, 0);
  EXPECT_EQ(why(rig.go(spoofed)), why(Reason::source_validation));
  spoofed.rid.bdf = rig.vf_rid(7);
  EXPECT_EQ(why(rig.go(spoofed)), why(Reason::iommu_not_attached)) << "the silicon is trusted, bounded by "
                                                                      "the sibling's reach";
}

TEST_F(Paths, AFunctionsResetTakesItsReachAway) {
  const auto control = static_cast<std::uint16_t>(0x40 + spec::pci::kExpressDeviceControl);
  rig.fabric->config_write(kMh, rig.vf_rid(0), control, 2, spec::pci::kDeviceControlFlr);
  EXPECT_EQ(why(rig.go(rig.dma(0, 0, Access::write))), why(Reason::bus_master_off));
  EXPECT_FALSE(rig.go(rig.dma(1, 0, Access::write)).refused());
}

TEST_F(Paths, RefusalsAreCountedAndLogged) {
  const auto t = rig.dma(0, 0x1000'0000, Access::write);
  rig.fabric->record(t, rig.go(t), Instant{});
  rig.fabric->record(t, rig.go(rig.dma(0, 0, Access::write)), Instant{});
  EXPECT_EQ(rig.fabric->refusals()[Reason::iommu_not_mapped], 1u);
  EXPECT_EQ(rig.fabric->refusals().total(), 1u);
  EXPECT_TRUE(rig.fabric->fault_log(kMh).take().empty());
  const auto records = rig.fabric->fault_log(kCh1).take();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].rid.bdf, Rig::proxy_rid(0));
  EXPECT_EQ(records[0].address, 0x1000'0000u);
  EXPECT_EQ(records[0].reason, "ch1/iommu/DMA remapping: not mapped");
}

TEST_F(Paths, TheTableForPeopleShowsEveryHop) {
  const auto t = rig.dma(0, 0x1234, Access::read);
  const Resolution r = rig.go(t);
  const auto tables = rig.fabric->tables();
  const auto shown = rows(*tables, r);
  EXPECT_EQ(shown.size(), r.hops.size() + r.return_hops.size());
  const std::string text = format_table(*tables, t, r);
  EXPECT_THAT(text, testing::HasSubstr("outbound requester-ID LUT"));
  EXPECT_THAT(text, testing::HasSubstr("memory of ch1 at 0x10001234"));
  EXPECT_THAT(text, testing::HasSubstr("completion"));
}

}  // namespace
}  // namespace ladon::fabric::test
