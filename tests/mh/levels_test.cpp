// Service levels: what a plan makes of them, in which order they are changed, and what a device then has.
#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <numeric>
#include <set>

#include "mh/actions.h"
#include "mh/pf_driver.h"
#include "mh/promises.h"
#include "mh/sample.h"
#include "spec/ixgbevf.h"

namespace ladon::mh {
namespace {

namespace pf = spec::pf;
using testing::HasSubstr;

constexpr std::uint64_t kMega = 1'000'000, kPool = fakes::FakeNic::kPool, kShare = kPool / 8;

Intent with_levels(const std::vector<ServiceLevel>& levels) {
  Intent intent = sample_intent({});
  for (std::uint16_t vf = 0; vf < levels.size(); ++vf) {
    intent.grants.push_back(
        grant(vf, static_cast<std::uint16_t>(1 + vf % 2), static_cast<std::uint8_t>(vf / 2)));
    intent.grants.back().level = levels[vf];
    intent.grants.back().guest = "vm-" + std::to_string(vf);
  }
  return intent;
}

TEST(Promises, WhatIsNotStatedIsShared) {
  const NicResources nic{.vfs = 8, .memory = kPool};
  const ServiceLevel rich{.memory = 3 << 20}, modest;
  const auto resolved = resolve(nic, std::vector{rich, modest, modest, modest, modest});
  ASSERT_TRUE(resolved);
  EXPECT_EQ((*resolved)[0].memory, 3u << 20);
  EXPECT_EQ((*resolved)[1].memory, 256u << 10);  // a quarter of what is left, less than an equal share
  EXPECT_EQ((*resolve(nic, std::vector{ServiceLevel{.memory = 4096 * 8}, modest}))[1].memory, kShare);
}

TEST(Promises, AreRefusedWithWhatIsShort) {
  const NicResources nic{.vfs = 8, .memory = kPool, .receive = 100 * kMega};
  const ServiceLevel half{.receive = {.guaranteed = 60 * kMega}};
  const auto refused = resolve(nic, std::vector{half, half});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().which, 1u);
  EXPECT_EQ(to_string(refused.error()), "rx_guaranteed: 60.0 Mb/s wanted, 40.0 Mb/s left");
}

TEST(LevelPlan, NothingStatedLeavesTheDeviceAsItIs) {
  const Plan made = *plan(sample_inventory(), with_levels({{}, {}}));
  EXPECT_TRUE(made.levels.empty());
  EXPECT_TRUE(made.capacities.empty());
}

TEST(LevelPlan, OnceMemoryIsStatedOnlyOwnersHaveAny) {
  const Plan made = *plan(sample_inventory(), with_levels({{.memory = 1 << 20}, {}}));
  ASSERT_EQ(made.levels.size(), 8u);
  EXPECT_EQ(made.levels.at({0, 0}).memory, 1u << 20);
  EXPECT_EQ(made.levels.at({0, 1}).memory, kShare);
  EXPECT_FALSE(made.levels.at({0, 2}).has_partition());
}

TEST(LevelPlan, NamesWhoGetsWhatTooMuch) {
  const auto short_of = plan(sample_inventory(), with_levels({{.memory = 3 << 20}, {.memory = 2 << 20}}));
  ASSERT_FALSE(short_of);
  EXPECT_EQ(short_of.error().problem, PlanProblem::level_short);
  EXPECT_EQ(short_of.error().message, "VF 1 of NIC 0 (vm-1): memory: 2 MiB wanted, 1 MiB left");
  const auto bad = plan(sample_inventory(), with_levels({{.receive = {.most = kMega, .burst = 100}}}));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().problem, PlanProblem::bad_level);
  EXPECT_THAT(bad.error().message, HasSubstr("VF 0 of NIC 0 (vm-0): rx_burst: 100 B are smaller"));
}

TEST(LevelDiff, AChangedLevelTouchesNothingElse) {
  const Inventory inventory = sample_inventory();
  const Plan now = *plan(inventory, with_levels({{.receive = {.most = kMega}}, {}}));
  const auto actions = diff(now, *plan(inventory, with_levels({{.receive = {.most = 2 * kMega}}, {}})));
  ASSERT_EQ(actions.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<SetLevel>(actions[0]));
  EXPECT_TRUE(std::holds_alternative<ChangeVf>(actions[1]));
}

