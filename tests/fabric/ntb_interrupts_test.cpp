// A doorbell's way to its host: an MSI-X message of the NTB's function, through that host's interrupt
// remapping.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fabric/rig.h"

namespace ladon::fabric::test {
namespace {

namespace ntb = spec::ntb;
namespace pci = spec::pci;
using pcie::Access;
using pcie::Bdf;

// Both sides of NTB 2, which leads to the second compute host.
class Doorbell : public testing::TestWithParam<bool> {
 protected:
  static constexpr unsigned kNtb = 2;
  static constexpr std::uint32_t kVector = 77;

  void ring(std::uint32_t bits = 1) { rig.write_side(kNtb, !link, ntb::kDoorbellPeer, bits); }
  void clear() { rig.write_side(kNtb, link, ntb::kDoorbellStatus, ~0u); }
  void mask_vector(bool masked) { rig.write_side(kNtb, link, ntb::kMsixTable + 12, masked); }
  void set_command(std::uint16_t bits) {
    rig.fabric->config_write(domain, Rig::ntb_rid(kNtb, link), pci::kCommand, 2, bits);
  }
  bool pending() { return (rig.read_side(kNtb, link, ntb::kMsixPending) & 1) != 0; }
  std::uint32_t refused() { return rig.read_side(kNtb, link, ntb::kMessagesRefused); }
  // The interrupts that have arrived since the last call; a refusal fails the test.
  std::vector<std::pair<pcie::Domain, std::uint32_t>> arrived() {
    std::vector<std::pair<pcie::Domain, std::uint32_t>> all;
    for (const Resolution& r : rig.deliver()) {
      const auto* target = std::get_if<InterruptTarget>(&r.outcome);
      EXPECT_NE(target, nullptr) << describe_outcome(*rig.fabric->tables(), r);
      if (target == nullptr) continue;
      EXPECT_EQ(target->source.bdf, Rig::ntb_rid(kNtb, link));
      all.emplace_back(target->domain, target->vector);
    }
    return all;
  }
  const std::vector<std::pair<pcie::Domain, std::uint32_t>> nothing{};

