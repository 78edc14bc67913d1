#include "mh/plan.h"

#include <gmock/gmock.h>

#include "fakes/fake_rack.h"
#include "mh/journal.h"
#include "mh/sample.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::mh {
namespace {

TEST(Inventory, FindsNtbsAndNicByConfigurationReads) {
  const Inventory inventory = sample_inventory();
  ASSERT_EQ(inventory.ntbs.size(), 2u);
  ASSERT_EQ(inventory.nics.size(), 1u);
  EXPECT_EQ(inventory.ntbs[1].peer, pcie::Domain{2});
  EXPECT_EQ(inventory.ntbs[1].windows, 16);
  EXPECT_EQ(inventory.ntbs[1].lut_entries, 32);
  EXPECT_EQ(inventory.nics[0].vfs, 8);
}

TEST(Inventory, EveryHostsMemoryLiesAtItsStride) {
  const Inventory inventory = sample_inventory();
  EXPECT_EQ(inventory.ntbs[0].dma, BusAddr(2ull << 36));
  EXPECT_EQ(inventory.ntbs[1].dma, BusAddr(3ull << 36));
  EXPECT_EQ(dma_base(1, {}, 1ull << 38), BusAddr(2ull << 38));
}

// Two compute hosts and a NIC in segment 0, one and another NIC in segment 1.
Inventory two_segments() {
  fakes::FakeRack rack;
  rack.add_segment();
  host::BlockingHost host(rack.mh);
  auto inventory = take_inventory(host);
  if (!inventory) throw std::runtime_error(inventory.error().message);
  return *inventory;
}

TEST(Inventory, EverySegmentHasBusesOfItsOwnAndAddressesBesideTheOthers) {
  const Inventory inventory = two_segments();
  ASSERT_EQ(inventory.ntbs.size(), 3u);
  ASSERT_EQ(inventory.nics.size(), 2u);
  EXPECT_EQ(inventory.host.segments, 2);
  EXPECT_EQ(pcie::to_string(inventory.ntbs[2].bdf), "0001:03:00.0");
  EXPECT_EQ(pcie::to_string(inventory.nics[1].vf_bdf(1)), "0001:04:10.2");
  EXPECT_EQ(inventory.ntbs[1].dma, BusAddr(3ull << 36));
  EXPECT_EQ(inventory.ntbs[2].dma, BusAddr(5ull << 36)) << "a stride of its own is between two segments";
  for (const Nic& nic : inventory.nics) EXPECT_NE(nic.registers, BusAddr(0));
  EXPECT_NE(inventory.nics[0].registers, inventory.nics[1].registers);
  const auto again = inventory_from_json(to_json(inventory));
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->ntbs, inventory.ntbs);
  EXPECT_EQ(again->nics, inventory.nics);
  EXPECT_EQ(again->functions, inventory.functions);
  EXPECT_EQ(again->host.segments, 2);
}

TEST(Plan, AVfIsOfItsHostsSegment) {
  const Inventory inventory = two_segments();
  const auto granted = [&](std::uint16_t nic, std::uint16_t host) {
    Intent intent = sample_intent({grant(1, host, 0)});
    intent.hosts.push_back({pcie::Domain{3}, 1ull << 30});
    intent.grants[0].nic = nic;
    return plan(inventory, intent);
  };
  EXPECT_TRUE(granted(0, 2).has_value());
  const auto other = granted(1, 3);
  ASSERT_TRUE(other.has_value()) << other.error().message;
  EXPECT_EQ(other->domains.at({DomainId::Kind::vf, 1, 1}).rid, inventory.nics[1].vf_bdf(1));
  EXPECT_EQ(other->domains.at({DomainId::Kind::host, 2, 0}).rid, inventory.ntbs[2].bdf.later(kFirstProxy));
  const auto across = granted(1, 2);
  ASSERT_FALSE(across.has_value());
  EXPECT_EQ(across.error().problem, PlanProblem::other_segment);
  EXPECT_THAT(across.error().message,
              testing::AllOf(testing::HasSubstr("host 2, VF 1 of NIC 1: the NIC is in segment 1"),
                             testing::HasSubstr("0000:04:00.0 in segment 0"),
                             testing::HasSubstr("grant a VF of a NIC in segment 0")));
  // The management host's own VMs are on every segment's bus.
  const auto local = granted(1, 0);
  ASSERT_TRUE(local.has_value()) << local.error().message;
  EXPECT_EQ(local->vfs.at({1, 1}).segment, pcie::HostSegment{1});
  for (const Action& action : diff({}, *other)) {
    const auto again = action_from_json(to_json(action));
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ(to_json(*again), to_json(action));
  }
}