// Levels that fit together, of up to six VFs.
rc::Gen<std::vector<ServiceLevel>> level_sets() {
  return rc::gen::exec([] {
    std::vector<ServiceLevel> levels(6);
    std::uint64_t rate = 10'000, memory = kPool / 4096 - 6 * 3;
    for (ServiceLevel& level : levels) {
      if (*rc::gen::inRange(0, 4) == 0) continue;
      const auto share = *rc::gen::inRange<std::uint64_t>(0, rate + 1);
      rate -= share;
      level.receive.guaranteed = level.transmit.guaranteed = share * kMega;
      if (*rc::gen::arbitrary<bool>()) level.receive.most = level.receive.guaranteed + kMega;
      level.receive_turns.weight = *rc::gen::inRange<std::uint16_t>(1, 101);
      if (*rc::gen::arbitrary<bool>()) continue;
      const auto pages = *rc::gen::inRange<std::uint64_t>(0, memory + 1);
      memory -= pages;
      level.memory = pages < 3 ? 0 : pages * 4096;
      if (pages > 8 && *rc::gen::arbitrary<bool>()) level.memory_lendable = (pages - 4) * 4096;
      level.memory_shared = *rc::gen::inRange<std::uint64_t>(0, 3) * 65536;
    }
    return levels;
  });
}

TEST(LevelDiff, LeadsThereAndPromisesNeverMoreThanThereIs) {
  const Inventory inventory = sample_inventory();
  EXPECT_TRUE(rc::check("at every step the sums fit", [&] {
    Plan now = *plan(inventory, with_levels(*level_sets()));
    const Plan wanted = *plan(inventory, with_levels(*level_sets()));
    for (const Action& action : diff(now, wanted)) {
      follow(now, action);
      std::uint64_t receive = 0, transmit = 0, memory = 0;
      for (const auto& [vf, level] : now.levels) {
        receive += level.receive.guaranteed, transmit += level.transmit.guaranteed;
        memory += level.memory.value_or(0);
        RC_ASSERT(!mistake_in(level).has_value());
      }
      RC_ASSERT(receive <= kLinkRate);
      RC_ASSERT(transmit <= kLinkRate);
      RC_ASSERT(memory <= kPool);
    }
    RC_ASSERT(now == wanted);
    RC_ASSERT(diff(now, wanted).empty());
  }));
}

TEST(Pages, NeverBelongToTwoAndAreAsManyAsAskedFor) {
  EXPECT_TRUE(rc::check("disjoint extents within the pool", [] {
    PacketPages pages(1024, 8);
    std::vector<std::uint32_t> wanted(8, 0);
    for (int step = 0; step < 40; ++step) {
      const auto vf = *rc::gen::inRange<std::uint16_t>(0, 8);
      const auto most = 1024 - std::accumulate(wanted.begin(), wanted.end(), 0u) + wanted[vf];
      wanted[vf] = *rc::gen::inRange<std::uint32_t>(0, most + 1);
      pages.resize(vf, wanted[vf]);
      std::set<std::uint32_t> taken;
      for (std::uint16_t each = 0; each < 8; ++each) {
        std::uint32_t has = 0;
        for (const PageExtent& extent : pages.table(each)) {
          for (std::uint32_t page = extent.first; page < extent.first + extent.count; ++page)
            RC_ASSERT(page < 1024 && taken.insert(page).second);
          has += extent.count;
        }
        RC_ASSERT(pages.table(each).size() <= PacketPages::kMostExtents);
        RC_ASSERT(has == wanted[each] || pages.table(each).size() == PacketPages::kMostExtents);
      }
    }
  }));
}

// A driver on a NIC that has what it guarantees.
struct Driven {
  Driven() {
    if (!inventory) throw std::runtime_error(inventory.error().message);
    restart(false);
  }
  void restart(bool in_use) {
    driver = std::make_unique<PfDriver>(host, inventory->nics[0], [](auto) {});
    EXPECT_TRUE(driver->start(in_use));
  }
  [[nodiscard]] std::uint32_t field(std::uint16_t vf, std::uint32_t at) const {
    return rack.nic.levels[vf][fakes::FakeNic::word(at)];
  }
  // The words of the VF's mailbox that the driver has answered with.
  std::uint32_t ask(std::uint16_t vf, std::uint32_t message) {
    rack.nic.send(vf, {message});
    EXPECT_TRUE(driver->service());
    return rack.nic.memory[vf][0];
  }

  fakes::FakeRack rack;
  host::BlockingHost host{rack.mh};
  std::expected<Inventory, InventoryError> inventory = take_inventory(host);
  std::unique_ptr<PfDriver> driver;
};