  bool link = GetParam();
  pcie::Domain domain = Rig::domain_of(kNtb, link);
  const std::vector<std::pair<pcie::Domain, std::uint32_t>> once{{domain, kVector}};
  Rig rig;
};

INSTANTIATE_TEST_SUITE_P(Sides, Doorbell, testing::Bool(),
                         [](const auto& side) { return side.param ? "Link" : "Management"; });

TEST_P(Doorbell, ArrivesAtTheVectorThatItsHostGaveIt) {
  rig.route_doorbell(kNtb, link, kVector);
  ring();
  EXPECT_EQ(arrived(), once);
  EXPECT_EQ(refused(), 0u);
  EXPECT_EQ(rig.fabric->refusals().total(), 0u);
}

TEST_P(Doorbell, RingsOnceUntilItIsCleared) {
  ring();
  rig.route_doorbell(kNtb, link, kVector);
  EXPECT_EQ(arrived(), once) << "what was pending rings when the doorbell is unmasked";
  ring(2);
  EXPECT_EQ(arrived(), nothing) << "still ringing";
  EXPECT_EQ(rig.read_side(kNtb, link, ntb::kDoorbellStatus), 3u);
  clear();
  ring(2);
  EXPECT_EQ(arrived(), once);
  clear();
  rig.write_side(kNtb, link, ntb::kDoorbellMask, ~1u);
  ring(0x8000'0000);
  EXPECT_EQ(arrived(), nothing) << "its mask hides it";
}

TEST_P(Doorbell, GoesThroughItsOwnHostsRemappingAlone) {
  rig.route_doorbell(kNtb, link, kVector);
  ring();
  const auto way = rig.deliver();
  ASSERT_EQ(way.size(), 1u);
  std::vector<std::string> names;
  for (const Hop& hop : way[0].hops) names.push_back(rig.fabric->tables()->name(hop.component));
  if (link)
    EXPECT_THAT(names, testing::ElementsAre("ntb2/link", "ch2/root-port", "ch2/iommu"));
  else
    EXPECT_THAT(names, testing::ElementsAre("ntb2/management", "switch0/down1", "switch0/up", "mh/root-port",
                                            "mh/iommu"));
}

TEST_P(Doorbell, WithoutARouteItIsRefusedAndLogged) {
  rig.route_doorbell(kNtb, link, kVector);
  ASSERT_TRUE(rig.fabric->unroute_interrupt(domain, Rig::ntb_rid(kNtb, link), kVector));
  ring();
  const auto way = rig.deliver();
  ASSERT_EQ(way.size(), 1u);
  EXPECT_EQ(why(way[0]), why(Reason::interrupt_not_present));
  EXPECT_EQ(refused(), 1u);
  EXPECT_EQ(rig.read_side(kNtb, !link, ntb::kMessagesRefused), 0u) << "the other side's own";
  EXPECT_EQ(rig.fabric->refusals()[Reason::interrupt_not_present], 1u);
  const auto faults = rig.fabric->fault_log(domain).take();
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].rid.bdf, Rig::ntb_rid(kNtb, link));
  EXPECT_THAT(faults[0].reason, testing::HasSubstr("interrupt remapping: interrupt entry not present"));
  EXPECT_TRUE(rig.fabric->fault_log(link ? kMh : kCh2).take().empty());
}

TEST_P(Doorbell, AnotherRequestersEntryRefusesIt) {
  rig.route_doorbell(kNtb, link, kVector);
  const Bdf other = link ? Rig::proxy_rid(0) : Rig::ntb_rid(1, false);
  rig.set_message(kNtb, link, rig.fabric->route_interrupt(domain, other, kVector).value());
  ring();
  const auto way = rig.deliver();
  ASSERT_EQ(way.size(), 1u);
  EXPECT_EQ(why(way[0]), why(Reason::interrupt_wrong_source));
  EXPECT_EQ(rig.fabric->fault_log(domain).take().size(), 1u);
  EXPECT_EQ(refused(), 1u);
}

TEST_P(Doorbell, OnlyItsOwnIdIsItsOwn) {
  rig.route_doorbell(kNtb, link, kVector);
  ring();
  auto message = rig.fabric->take_emissions();
  ASSERT_EQ(message.size(), 1u);
  message[0].rid.bdf = link ? Rig::proxy_rid(3) : Rig::ntb_rid(1, false);
  EXPECT_EQ(why(rig.go(message[0])), why(link ? Reason::interrupt_wrong_source : Reason::source_validation));
}

TEST_P(Doorbell, AMaskedVectorIsPendingAndSentWhenUnmasked) {
  rig.route_doorbell(kNtb, link, kVector);
  mask_vector(true);
  ring();
  EXPECT_TRUE(pending());
  EXPECT_EQ(arrived(), nothing);
  mask_vector(false);
  EXPECT_FALSE(pending());
  EXPECT_EQ(arrived(), once);
}

TEST_P(Doorbell, AMaskedFunctionIsPendingAndSentWhenUnmasked) {
  rig.route_doorbell(kNtb, link, kVector);
  rig.set_msix(kNtb, link, pci::kMsixControlEnable | pci::kMsixControlFunctionMask);
  ring();
  EXPECT_TRUE(pending());
  EXPECT_EQ(arrived(), nothing);
  rig.set_msix(kNtb, link, pci::kMsixControlEnable);
  EXPECT_EQ(arrived(), once);
}

TEST_P(Doorbell, WhatIsClearedWhileMaskedIsNotSent) {
  rig.route_doorbell(kNtb, link, kVector);
  mask_vector(true);
  ring();
  clear();
  EXPECT_FALSE(pending());
  mask_vector(false);
  EXPECT_EQ(arrived(), nothing);
}

TEST_P(Doorbell, WaitsForMsixAndBusMastering) {
  rig.route_doorbell(kNtb, link, kVector);
  rig.set_msix(kNtb, link, 0);
  ring();
  EXPECT_EQ(arrived(), nothing);
  rig.set_msix(kNtb, link, pci::kMsixControlEnable);
  EXPECT_EQ(arrived(), once);
  clear();
  set_command(pci::kCommandMemory);
  ring();
  EXPECT_EQ(arrived(), nothing);
  EXPECT_FALSE(pending());
  set_command(pci::kCommandMemory | pci::kCommandBusMaster);
  EXPECT_EQ(arrived(), once);
}

TEST_P(Doorbell, WithoutBusMasteringTheTablesRefuseItToo) {
  rig.route_doorbell(kNtb, link, kVector);
  ring();
  const auto message = rig.fabric->take_emissions();
  ASSERT_EQ(message.size(), 1u);
  set_command(pci::kCommandMemory);
  EXPECT_EQ(why(rig.go(message[0])), why(Reason::bus_master_off));
}

TEST_P(Doorbell, WithoutRemappingItArrivesAsItsBitsSay) {
  Rig open({.defences = {.interrupt_remapping = false}});
  open.route_doorbell(kNtb, link, kVector);
  open.set_message(kNtb, link,
                   {.address = static_cast<std::uint32_t>(iommu::kInterruptFirst) | 0x5 << 12, .data = 0x42});
  open.write_side(kNtb, !link, ntb::kDoorbellPeer, 1);
  const auto way = open.deliver();
  ASSERT_EQ(way.size(), 1u);
  const auto* target = std::get_if<InterruptTarget>(&way[0].outcome);
  ASSERT_NE(target, nullptr);
  EXPECT_EQ(target->vector, 0x542u);
  EXPECT_EQ(target->domain, domain);
}

TEST_P(Doorbell, WaitingMessagesAreFewAndOneOfAKind) {
  rig.route_doorbell(kNtb, link, kVector);
  for (unsigned i = 0; i < 100; ++i) ring(), clear();
  EXPECT_EQ(arrived(), once) << "two of the same that both wait are one interrupt";
  for (unsigned i = 0; i < 100; ++i) {
    rig.write_side(kNtb, link, ntb::kMsixTable + 8, i << 16);
    ring();
    clear();
  }
  EXPECT_EQ(rig.fabric->take_emissions().size(), 16u);
  EXPECT_EQ(refused(), 84u);
}

TEST_P(Doorbell, ReadsOfAnNtbsFunctionComeBackToIt) {
  const auto pages = rig.fabric->create_domain(domain).value();
  ASSERT_TRUE(rig.fabric->attach(domain, pages, Rig::ntb_rid(kNtb, link)));
  ASSERT_TRUE(
      rig.fabric->map(domain, pages, {*Range<Iova>::of(Iova(0), 0x1000), BusAddr(0x5000), pcie::kReadWrite}));
  const FunctionId self{.is_ntb = true, .index = kNtb - 1, .function = link};
  const Resolution r = rig.go(rig.fabric->tables()->emitted_by(self, Iova(8), 4, Access::read));
  ASSERT_FALSE(r.refused()) << describe_outcome(*rig.fabric->tables(), r);
  EXPECT_EQ(std::get<MemoryTarget>(r.outcome).at, BusAddr(0x5008));
  EXPECT_EQ(std::get<MemoryTarget>(r.outcome).domain, domain);
  EXPECT_GT(r.return_hops.size(), 0u);
}

TEST(DoorbellBeforeEnumeration, RoutesNowhere) {
  Rig rig({}, false);
  for (const bool link : {false, true}) {
    const FunctionId self{.is_ntb = true, .index = 0, .function = link};
    EXPECT_EQ(rig.fabric->tables()->rid(self), std::nullopt);
    EXPECT_TRUE(rig.go(rig.fabric->tables()->emitted_by(self, Iova(iommu::kInterruptFirst), 4, Access::write))
                    .refused());
  }
  auto stranger = rig.fabric->tables()->emitted_by({.is_ntb = true, .index = 0}, Iova(0), 4, Access::write);
  stranger.origin = pcie::NtbOrigin{.ntb = 9, .link = true};
  const Resolution none = rig.go(stranger);
  EXPECT_TRUE(none.refused());
  rig.fabric->record(stranger, none, Instant{});
}

}  // namespace
}  // namespace ladon::fabric::test
