// A management host with several PCI segments: the same bus numbers mean different devices, every segment has
// an IOMMU of its own, and no device's request gets from one to another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

using pcie::Access;
using pcie::Bdf;
using testing::ElementsAre;
using Functions = std::vector<FunctionId>;
using Processors = std::vector<pcie::Domain>;

constexpr pcie::Domain kFirst{1}, kSecond{2};  // ch1 is in segment 0, ch2 in segment 1

std::vector<std::string> components(const Rig& rig, const Hops& hops) {
  std::vector<std::string> names;
  for (const Hop& hop : hops) names.push_back(rig.fabric->tables()->name(hop.component));
  return names;
}

// VF 0 of each NIC for the host in its segment. Both VFs have the same bus, device and function.
class Segments : public testing::Test {
 protected:
  Segments() {
    rig.assign(0, 1, 0, 0x1000'0000);
    own = rig.assign(0, 2, 0, 0x2000'0000);
    rig.changes.clear();
  }
  FunctionId vf(unsigned segment) {
    return {.index = static_cast<std::uint16_t>(segment), .function = rig.nic.index_of(0)};
  }
  Rig rig{{.segments = 2}};
  iommu::DomainId own{};
};

TEST_F(Segments, EqualRequesterIdsAreDifferentRequesters) {
  ASSERT_EQ(rig.vf_rid(0, 0), rig.vf_rid(0, 1));
  const auto first = rig.go(rig.dma(0, 0x1234, Access::read, 4, 0));
  const auto second = rig.go(rig.dma(0, 0x1234, Access::read, 4, 1));
  EXPECT_EQ(std::get<MemoryTarget>(first.outcome).domain, kFirst);
  EXPECT_EQ(std::get<MemoryTarget>(second.outcome).domain, kSecond);
  EXPECT_EQ(std::get<MemoryTarget>(second.outcome).at, BusAddr(0x2000'1234));
  EXPECT_EQ(pcie::to_string(second.hops[0].rid_in), "0001:04:10.0");
  EXPECT_THAT(
      components(rig, second.hops),
      ElementsAre("nic1", "switch1/down1", "switch1/up", "mh/root-port1", "mh/iommu1", "mh/root-complex",
                  "mh/root-port1", "switch1/up", "switch1/down0", "ntb2/management", "ntb2/management",
                  "ntb2/management", "ch2/root-port", "ch2/iommu", "ch2/root-complex"));
  EXPECT_THAT(components(rig, second.return_hops),
              ElementsAre("ch2/root-port", "ntb2/link", "switch1/down0", "switch1/up", "mh/root-port1",
                          "mh/root-port1", "switch1/up", "switch1/down1"));
  EXPECT_EQ(pcie::to_string(second.hops[14].rid_in), "0003:01:00.1") << "compute hosts' numbers follow";
}

TEST_F(Segments, ADomainServesWhoIsAttachedInItsSegmentAlone) {
  const auto local = rig.fabric->create_domain(kMh).value();
  ASSERT_TRUE(rig.fabric->map(kMh, local, {*Range<Iova>::of(Iova(0), 0x1000), BusAddr(0), pcie::kReadWrite}));
  ASSERT_TRUE(rig.fabric->attach(kMh, local, in_segment(1, rig.vf_rid(3, 1))));
  EXPECT_FALSE(rig.go(rig.dma(3, 0, Access::write, 4, 1)).refused());
  EXPECT_EQ(why(rig.go(rig.dma(3, 0, Access::write, 4, 0))), why(Reason::iommu_not_attached));
  // The other one's requester may have it too: address spaces are the host's.
  ASSERT_TRUE(rig.fabric->attach(kMh, local, in_segment(0, rig.vf_rid(3, 0))));
  EXPECT_FALSE(rig.go(rig.dma(3, 0, Access::write, 4, 0)).refused());
  EXPECT_FALSE(rig.fabric->destroy_domain(kMh, local));
  ASSERT_TRUE(rig.fabric->detach(kMh, in_segment(0, rig.vf_rid(3, 0))));
  EXPECT_FALSE(rig.go(rig.dma(3, 0, Access::write, 4, 1)).refused());
  ASSERT_TRUE(rig.fabric->unmap(kMh, local, Range<Iova>::everything()));
  EXPECT_EQ(why(rig.go(rig.dma(3, 0, Access::write, 4, 1))), why(Reason::iommu_not_mapped));
  ASSERT_TRUE(rig.fabric->detach(kMh, in_segment(1, rig.vf_rid(3, 1))));
  EXPECT_TRUE(rig.fabric->destroy_domain(kMh, local));
  EXPECT_FALSE(rig.fabric->attach(kMh, own, in_segment(2, rig.vf_rid(3, 1)))) << "no such segment";
}

TEST_F(Segments, ADevicesRequestDoesNotLeaveItsSegment) {
  const auto local = rig.fabric->create_domain(kMh).value();
  const auto map = [&](std::uint64_t iova, std::uint64_t to) {
    return rig.fabric->map(kMh, local, {*Range<Iova>::of(Iova(iova), 0x1000), BusAddr(to), pcie::kReadWrite});
  };
  ASSERT_TRUE(rig.fabric->attach(kMh, local, in_segment(1, rig.vf_rid(3, 1))));
  ASSERT_TRUE(map(0, dma_window(1)) && map(0x1000, kVfBars) && map(0x2000, rig.layout.vf_bars(1)));
  for (const std::uint64_t other : {std::uint64_t{0}, std::uint64_t{0x1000}}) {
    const auto across = rig.dma(3, other, Access::write, 4, 1);
    const Resolution r = rig.go(across);
    ASSERT_TRUE(r.refused());
    EXPECT_EQ(r.fault()->reason, Reason::between_segments);
    EXPECT_EQ(rig.fabric->tables()->name(r.fault()->component), "mh/root-complex");
    EXPECT_EQ(r.extent, (Extent{other, other + 0xFFF}));
    rig.fabric->record(across, r, Instant{});
  }
  EXPECT_EQ(rig.fabric->refusals()[Reason::between_segments], 2u);
  EXPECT_FALSE(rig.go(rig.dma(3, 0x2000, Access::write, 4, 1)).refused()) << "its own segment's registers";
}

TEST_F(Segments, WithoutRedirectADeviceReachesThePeersOfItsOwnSwitch) {
  Rig open{{.defences = {.acs = false, .mh_iommu = false}, .segments = 2}};
  const auto registers = [&](unsigned segment) { return open.layout.vf_bars(segment) + kVfBarSize; };
  EXPECT_EQ(std::get<RegisterTarget>(open.go(open.dma(0, registers(1), Access::write, 4, 1)).outcome)
                .function.index,
            1);
  EXPECT_EQ(why(open.go(open.dma(0, registers(0), Access::write, 4, 1))), why(Reason::between_segments));
  EXPECT_EQ(why(open.go(open.dma(0, registers(1), Access::write, 4, 0))), why(Reason::between_segments));
}

TEST_F(Segments, TheProcessorReachesEverySegmentAndReadsComeBack) {
  for (unsigned segment = 0; segment < 2; ++segment) {
    const Resolution r = rig.go(Rig::cpu(kMh, rig.layout.vf_bars(segment), Access::read));
    ASSERT_FALSE(r.refused()) << describe_outcome(*rig.fabric->tables(), r);
    EXPECT_EQ(std::get<RegisterTarget>(r.outcome).function, vf(segment));
    EXPECT_THAT(
        components(rig, r.return_hops),
        ElementsAre("switch" + std::to_string(segment) + "/down1", "switch" + std::to_string(segment) + "/up",
                    "mh/root-port" + std::to_string(segment), "mh/root-complex"));
    EXPECT_EQ(r.hops[1].rid_in.segment, pcie::Segment{static_cast<std::uint16_t>(segment)});
  }
}

TEST_F(Segments, AnInterruptEntryIsOfItsSegmentsUnit) {
  const auto message = rig.fabric->route_interrupt(kMh, in_segment(1, rig.vf_rid(0, 1)), 77).value();
  const auto send = [&](unsigned segment) {
    auto msi = rig.dma(0, message.address, Access::write, 4, segment);
    msi.data = message.data;
    return rig.go(msi);
  };
  const Resolution raised = send(1);
  EXPECT_EQ(std::get<InterruptTarget>(raised.outcome).vector, 77u);
  EXPECT_EQ(std::get<InterruptTarget>(raised.outcome).source.segment, pcie::Segment{1});
  EXPECT_EQ(why(send(0)), why(Reason::interrupt_beyond_table));
}

TEST_F(Segments, ConfigurationRequestsFindWhatIsInThatSegment) {
  const auto ids = [&](const pcie::Sbdf& function) { return rig.fabric->config_read(kMh, function, 0, 4); };
  const std::uint32_t nic = ids(in_segment(0, Bdf(4, 0, 0)));
  EXPECT_EQ(ids(in_segment(1, Bdf(4, 0, 0))), nic);
  EXPECT_EQ(ids(in_segment(2, Bdf(4, 0, 0))), ~0u);
  EXPECT_EQ(ids(in_segment(2, Bdf(0, 0, 0))), ~0u);
  EXPECT_EQ(rig.fabric->config_read(kFirst, in_segment(1, Bdf(0, 0, 0)), 0, 4), ~0u)
      << "a compute host has one";
  // Taking a port's bus number away silences its segment's device and not the other's.
  rig.fabric->config_write(kMh, in_segment(1, Bdf(2, 1, 0)), spec::pci::kPrimaryBus, 4, 0);
  EXPECT_EQ(ids(in_segment(1, Bdf(4, 0, 0))), ~0u);
  EXPECT_EQ(ids(in_segment(0, Bdf(4, 0, 0))), nic);
}

TEST_F(Segments, AChangeNamesTheRequesterOfItsSegment) {
  const auto heard = [&] {
    EXPECT_EQ(rig.changes.size(), 1u);
    const Affected affected = rig.changes.empty() ? Affected{} : rig.changes.back();
    rig.changes.clear();
    return affected;
  };
  ASSERT_TRUE(rig.fabric->unmap(kSecond, own, Range<Iova>::everything()));
  EXPECT_EQ(heard().functions, (Functions{vf(1)}));
  rig.clear_lut(2, true, 0);
  const Affected entry = heard();
  EXPECT_EQ(entry.functions, (Functions{vf(1)}));
  EXPECT_EQ(entry.processors, (Processors{kSecond}));
  ASSERT_TRUE(rig.fabric->detach(kMh, in_segment(1, rig.vf_rid(0, 1))));
  EXPECT_EQ(heard().functions, (Functions{vf(1)}));
  rig.close_window(1, true, 0);
  EXPECT_EQ(heard().functions, (Functions{vf(0)}));
}

TEST_F(Segments, NumbersGoBothWays) {
  const auto tables = rig.fabric->tables();
  EXPECT_EQ(tables->segment(kMh, pcie::HostSegment{1}), pcie::Segment{1});
  EXPECT_EQ(tables->segment(kFirst), pcie::Segment{2});
  EXPECT_EQ(tables->segment(kSecond), pcie::Segment{3});
  const Bdf some(4, 1, 0);
  EXPECT_EQ(tables->host_address({pcie::Segment{1}, some}), in_segment(1, some));
  EXPECT_EQ(tables->host_address({pcie::Segment{3}, some}), in_segment(0, some));
}

TEST(SegmentOptions, PortsAreCountedBySegment) {
  FakeNic nic;
  Options options;
  options.hosts.resize(254, {.name = "x"});
  options.endpoints.push_back({.name = "nic", .device = &nic, .segment = pcie::HostSegment{1}});
  Fabric both(options);  // 253 ports in segment 0, and one in segment 1
  options.endpoints[0].segment = {};
  EXPECT_THAT([&] { Fabric fabric(options); }, testing::Throws<std::invalid_argument>());
  options.endpoints[0].segment = pcie::HostSegment{256};
  EXPECT_THAT([&] { Fabric fabric(options); }, testing::Throws<std::invalid_argument>());
}

}  // namespace
}  // namespace ladon::fabric::test