TEST(LevelDriver, ProgramsTheWindowAndReadsItBack) {
  Driven d;
  const ServiceLevel level{.receive = {10 * kMega, 20 * kMega, 65536},
                           .transmit = {kMega, 0, 0},
                           .receive_packets = {100, 2000, 64},
                           .receive_cost = {1, 2, 3000},
                           .receive_turns = {3, 40},
                           .transmit_turns = {1, 2},
                           .memory = 65536,
                           .memory_shared = 4096};
  ASSERT_TRUE(d.driver->set_level(3, level));
  EXPECT_EQ(d.field(3, pf::kLevelReceive + pf::kRateMost), 20'000u);
  EXPECT_EQ(d.field(3, pf::kLevelReceivePackets + pf::kRateMost), 2000u);
  EXPECT_EQ(d.field(3, pf::kLevelReceiveTurns), 40u << 16 | 3);
  EXPECT_EQ(d.field(3, pf::kLevelMemoryMost), 65536u + 4096);
  EXPECT_EQ(d.driver->read_level(3), level);
}

TEST(LevelDriver, ARefusalOfTheDeviceIsAnError) {
  Driven d;
  const auto done = d.driver->set_level(0, {.memory = kPool});
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("VF 0: the device refuses its service level"));
  EXPECT_EQ(d.field(0, pf::kLevelMemory), kShare);
}

TEST(LevelDriver, ARunningVfIsNotDisturbedByItsLevel) {
  Driven d;
  ASSERT_TRUE(d.driver->enable(1, grant(1, 1, 0)));
  d.rack.nic.history.clear();
  ASSERT_TRUE(d.driver->set_level(1, {.receive = {.most = kMega}}));
  EXPECT_TRUE(d.rack.nic.history.empty());
  EXPECT_EQ(d.rack.nic.resets_told, 0);
  EXPECT_TRUE(d.rack.nic.enabled(1));
}

TEST(LevelDriver, AScrubbedVfHasItsLevelAgainWhenItIsEnabled) {
  Driven d;
  ASSERT_TRUE(d.driver->enable(1, grant(1, 1, 0)));
  ASSERT_TRUE(d.driver->set_level(1, {.receive = {.most = kMega}}));
  ASSERT_TRUE(d.driver->quiesce(1));
  ASSERT_TRUE(d.driver->reset_and_scrub(1));
  EXPECT_EQ(d.field(1, pf::kLevelReceive + pf::kRateMost), 0u);
  ASSERT_TRUE(d.driver->resume(1));
  EXPECT_EQ(d.field(1, pf::kLevelReceive + pf::kRateMost), 1000u);
}

TEST(LevelDriver, WithoutAPartitionAVfHasNoLinkAndItsMailboxRefuses) {
  Driven d;
  ASSERT_TRUE(d.driver->enable(1, grant(1, 1, 0)));
  EXPECT_EQ(d.ask(1, spec::ixgbevf::kMessageReset) & spec::ixgbevf::kMessageAck, spec::ixgbevf::kMessageAck);
  ASSERT_TRUE(d.driver->set_level(1, {.memory = 0}));
  EXPECT_EQ(d.rack.nic.vf_reg(1, pf::kVfControl), 0u);
  EXPECT_EQ(d.rack.nic.resets_told, 1);
  const std::uint32_t refused = d.ask(1, spec::ixgbevf::kMessageReset);
  EXPECT_NE(refused & spec::ixgbevf::kMessageNack, 0u);
  EXPECT_EQ(refused & spec::ixgbevf::kMessageCts, 0u);
  // And with one again it is reset, and works.
  ASSERT_TRUE(d.driver->set_level(1, {.memory = 65536}));
  EXPECT_THAT(d.rack.nic.history, testing::IsSupersetOf({"flr 1", "scrub 1"}));
  EXPECT_TRUE(d.rack.nic.enabled(1));
  EXPECT_NE(d.ask(1, spec::ixgbevf::kMessageReset) & spec::ixgbevf::kMessageAck, 0u);
}

TEST(LevelDriver, AVfThatIsGrantedWithoutAPartitionStaysShut) {
  Driven d;
  ASSERT_TRUE(d.driver->set_level(1, {.memory = 0}));
  ASSERT_TRUE(d.driver->enable(1, grant(1, 1, 0)));
  EXPECT_FALSE(d.rack.nic.enabled(1));
  EXPECT_NE(d.ask(1, spec::ixgbevf::kMessageReset) & spec::ixgbevf::kMessageNack, 0u);
}