TEST(Inventory, EachNtbHasItsOwnShape) {
  const Inventory inventory =
      sample_inventory({{.windows = 4, .lut = 2, .dma_size = 1ull << 32, .register_size = 4 << 20},
                        {.windows = 128, .lut = 512}});
  ASSERT_EQ(inventory.ntbs.size(), 2u);
  EXPECT_EQ(inventory.ntbs[0].windows, 4);
  EXPECT_EQ(inventory.ntbs[0].lut_entries, 2);
  EXPECT_EQ(inventory.ntbs[0].dma_size, 1ull << 32);
  EXPECT_EQ(inventory.ntbs[0].register_size, 4u << 20);
  EXPECT_EQ(inventory.ntbs[1].windows, 128);
  EXPECT_EQ(inventory.ntbs[1].lut_entries, 512);
  EXPECT_EQ(inventory.ntbs[1].dma_size, 1ull << 36);
  EXPECT_EQ(inventory.ntbs[1].register_size, 64u << 20);
  EXPECT_EQ(inventory_from_json(to_json(inventory))->ntbs, inventory.ntbs);
}

TEST(Inventory, DmaWindowsOfAllSizesLieApart) {
  // Were each at a multiple of its own size, the first host's would lie over the seventh's.
  std::vector<fakes::NtbShape> shapes(7);
  shapes[0].dma_size = 1ull << 38;
  shapes[3].dma_size = 1ull << 30;
  const Inventory inventory = sample_inventory(shapes);
  ASSERT_EQ(inventory.ntbs.size(), 7u);
  for (const Ntb& a : inventory.ntbs) {
    EXPECT_EQ(a.dma, dma_base(static_cast<std::size_t>(a.peer), {}, 1ull << 38));
    for (const Ntb& b : inventory.ntbs)
      EXPECT_TRUE(a.bdf == b.bdf || a.dma.bits() + a.dma_size <= b.dma.bits() ||
                  b.dma.bits() + b.dma_size <= a.dma.bits());
  }
}

TEST(Plan, EveryHostIsPlannedForItsOwnNtb) {
  const Inventory inventory = sample_inventory({{.windows = 4, .lut = 2}, {}});
  EXPECT_TRUE(plan(inventory, sample_intent({grant(0, 1, 1), grant(1, 2, 5)})).has_value());
  const auto wrong = plan(inventory, sample_intent({grant(0, 1, 2), grant(1, 2, 5)}));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().problem, PlanProblem::lut_short);
  EXPECT_EQ(wrong.error().there, 2u);
}

