// What an attack has left behind when the attacker is gone, and what its neighbours noticed.
#include <gtest/gtest.h>

#include "attack/suite.h"
#include "rack.h"

namespace ladon::attack {
namespace {

// A host's software lets somebody use its own memory, under an ID that nobody knows of, and goes.
Verdict forgets_a_mapping(Scene& scene) {
  auto& host = scene.host(scene.self().host);
  const auto space = host.create_domain();
  const auto own = host.describe()->own_memory;
  (void)host.map(*space, Iova(0), own.first(), 4096, pcie::kReadWrite);
  (void)host.attach(*space, pcie::Bdf(scene.self().proxy.bus(), 30, 0));
  return judge(false, "", "");
}
Verdict takes_a_neighbours_memory(Scene& scene) {
  const Guest& victim = scene.guest(*scene.parts.sibling);
  (void)scene.host(victim.host).detach(victim.proxy);
  return judge(false, "", "");
}
Verdict floods_for_a_while(Scene& scene) {
  // More frames than the NIC moves in a turn, to a neighbour that then waits with its own.
  for (int i = 0; i < 4000; ++i)
    scene.bed.inject(scene.self().nic, scene.frame_to(scene.self().mac, Scene::outside(), 64));
  scene.run(30);
  return judge(false, "", "");
}

Examined examine(Verdict (*perform)(Scene&), Party by = Party::ch) {
  const Attack attack{"X", "x", by, {}, perform};
  auto examined = examine_attack(build_from(two_hosts()), attack);
  if (!examined) throw std::runtime_error(examined.error());
  return *examined;
}

TEST(LeftBehind, EntriesThatNobodyWillTakeAway) {
  const auto [result, left] = examine(forgets_a_mapping);
  EXPECT_EQ(left.entries,
            (std::map<std::string, std::uint64_t>{
                {"ch1: I/O spaces", 1}, {"ch1: I/O mappings", 1}, {"ch1: attached requesters", 1}}));
  EXPECT_FALSE(left.nothing());
}

TEST(LeftBehind, WhatANeighbourCannotReachAnyMore) {
  const auto [result, left] = examine(takes_a_neighbours_memory);
  EXPECT_GT(left.unreachable, 0u);
  EXPECT_EQ(left.findings, 0u);
  EXPECT_GT(result.collateral_packets, 0u);
}

TEST(LeftBehind, NeighboursThatHadToWait) {
  const auto [result, left] = examine(floods_for_a_while, Party::wire);
  EXPECT_TRUE(left.nothing());
  EXPECT_GT(result.latency.since, result.latency.before);
}

// What a compute host does to its own VFs, and what a mistake of the management host's breaks, stays so:
// shut, not open.
TEST(LeftBehind, NothingByTheCatalogueButWhatHostsDoToThemselves) {
  const Build build = build_from(two_hosts());
  for (const Attack& attack : catalogue()) {
    const auto examined = examine_attack(build, attack);
    ASSERT_TRUE(examined) << examined.error();
    EXPECT_EQ(examined->left.findings, 0u) << attack.id;
    EXPECT_LE(examined->result.latency.since, examined->result.latency.before) << attack.id;
    const bool own = attack.id == "C5" || attack.id == "R5";
    EXPECT_EQ(examined->left.nothing(), !own) << attack.id;
  }
}

}  // namespace
}  // namespace ladon::attack