TEST(LevelDriver, TheLastOwnersGrantDoesNotComeBackWithAPartition) {
  Driven d;
  ASSERT_TRUE(d.driver->enable(1, grant(1, 1, 0)));
  ASSERT_TRUE(d.driver->revoke(1));
  ASSERT_TRUE(d.driver->reset_and_scrub(1));
  ASSERT_TRUE(d.driver->set_level(1, {.memory = 0}));
  ASSERT_TRUE(d.driver->set_level(1, {.memory = 65536}));
  EXPECT_FALSE(d.rack.nic.enabled(1));
}

TEST(LevelDriver, WritesPageTablesOfWhoHasAVf) {
  Driven d;
  ASSERT_TRUE(d.driver->enable(1, grant(1, 1, 0)));
  const auto table = [&](std::uint16_t vf, std::uint32_t word) {
    return d.rack.nic.registers[pf::kPageTables + vf * pf::kPageTableStride + 4 * word];
  };
  EXPECT_EQ(table(1, 1), kShare / 4096 | spec::ixgbevf::kPageValid);
  ASSERT_TRUE(d.driver->set_level(1, {.memory = 8192 * 2}));
  EXPECT_EQ(table(1, 1), 4u | spec::ixgbevf::kPageValid);
  d.restart(true);
  ASSERT_TRUE(d.driver->adopt(1, grant(1, 1, 0)));
  EXPECT_EQ(d.driver->pages(1), (PageTable{{0, 4}}));
}

TEST(LevelDriver, AnAddressOrTrustThatChangesIsToldByAReset) {
  Driven d;
  Grant g = grant(1, 1, 0);
  ASSERT_TRUE(d.driver->enable(1, g));
  ASSERT_NE(d.ask(1, spec::ixgbevf::kMessageReset) & spec::ixgbevf::kMessageAck, 0u);
  g.mac = MacAddress{{0x02, 0, 0, 0, 0, 0x77}};
  ASSERT_TRUE(d.driver->change(1, g));
  EXPECT_EQ(d.rack.nic.mac(1), g.mac.bits());
  EXPECT_NE(d.rack.nic.memory[1][0] & spec::ixgbevf::kMessageNack, 0u);
  EXPECT_TRUE(d.rack.nic.enabled(1));
  g.spoof_check = false;
  const int told = d.rack.nic.replies;
  ASSERT_TRUE(d.driver->change(1, g));
  EXPECT_EQ(d.rack.nic.replies, told);
  EXPECT_EQ(d.rack.nic.vf_reg(1, pf::kVfControl) & pf::kVfSpoofCheck, 0u);
}

TEST(LevelDriver, DisableTakesTheLinkAndEnableBringsItBack) {
  Driven d;
  Grant g = grant(1, 1, 0);
  ASSERT_TRUE(d.driver->enable(1, g));
  g.disabled = true;
  ASSERT_TRUE(d.driver->change(1, g));
  EXPECT_EQ(d.rack.nic.vf_reg(1, pf::kVfControl), 0u);
  g.disabled = false;
  ASSERT_TRUE(d.driver->change(1, g));
  EXPECT_TRUE(d.rack.nic.enabled(1));
}

TEST(LevelDriver, RandomChangesAreNeverRefusedByTheDevice) {
  EXPECT_TRUE(rc::check("a plan that fits is applied whole", [] {
    Driven d;
    Plan now;
    for (int change = 0; change < 4; ++change) {
      const std::vector<ServiceLevel> levels = *level_sets();
      const Plan wanted = *plan(*d.inventory, with_levels(levels));
      for (const Action& action : diff(now, wanted)) {
        Done done;
        if (const auto* enable = std::get_if<EnableVf>(&action))
          done = d.driver->enable(enable->vf.vf, enable->setup.grant);
        if (const auto* set = std::get_if<SetLevel>(&action))
          done = d.driver->set_level(set->vf.vf, set->level);
        if (const auto* all = std::get_if<DefaultLevels>(&action); all != nullptr)
          done = d.driver->default_levels();
        if (const auto* vf = std::get_if<ChangeVf>(&action)) done = d.driver->change(vf->vf.vf, vf->grant);
        if (!done) RC_FAIL(done.error().message);
        follow(now, action);
      }
      for (const auto& [vf, level] : wanted.levels) RC_ASSERT(d.driver->read_level(vf.vf).value() == level);
      for (std::uint16_t vf = 0; vf < levels.size(); ++vf) {
        const auto kept = wanted.levels.find({0, vf});
        RC_ASSERT(d.rack.nic.enabled(vf) == (kept == wanted.levels.end() || kept->second.has_partition()));
      }
    }
    RC_ASSERT(d.rack.nic.levels_refused == 0u);
  }));
}

}  // namespace
}  // namespace ladon::mh
