// Enumeration as an operating system does it, and what it finds.
#include <gtest/gtest.h>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

namespace pci = spec::pci;
using pcie::Access;
using pcie::Bdf;

std::uint32_t id(Rig& rig, pcie::Domain domain, Bdf bdf) {
  return rig.fabric->config_read(domain, bdf, 0, 4);
}
constexpr std::uint32_t ladon_id(std::uint16_t device) {
  return static_cast<std::uint32_t>(device) << 16 | pci::kLadonVendor;
}
constexpr std::uint32_t kAbsent = 0xFFFF'FFFF;

TEST(Configuration, BeforeEnumerationOnlyTheRootComplexAnswers) {
  Rig rig({}, false);
  for (const pcie::Domain domain : {kMh, kCh1}) {
    EXPECT_EQ(id(rig, domain, Bdf(0, 0, 0)), ladon_id(pci::kHostBridgeDevice));
    EXPECT_EQ(id(rig, domain, Bdf(0, 1, 0)), ladon_id(pci::kRootPortDevice));
    EXPECT_EQ(id(rig, domain, Bdf(0, 2, 0)), kAbsent);
    for (unsigned bus = 1; bus < 8; ++bus) EXPECT_EQ(id(rig, domain, Bdf(bus, 0, 0)), kAbsent);
  }
  EXPECT_EQ(rig.fabric->config_read(kMh, Bdf(1, 0, 0), 0, 1), 0xFFu);
  EXPECT_EQ(rig.fabric->config_read(pcie::Domain{9}, Bdf(0, 0, 0), 0, 2), 0xFFFFu);
}