TEST(Plan, ARemoteVfGetsItsWindowsEntriesAndSpaces) {
  const Inventory inventory = sample_inventory();
  const auto made = plan(inventory, sample_intent({grant(3, 2, 1)}));
  ASSERT_TRUE(made.has_value()) << made.error().message;
  const Ntb& ntb = inventory.ntbs[1];
  const Nic& nic = inventory.nics[0];
  // DMA: the VF's space leads to the host's memory and, far away, to its interrupts; nothing else.
  const IoSpace& space = made->domains.at({DomainId::Kind::vf, 0, 3});
  EXPECT_EQ(space.rid, nic.vf_bdf(3));
  ASSERT_EQ(space.mappings.size(), 2u);
  EXPECT_EQ(space.mappings.at(Iova(0)), (Mapping{ntb.dma, 1ull << 30, pcie::kReadWrite}));
  EXPECT_EQ(space.mappings.at(kMsiIova), (Mapping{ntb.msi, 1 << 20, pcie::kWriteOnly}));
  EXPECT_EQ(made->windows.at({1, Direction::outbound, 0}).to, BusAddr(0));
  EXPECT_EQ(made->windows.at({1, Direction::outbound, 1}).to, BusAddr(spec::pci::kInterruptBase));
  EXPECT_EQ(made->luts.at({1, Direction::outbound, 1}), (LutEntry{nic.vf_bdf(3).bdf, kFirstProxy + 1}));
  // Registers: two windows, and the host's proxy may touch exactly those pages.
  EXPECT_EQ(made->windows.at({1, Direction::inbound, 2}).to, nic.registers_of(3));
  EXPECT_EQ(made->windows.at({1, Direction::inbound, 3}).to, nic.msix_of(3));
  const IoSpace& cpu = made->domains.at({DomainId::Kind::host, 1, 0});
  EXPECT_EQ(cpu.rid, ntb.bdf.later(pcie::Bdf(0, 1, 0).bits));
  ASSERT_EQ(cpu.mappings.size(), 2u);
  EXPECT_EQ(cpu.mappings.at(Iova(nic.registers_of(3).bits())),
            (Mapping{nic.registers_of(3), 0x4000, pcie::kReadWrite}));
  // What its host is told.
  const VfSetup& setup = made->vfs.at({0, 3});
  EXPECT_EQ(setup.requester, kFirstProxy + 1);
  EXPECT_EQ(setup.registers, made->windows.at({1, Direction::inbound, 2}).offset);
  EXPECT_EQ(setup.msix, made->windows.at({1, Direction::inbound, 3}).offset);
  EXPECT_EQ(setup.message_base, kMsiIova.bits());
  // The other host has a link and nothing more.
  EXPECT_TRUE(made->links.contains(0));
  for (const auto& [id, window] : made->windows) EXPECT_EQ(id.ntb, 1);
}

TEST(Plan, ALocalVfIsLeftToTheLocalPart) {
  const Inventory inventory = sample_inventory();
  const auto made = plan(inventory, sample_intent({grant(0, 0, 0)}));
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_TRUE(made->windows.empty());
  EXPECT_TRUE(made->luts.empty());
  EXPECT_TRUE(made->domains.empty());
  const VfSetup& setup = made->vfs.at({0, 0});
  EXPECT_EQ(setup.requester, inventory.nics[0].vf_bdf(0).bdf.bits);
  EXPECT_EQ(BusAddr(setup.registers), inventory.nics[0].registers_of(0));
  EXPECT_EQ(setup.message_base, spec::pci::kInterruptBase);
}

TEST(Plan, ProxiesOfOneNtbAreNeverShared) {
  const Inventory inventory = sample_inventory();
  const auto made =
      plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 1, 1), grant(2, 1, 2), grant(3, 2, 0)}));
  ASSERT_TRUE(made.has_value());
  std::set<std::tuple<int, int, int>> proxies;
  for (const auto& [id, entry] : made->luts)
    EXPECT_TRUE(proxies.insert({id.ntb, static_cast<int>(id.direction), entry.proxy}).second);
}

TEST(Plan, WhatOneGuestHasDoesNotMoveWhenAnotherGoes) {
  const Inventory inventory = sample_inventory();
  const auto all = plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 1, 1), grant(2, 1, 2)}));
  const auto fewer = plan(inventory, sample_intent({grant(0, 1, 0), grant(2, 1, 2)}));
  ASSERT_TRUE(all && fewer);
  EXPECT_EQ(all->vfs.at({0, 2}), fewer->vfs.at({0, 2}));
  for (const auto& [id, window] : fewer->windows) EXPECT_EQ(all->windows.at(id), window);
  for (const auto& [id, entry] : fewer->luts) EXPECT_EQ(all->luts.at(id), entry);
}

struct Wrong {
  const char* what;
  Intent intent;
  PlanProblem problem;
  std::uint64_t needed, there;
};

