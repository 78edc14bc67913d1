// `network` in a rack file: what may be written, and what becomes of it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine/rack_build.h"
#include "machine/rack_file.h"
#include "machine/shared_port.h"

namespace ladon::machine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A host with the VMs given, at a NIC of three functions.
std::string rack_with(std::string_view vms, std::string_view host = {}) {
  return fmt::format(R"(name: x
nics:
  - {{name: nic0, vfs: 3}}
hosts:
  - {{name: mh, role: management}}
  - name: ch1
    role: compute
    memory: 4GiB
{}    vms:
{})",
                     host, vms);
}
std::string vm(std::string_view name, std::string_view rest) {
  return fmt::format("      - {{name: {}, {}}}\n", name, rest);
}

std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> lines;
  const auto rack = parse_rack(text, "x.yaml");
  if (!rack)
    for (const auto& error : rack.error()) lines.push_back(to_string(error));
  return lines;
}
auto refuses(const std::string& network) {
  return errors_of(rack_with(vm("a", fmt::format("network: {{{}}}", network))));
}

TEST(RackNetwork, GuestsGetWhatIsThere) {
  const auto rack = parse_rack(
      rack_with(vm("a", "vf: {nic: nic0, index: 2}") +
                vm("b", "network: {nic: nic0, vlan: 7, rx_max: 1Gbit}") + vm("c", "network: {nic: nic0}") +
                vm("d", "network: {nic: nic0, min_tx_rate: 10}")),
      "x.yaml");
  ASSERT_TRUE(rack) << to_string(rack.error()[0]);
  const auto& guests = rack->hosts[1].guests;
  EXPECT_EQ(guests[0].vf->index, 2);
  EXPECT_EQ(guests[3].vf->index, 0) << "the one with a guarantee";
  ASSERT_TRUE(guests[1].shared);
  EXPECT_EQ(guests[1].shared->vlan, 7);
  EXPECT_EQ(shared_limits(guests[1].shared->level).receive.rate, 1'000'000'000u);
  EXPECT_TRUE(guests[2].shared);
  ASSERT_THAT(rack->hosts[1].software, SizeIs(1));
  const auto& software = rack->hosts[1].software[0];
  EXPECT_EQ(software.vf->index, 1);
  const auto placed = placed_guests(*rack);
  ASSERT_THAT(placed, SizeIs(3));
  EXPECT_TRUE(placed[2].software) << "behind the guests";
  const auto intent = intent_of(*rack);
  EXPECT_EQ(intent.grants[2].vf, 1);
  EXPECT_TRUE(intent.grants[2].trust) << "it has its guests' addresses too";
  EXPECT_EQ(intent.grants[2].vlan, std::nullopt);
  EXPECT_FALSE(intent.grants[0].trust);
}

TEST(RackNetwork, WhatCannotBeMetIsAMistakeWithItsPlace) {
  std::string all;
  for (const char* name : {"a", "b", "c", "d"}) all += vm(name, "network: {nic: nic0, path: own}");
  EXPECT_THAT(
      errors_of(rack_with(all)),
      ElementsAre(
          "x.yaml:13:28: hosts[1].vms[3].network: no function of nic0 is left for d of ch1: all 3 "
          "are taken; write vfs: 4 or more for the NIC, or path: shared for some guests of one host"));
  EXPECT_THAT(
      errors_of(
          rack_with(vm("a", "network: {nic: nic0, path: own}") + vm("b", "network: {nic: nic0, path: own}"),
                    "    ntb: {lut: 1}\n")),
      ElementsAre(HasSubstr("ch1 carries no function more for b of ch1: its 1 are taken; write ntb: ")));
  EXPECT_THAT(
      errors_of(rack_with(vm("a", "network: {nic: nic0, rx_guaranteed: 9Gbit}") +
                          vm("b", "network: {nic: nic0, rx_guaranteed: 2Gbit}"))),
      ElementsAre(HasSubstr("nic0 cannot promise b of ch1 what it is to receive: 2.00 Gb/s are wanted and "
                            "1.00 Gb/s are left")));
}

TEST(RackNetwork, MistakesAreNamed) {
  EXPECT_THAT(refuses("path: any"), ElementsAre(HasSubstr("network.nic: missing; write the name of a NIC")));
  EXPECT_THAT(refuses("nic: nic9"), ElementsAre(HasSubstr("no NIC is named \"nic9\"")));
  EXPECT_THAT(
      refuses("nic: nic0, path: fast"),
      ElementsAre(HasSubstr("network.path: \"fast\" is not known here; write one of: any, own, shared")));
  EXPECT_THAT(refuses("nic: nic0, index: 1"), ElementsAre(HasSubstr("network.index: not a field")));
  EXPECT_THAT(refuses("nic: nic0, vlan: 4095"),
              ElementsAre(HasSubstr("network.vlan: \"4095\" is out of range")));
  EXPECT_THAT(refuses("nic: nic0, mac: 01:00:00:00:00:01"), ElementsAre(HasSubstr("a group's address")));
  EXPECT_THAT(refuses("nic: nic0, rx_max: 1Gbits"), ElementsAre(HasSubstr("network.rx_max")));
  EXPECT_THAT(refuses("nic: nic0, rx_max: 1Gbit, rx_burst: 100B"),
              ElementsAre(HasSubstr("network.rx_burst")));
  EXPECT_THAT(refuses("nic: nic0, path: shared, min_tx_rate: 10"),
              ElementsAre(HasSubstr("network: a shared function has nothing to promise one of its guests")));
  EXPECT_THAT(refuses("nic: nic0, path: shared, tx_weight: 3"),
              ElementsAre(HasSubstr("network: the host's software limits rates only")));
  EXPECT_THAT(errors_of(rack_with(vm("a", "vf: {nic: nic0, index: 0}, network: {nic: nic0}"))),
              ElementsAre(HasSubstr("network: vf names the function already; write one of the two")));
  EXPECT_THAT(errors_of(rack_with(vm("a", "network: {nic: nic0, mac: 52:54:00:00:00:01}") +
                                  vm("b", "network: {nic: nic0, mac: 52:54:00:00:00:01}"))),
              ElementsAre(HasSubstr("MAC address 52:54:00:00:00:01 is taken by")));
}

TEST(RackNetwork, ABareHostSharesNothing) {
  const auto bare = [](std::string_view path) {
    return fmt::format(R"(name: x
nics: [{{name: nic0, vfs: 1}}]
hosts:
  - {{name: mh, role: management}}
  - {{name: ch1, role: compute, kind: bare, guest: {{network: {{nic: nic0, path: {}}}}}}}
)",
                       path);
  };
  EXPECT_THAT(errors_of(bare("shared")),
              ElementsAre(HasSubstr("a bare host's operating system drives its function itself")));
  const auto rack = parse_rack(bare("any"), "x.yaml");
  ASSERT_TRUE(rack) << to_string(rack.error()[0]);
  EXPECT_TRUE(rack->hosts[1].guests[0].vf);
}