TEST(Configuration, BusNumbersOpenTheHierarchyStepByStep) {
  Rig rig({}, false);
  const auto buses = [&](Bdf bdf, unsigned numbers) {
    rig.fabric->config_write(kMh, bdf, pci::kPrimaryBus, 4, numbers);
  };
  buses(Bdf(0, 1, 0), 0x09'01'00);
  EXPECT_EQ(id(rig, kMh, Bdf(1, 0, 0)), ladon_id(pci::kSwitchDevice));
  EXPECT_EQ(id(rig, kMh, Bdf(1, 1, 0)), kAbsent);
  EXPECT_EQ(id(rig, kMh, Bdf(2, 0, 0)), kAbsent);
  buses(Bdf(1, 0, 0), 0x09'02'01);
  for (unsigned p = 0; p < 3; ++p) EXPECT_EQ(id(rig, kMh, Bdf(2, p, 0)), ladon_id(pci::kSwitchDevice));
  EXPECT_EQ(id(rig, kMh, Bdf(2, 3, 0)), kAbsent);
  buses(Bdf(2, 0, 0), 0x03'03'02);
  buses(Bdf(2, 2, 0), 0x05'05'02);
  EXPECT_EQ(id(rig, kMh, Bdf(3, 0, 0)), ladon_id(pci::kNtbDevice));
  EXPECT_EQ(id(rig, kMh, Bdf(5, 0, 0)), 0x1563'8086u);
  EXPECT_EQ(id(rig, kMh, Bdf(4, 0, 0)), kAbsent);
}

TEST(Configuration, AComputeHostsEnumerationStopsAtItsNtb) {
  Rig rig;
  EXPECT_EQ(id(rig, kCh1, Bdf(1, 0, 0)), ladon_id(pci::kNtbLinkDevice));
  EXPECT_EQ(id(rig, kCh1, Bdf(1, 0, 1)), kAbsent);
  rig.fabric->config_write(kCh1, Bdf(0, 1, 0), pci::kPrimaryBus, 4, 0xFF'01'00);
  for (unsigned bus = 2; bus < 256; ++bus) ASSERT_EQ(id(rig, kCh1, Bdf(bus, 0, 0)), kAbsent) << bus;
}

TEST(Configuration, VirtualFunctionsAnswerWhileEnabledAndBehindAri) {
  Rig rig;
  EXPECT_NE(rig.fabric->config_read(kMh, rig.vf_rid(0), pci::kStatus, 2), 0xFFFFu);
  EXPECT_EQ(id(rig, kMh, rig.vf_rid(0)), kAbsent) << "a VF's vendor and device read as all ones";
  EXPECT_EQ(rig.fabric->config_read(kMh, Bdf(rig.vf_rid(0).bits + 1), pci::kStatus, 2), 0xFFFFu);
  rig.fabric->config_write(kMh, Bdf(2, 2, 0), 0x40 + pci::kExpressDeviceControl2, 2, 0);
  EXPECT_EQ(rig.fabric->config_read(kMh, rig.vf_rid(0), pci::kStatus, 2), 0xFFFFu);
}

TEST(Configuration, BarsAreSizedThroughTheFabric) {
  Rig rig;
  const Bdf ntb(3, 0, 0);
  rig.fabric->config_write(kMh, ntb, pci::kBar0 + 8, 4, kAbsent);
  rig.fabric->config_write(kMh, ntb, pci::kBar0 + 12, 4, kAbsent);
  EXPECT_EQ(rig.fabric->config_read(kMh, ntb, pci::kBar0 + 8, 4), 0xCu);
  EXPECT_EQ(rig.fabric->config_read(kMh, ntb, pci::kBar0 + 12, 4), 0xFFFF'FFF0u) << "64 GiB";
}

TEST(Configuration, NothingRoutesToAFunctionWhoseMemoryIsOff) {
  Rig rig;
  const auto control = Rig::cpu(kMh, port_base(0), Access::read);
  EXPECT_FALSE(rig.go(control).refused());
  rig.fabric->config_write(kMh, Bdf(3, 0, 0), pci::kCommand, 2, pci::kCommandBusMaster);
  EXPECT_EQ(why(rig.go(control)), why(Reason::no_route));
  rig.fabric->config_write(kMh, Bdf(2, 0, 0), pci::kCommand, 2, pci::kCommandBusMaster);
  EXPECT_EQ(rig.go(control).fault()->component.kind, ComponentKind::upstream);
}

TEST(Configuration, AMovedBarDoesNotTakeItsNeighboursPlace) {
  Rig rig;
  // The PF's BAR is put onto a VF's: the lower function keeps the addresses, the VF the rest of its own.
  const auto place = Rig::cpu(kMh, kVfBars, Access::write);
  EXPECT_EQ(std::get<RegisterTarget>(rig.go(place).outcome).function.function, rig.nic.index_of(0));
  const auto t = Rig::cpu(kMh, port_base(2) + 0x8000, Access::write);
  EXPECT_EQ(std::get<RegisterTarget>(rig.go(t).outcome), (RegisterTarget{{false, 0, 0}, 0, 0x8000}));
}

TEST(Configuration, ASnapshotSharesWhatDidNotChange) {
  Rig rig;
  const auto before = rig.fabric->tables();
  const auto d = rig.fabric->create_domain(kCh1).value();
  ASSERT_TRUE(rig.fabric->attach(kCh1, d, Rig::proxy_rid(0)));
  const auto after = rig.fabric->tables();
  EXPECT_GT(after->version, before->version);
  EXPECT_NE(after->hosts[1], before->hosts[1]);
  EXPECT_EQ(after->hosts[0], before->hosts[0]);
  EXPECT_EQ(after->hosts[1]->memory, before->hosts[1]->memory);
  EXPECT_EQ(after->hosts[0]->hierarchies[0].packet_switch, before->hosts[0]->hierarchies[0].packet_switch);
  EXPECT_EQ(after->ntbs[0], before->ntbs[0]);
}

TEST(Configuration, PortsBeyondThirtyTwoAreFurtherFunctions) {
  Options options;
  options.hosts.resize(1 + 33, {.name = "x"});
  Fabric fabric(options);
  fabric.config_write(kMh, Bdf(0, 1, 0), pci::kPrimaryBus, 4, 0xFF'01'00);
  fabric.config_write(kMh, Bdf(1, 0, 0), pci::kPrimaryBus, 4, 0xFF'02'01);
  const auto there = [&](unsigned device, unsigned function) {
    return fabric.config_read(kMh, Bdf(2, device, function), 0, 4) != kAbsent;
  };
  const auto is_multi_function = [&](unsigned device) {
    return (fabric.config_read(kMh, Bdf(2, device, 0), pci::kHeaderType, 1) & pci::kHeaderMultiFunction) != 0;
  };
  EXPECT_TRUE(there(0, 0) && there(0, 1) && there(16, 0)) << "33 ports are 17 devices";
  EXPECT_FALSE(there(17, 0) || there(0, 2) || there(16, 1));
  EXPECT_TRUE(is_multi_function(0) && is_multi_function(15));
  EXPECT_FALSE(is_multi_function(16));
}

TEST(Configuration, ImpossibleRacksAreRefused) {
  FakeNic nic;
  const auto build = [](const Options& options) { Fabric fabric(options); };
  Options options;
  EXPECT_THROW(build(options), std::invalid_argument);
  options.hosts.resize(254, {.name = "x"});
  build(options);
  options.endpoints.push_back({.name = "nic", .device = &nic});
  EXPECT_THROW(build(options), std::invalid_argument) << "254 ports";
  options.hosts.resize(2, {.name = "x"});
  build(options);
  options.hosts[1].ntb.lut_entries = 0;
  EXPECT_THROW(build(options), std::invalid_argument);
  options.hosts[1].ntb = {.dma_window = 3 * kGiB};
  EXPECT_THROW(build(options), std::invalid_argument);
  std::swap(options.hosts[0].ntb, options.hosts[1].ntb);
  build(options);  // no NTB leads to the management host
}

TEST(Configuration, MemoryRangesAreCheckedAndTakenBackWhole) {
  Rig rig;
  const auto memory = [](std::uint64_t first, std::uint64_t length) {
    return MemoryRange{*Range<BusAddr>::of(BusAddr(first), length), MemoryId{5}, 0x1000};
  };
  using iommu::TableError;
  EXPECT_EQ(rig.fabric->add_memory(kCh1, memory(kDram - 0x1000, 0x2000)).error(), TableError::overlap);
  EXPECT_EQ(rig.fabric->add_memory(kCh1, memory(0xFEE0'0000, 0x1000)).error(), TableError::overlap);
  EXPECT_EQ(rig.fabric->add_memory(kCh1, memory(8 * kGiB, 0x800)).error(), TableError::unaligned);
  ASSERT_TRUE(rig.fabric->add_memory(kCh1, memory(8 * kGiB, 0x2000)));
  const auto t = Rig::cpu(kCh1, 8 * kGiB + 8, Access::read);
  EXPECT_EQ(std::get<MemoryTarget>(rig.go(t).outcome),
            (MemoryTarget{kCh1, BusAddr(8 * kGiB + 8), MemoryId{5}, 0x1008}));
  EXPECT_EQ(rig.fabric->remove_memory(kCh1, *Range<BusAddr>::of(BusAddr(8 * kGiB), 0x1000)).error(),
            TableError::no_such_thing);
  ASSERT_TRUE(rig.fabric->remove_memory(kCh1, *Range<BusAddr>::of(BusAddr(8 * kGiB), 0x2000)));
  EXPECT_TRUE(rig.go(t).refused());
}

}  // namespace
}  // namespace ladon::fabric::test