TEST(Plan, ErrorsNameWhatIsShortAndByHowMuch) {
  const fakes::NtbShape small{.windows = 4, .lut = 3};
  const Inventory inventory = sample_inventory(small);
  Intent unknown_host = sample_intent({grant(0, 1, 0)});
  unknown_host.hosts.push_back({pcie::Domain{7}, 4096});
  Intent odd_span = sample_intent({grant(0, 1, 0)});
  odd_span.hosts[0].dma_span = 100;
  Intent huge_span = sample_intent({grant(0, 1, 0)});
  huge_span.hosts[0].dma_span = 1ull << 40;
  Intent same_mac = sample_intent({grant(0, 1, 0), grant(1, 1, 1)});
  same_mac.grants[1].mac = same_mac.grants[0].mac;
  const Wrong all[] = {
      {"no VF", sample_intent({grant(8, 1, 0)}), PlanProblem::no_such_vf, 9, 8},
      {"no NIC", sample_intent({[] {
         auto g = grant(0, 1, 0);
         return g.nic = 1, g;
       }()}),
       PlanProblem::no_such_nic, 2, 1},
      {"no host", sample_intent({grant(0, 3, 0)}), PlanProblem::no_such_host, 0, 0},
      {"unknown host", unknown_host, PlanProblem::no_such_host, 0, 0},
      {"local slots", sample_intent({grant(0, 0, 9)}), PlanProblem::no_such_host, 10, 4},
      {"VF twice", sample_intent({grant(0, 1, 0), grant(0, 2, 0)}), PlanProblem::vf_twice, 0, 0},
      {"slot twice", sample_intent({grant(0, 1, 0), grant(1, 1, 0)}), PlanProblem::slot_twice, 0, 0},
      {"MAC twice", same_mac, PlanProblem::mac_twice, 0, 0},
      {"windows", sample_intent({grant(0, 1, 2)}), PlanProblem::windows_short, 6, 4},
      {"LUT", sample_intent({grant(0, 1, 3)}), PlanProblem::lut_short, 4, 3},
      {"span", odd_span, PlanProblem::bad_span, 0, 0},
      {"DMA BAR", huge_span, PlanProblem::dma_bar_short, 1ull << 40, 1ull << 36},
  };
  for (const Wrong& wrong : all) {
    const auto made = plan(inventory, wrong.intent);
    ASSERT_FALSE(made.has_value()) << wrong.what;
    EXPECT_EQ(made.error().problem, wrong.problem) << wrong.what << ": " << name(made.error().problem);
    EXPECT_EQ(made.error().needed, wrong.needed) << wrong.what;
    EXPECT_EQ(made.error().there, wrong.there) << wrong.what;
    EXPECT_FALSE(made.error().message.empty());
  }
  EXPECT_THAT(plan(inventory, sample_intent({grant(0, 1, 3)})).error().message,
              testing::HasSubstr("look-up table entries: 4 needed, 3 there"));
  const auto narrow =
      plan(sample_inventory(fakes::NtbShape{.register_size = 0x10000}), sample_intent({grant(0, 1, 5)}));
  EXPECT_EQ(narrow.error().problem, PlanProblem::register_bar_short);
  EXPECT_EQ(narrow.error().there, 0x10000u);
}

TEST(IntentJson, ComesBackAsItWas) {
  Intent intent = sample_intent({grant(0, 1, 0), grant(1, 0, 1)});
  intent.grants[0].vlan = 100;
  intent.grants[1].on_fault = OnFault::quarantine;
  EXPECT_EQ(intent_from_json(to_json(intent)), intent);
}

TEST(IntentJson, EverySwitchComesBack) {
  for (bool Grant::* option :
       {&Grant::spoof_check, &Grant::trust, &Grant::backpressure, &Grant::coalesce, &Grant::unsegmented}) {
    Intent intent = sample_intent({grant(0, 1, 0)});
    intent.grants[0].*option = !(intent.grants[0].*option);
    EXPECT_EQ(intent_from_json(to_json(intent)), intent);
  }
}

TEST(IntentJson, RefusesWhatIsNotOne) {
  const std::string good = to_json(sample_intent({grant(0, 1, 0)}));
  for (const char* text : {"", "[]", "{}", "nonsense", "{\"hosts\":3,\"grants\":[],\"local_slots\":0}"})
    EXPECT_FALSE(intent_from_json(text).has_value()) << text;
  for (const auto& [from, to] : {std::pair{"\"slot\":0", "\"slot\":256"}, std::pair{"\"vf\":0", "\"vf\":-1"},
                                 std::pair{"\"on_fault\":0", "\"on_fault\":3"}, std::pair{"02:", "zz:"}}) {
    std::string bad = good;
    const auto at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bad.replace(at, std::string(from).size(), to);
    EXPECT_FALSE(intent_from_json(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace ladon::mh