// What guests that name their function are promised counts as well, and is named where it stands.
TEST(Network, AGuaranteeThatANamedFunctionLeavesNoRoomForIsAMistakeThere) {
  EXPECT_THAT(errors_of(rack_with("      - {name: a, network: {nic: nic0, rx_guaranteed: 8Gbit}}\n"
                                  "      - {name: b, vf: {nic: nic0, index: 0, rx_guaranteed: 3Gbit}}\n")),
              ElementsAre(AllOf(HasSubstr("vms[1].vf: nic0 cannot promise b of"), HasSubstr("3.00 Gb/s"))));
}

TEST(SharedFunctions, AreNotDisturbed) {
  SharedFunctionReport function{.host = "ch1", .nic = "nic0", .vf = 1};
  function.guests.push_back({.name = "a", .mac = MacAddress{{2, 0, 0, 0, 0, 7}}});
  const auto why = [&](std::uint16_t vf, Settings settings) {
    return disturbs_sharers({function}, "nic0", vf, settings).value_or("");
  };
  for (const char* kept :
       {"trust", "mac", "vlan", "state", "on_fault", "coalesce", "unsegmented", "memory", "memory_shared"})
    EXPECT_THAT(why(1, {{kept, "x"}}), HasSubstr("VF 1 of nic0 is shared by guests of ch1")) << kept;
  EXPECT_EQ(why(1, {{"rx_max", "1Gbit"}, {"tx_weight", "3"}}), "");
  EXPECT_EQ(why(0, {{"trust", "on"}, {"mac", "02:00:00:00:00:08"}}), "");
  EXPECT_EQ(why(0, {{"mac", "02:00:00:00:00:07"}}), "mac: 02:00:00:00:00:07 is the address of a");
  EXPECT_EQ(disturbs_sharers({function}, "nic1", 1, {{"trust", "on"}}), std::nullopt);
}

TEST(SharedLimits, ChangeFieldByField) {
  SharedLimits limits = changed(SharedLimits{}, {{"rx_max", "1Gbit"}, {"rx_burst", "20000B"}}).value();
  EXPECT_EQ(limits.receive, (para::RateLimit{1'000'000'000, 20'000}));
  limits = changed(limits, {{"max_tx_rate", "100"}}).value();
  EXPECT_EQ(limits.transmit.rate, 100'000'000u);
  EXPECT_EQ(limits.receive.burst, 20'000u) << "what is not named stays";
  limits = changed(limits, {{"rx_max", "0"}}).value();
  EXPECT_EQ(limits.receive, para::RateLimit{}) << "a burst of nothing goes with it";
  EXPECT_EQ(changed(limits, {{"rx_mox", "1"}}).error().field, "rx_mox");
  EXPECT_EQ(changed(limits, {{"rx_max", "much"}}).error().field, "rx_max");
  EXPECT_EQ(changed(limits, {{"rx_guaranteed", "1Gbit"}}).error().field, "rx_guaranteed");
  EXPECT_EQ(changed(limits, {{"memory", "1MiB"}}).error().field, "memory");
  EXPECT_EQ(changed(limits, {{"rx_max", "1Gbit"}, {"rx_burst", "10B"}}).error().field, "rx_burst");
}

}  // namespace
}  // namespace ladon::machine
