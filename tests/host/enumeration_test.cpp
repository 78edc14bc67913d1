#include "host/enumeration.h"

#include <gmock/gmock.h>

#include "fakes/fake_rack.h"

namespace ladon::host {
namespace {

using fakes::FakeRack;
using testing::ElementsAre;

const PciFunction* find(const std::vector<PciFunction>& all, std::uint16_t device) {
  for (const auto& f : all)
    if (f.device == device) return &f;
  return nullptr;
}

TEST(Enumeration, NumbersBusesDepthFirst) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_TRUE(all.has_value()) << all.error().message;
  std::vector<std::string> where;
  for (const auto& f : *all) where.push_back(pcie::to_string(f.bdf));
  EXPECT_THAT(where, ElementsAre("0000:00:01.0", "0000:01:00.0", "0000:02:01.0", "0000:02:02.0",
                                 "0000:02:03.0", "0000:03:00.0", "0000:04:00.0", "0000:05:00.0"));
  EXPECT_EQ((*all)[0].subordinate, 5);
  EXPECT_EQ((*all)[2].secondary, 3);
}

TEST(Enumeration, NumbersTheBusesOfEverySegmentFromOne) {
  FakeRack rack;
  rack.add_segment();
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_TRUE(all.has_value()) << all.error().message;
  std::vector<std::string> where;
  for (const auto& f : *all)
    if (f.bdf.segment != pcie::HostSegment{}) where.push_back(pcie::to_string(f.bdf));
  EXPECT_THAT(where, ElementsAre("0001:00:01.0", "0001:01:00.0", "0001:02:03.0", "0001:02:04.0",
                                 "0001:03:00.0", "0001:04:00.0"));
  // Every BAR answers, so no window of one root port lies over the other's.
  for (const auto& f : *all)
    if (f.device == spec::pci::kNtbDevice) {
      EXPECT_EQ(host.load32(f.bars[0].base), spec::ntb::kMagic);
    }
  EXPECT_EQ(still_as(host, *all), true);
}

TEST(Enumeration, RegistersAnswerBehindEveryBridge) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_TRUE(all.has_value());
  const auto* ntb = find(*all, spec::pci::kNtbDevice);
  const auto* nic = find(*all, spec::pci::kNicPfDevice);
  ASSERT_TRUE(ntb && nic);
  EXPECT_EQ(host.load32(ntb->bars[0].base), spec::ntb::kMagic);
  EXPECT_EQ(host.load32(nic->bars[0].base), spec::pf::kMagic);
}

TEST(Enumeration, EnablesVirtualFunctionsOverAri) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_TRUE(all.has_value());
  const auto* nic = find(*all, spec::pci::kNicPfDevice);
  ASSERT_TRUE(nic && nic->sriov);
  EXPECT_EQ(nic->sriov->vfs, 8);
  EXPECT_EQ(pcie::to_string(nic->vf_bdf(1)), "0000:05:10.2");
  const auto& space = rack.mh.functions.back()->space;
  EXPECT_TRUE(space.sriov()->enabled);
  EXPECT_TRUE(space.sriov()->memory_enabled);
  EXPECT_TRUE(space.sriov()->ari_hierarchy);
  // VF 7's registers lie seven BARs above VF 0's.
  rack.nic.vf_registers[{7, 0, 0x10}] = 4711;
  EXPECT_EQ(host.load32(BusAddr(nic->sriov->bars[0].base.bits() + 7 * 0x4000 + 0x10)), 4711u);
}

TEST(Enumeration, TurnsOnAccessControlBeforeAnythingMayMaster) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  ASSERT_TRUE(enumerate(host, rack.mh.description, {}).has_value());
  for (const auto& f : rack.mh.functions) {
    EXPECT_TRUE(f->space.bus_master());
    if (!f->space.extended_capability(spec::pci::kExtAcs)) continue;
    const auto acs = f->space.acs();
    EXPECT_TRUE(acs.source_validation && acs.request_redirect && acs.completion_redirect &&
                acs.upstream_forwarding);
  }
}

TEST(Enumeration, PutsABarWhereItIsWanted) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  const BusAddr wanted(std::uint64_t{7} << 36);
  EnumerationPolicy policy;
  policy.wanted_bases =
      [&](BlockingHost& h,
          const std::vector<PciFunction>& functions) -> std::expected<std::vector<WantedBase>, Error> {
    EXPECT_EQ(functions[5].device, spec::pci::kNtbDevice);
    // Sizes are known and registers answer by now.
    EXPECT_EQ(functions[5].bars[2].size, std::uint64_t{1} << 36);
    EXPECT_EQ(h.load32(functions[5].bars[0].base), spec::ntb::kMagic);
    return std::vector{WantedBase{.function = 5, .bar = 2, .base = wanted}};
  };
  const auto all = enumerate(host, rack.mh.description, policy);
  ASSERT_TRUE(all.has_value()) << all.error().message;
  EXPECT_EQ((*all)[5].bars[2].base, wanted);
  EXPECT_NE((*all)[6].bars[2].base, wanted);
}

TEST(Enumeration, RefusesPlacesOutsideTheHostsRange) {
  FakeRack rack;
  rack.mh.description.mmio64 = *Range<BusAddr>::of(BusAddr(1ull << 36), 1ull << 36);
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.error().problem, EnumerationProblem::no_space64);
  EXPECT_THAT(all.error().message, testing::HasSubstr("does not fit"));
}

TEST(Enumeration, SmallRange32IsAnError) {
  FakeRack rack;
  rack.mh.description.mmio32 = *Range<BusAddr>::of(BusAddr(0xC000'0000), 0x10'0000);
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.error().problem, EnumerationProblem::no_space32);
}

TEST(Enumeration, TwiceIsTheSameAsOnce) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  const auto first = enumerate(host, rack.mh.description, {});
  const auto second = enumerate(host, rack.mh.description, {});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
}

TEST(Enumeration, ComparingWritesNothing) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(still_as(host, *all), true);
  EXPECT_TRUE(rack.mh.functions.back()->space.sriov()->enabled);
  rack.mh.functions[2]->space.set(spec::pci::kSecondaryBus, 1, 9);
  EXPECT_EQ(still_as(host, *all), false);
}

TEST(Enumeration, AFailingHostIsAnErrorAtEveryStep) {
  FakeRack complete;
  BlockingHost measured(complete.mh);
  ASSERT_TRUE(enumerate(measured, complete.mh.description, {}).has_value());
  for (int n = 0; n < complete.mh.requests; n += 7) {
    FakeRack rack;
    BlockingHost host(rack.mh);
    rack.mh.requests_left = n;
    const auto all = enumerate(host, rack.mh.description, {});
    ASSERT_FALSE(all.has_value()) << n;
    EXPECT_EQ(all.error().problem, EnumerationProblem::host_error);
  }
}

TEST(Enumeration, ResetsAFunctionThatCan) {
  FakeRack rack;
  BlockingHost host(rack.mh);
  const auto all = enumerate(host, rack.mh.description, {});
  ASSERT_TRUE(all.has_value());
  const auto* nic = find(*all, spec::pci::kNicPfDevice);
  EXPECT_EQ(function_level_reset(host, nic->vf_bdf(3)), true);
  EXPECT_THAT(rack.nic.history, ElementsAre("flr 3"));
  EXPECT_EQ(function_level_reset(host, pcie::Bdf(0, 1, 0)), false);
}

}  // namespace
}  // namespace ladon::host
