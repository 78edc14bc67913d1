// Service levels in a rack file: what is read, and every way to get it wrong.
#include "machine/rack_levels.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine/rack_build.h"
#include "machine/rack_file.h"

namespace ladon::machine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two guests' VFs, the fields of each in line 10 and 12.
std::string rack_text(std::string_view first, std::string_view second = "", std::string_view nic = "") {
  return fmt::format(R"(name: levels
nics:
  - {{name: nic0, vfs: 4, packet_memory: 1MiB{}}}
hosts:
  - {{name: mh, role: management}}
  - name: ch1
    role: compute
    vms:
      - name: vm-a
        vf: {{nic: nic0, index: 0{}}}
      - name: vm-b
        vf: {{nic: nic0, index: 1{}}}
)",
                     nic, first, second);
}

std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> lines;
  const auto rack = parse_rack(text, "x.yaml");
  if (!rack)
    for (const auto& error : rack.error()) lines.push_back(to_string(error));
  return lines;
}

mh::ServiceLevel level_of(std::string_view fields) {
  const auto rack = parse_rack(rack_text(fields), "x.yaml");
  EXPECT_TRUE(rack) << fields << ": " << to_string(rack.error()[0]);
  return rack ? rack->hosts[1].guests[0].vf->level : mh::ServiceLevel{};
}

TEST(RackLevels, ReadsEveryField) {
  const mh::ServiceLevel level = level_of(
      ", tx_share: 100Mbit, tx_max: 1Gbit, tx_burst: 64KiB, tx_priority: 3, tx_weight: 20"
      ", rx_guaranteed: 50Mb/s, rx_max: 200 Mbit/s, rx_burst: 1MiB, rx_priority: 7, rx_weight: 100"
      ", rx_packets_guaranteed: 1000, rx_packets_max: 20000, rx_packets_burst: 64"
      ", rx_cost_guaranteed: 5, rx_cost_max: 2000000, rx_cost_burst: 100000"
      ", memory: 256KiB, memory_shared: 64KiB, memory_lendable: 128KiB");
  EXPECT_EQ(level.transmit, (mh::RateRange{100'000'000, 1'000'000'000, 64 << 10}));
  EXPECT_EQ(level.receive, (mh::RateRange{50'000'000, 200'000'000, 1 << 20}));
  EXPECT_EQ(level.receive_packets, (mh::RateRange{1000, 20'000, 64}));
  EXPECT_EQ(level.receive_cost, (mh::RateRange{5, 2'000'000, 100'000}));
  EXPECT_EQ(level.transmit_turns, (mh::Turns{3, 20}));
  EXPECT_EQ(level.receive_turns, (mh::Turns{7, 100}));
  EXPECT_EQ(level.memory, 256u << 10);
  EXPECT_EQ(level.memory_shared, 64u << 10);
  EXPECT_EQ(level.memory_lendable, 128u << 10);
}

TEST(RackLevels, WithoutFieldsNothingIsPromised) {
  EXPECT_EQ(level_of(""), mh::ServiceLevel{});
}

TEST(RackLevels, ANumberWithoutAUnitIsWhatTheFieldsOriginHas) {
  EXPECT_EQ(level_of(", max_tx_rate: 100, min_tx_rate: 10").transmit,
            (mh::RateRange{10'000'000, 100'000'000, 0}));
  EXPECT_EQ(level_of(", tx_max: 100000, tx_share: 10000").transmit, (mh::RateRange{10'000, 100'000, 0}));
  EXPECT_EQ(level_of(", max_tx_rate: 100Mbit").transmit.most, 100'000'000u);
}

TEST(RackLevels, SynonymsMayAgree) {
  EXPECT_EQ(level_of(", max_tx_rate: 100, tx_max: 100Mbit").transmit.most, 100'000'000u);
  EXPECT_THAT(
      errors_of(rack_text(", max_tx_rate: 100, tx_max: 200Mbit")),
      ElementsAre(AllOf(HasSubstr("x.yaml:10:"), HasSubstr(".vf.tx_max: \"200Mbit\" contradicts max_tx_rate"),
                        HasSubstr("keep one of max_tx_rate and tx_max"))));
}

struct Bad {
  std::string_view fields, field, what, mend;
};
TEST(RackLevels, EveryMistakeIsNamedWithItsMend) {
  for (const Bad& bad : {
           Bad{"rx_max: 100MB", "rx_max", "has a unit that is not known", "like 100Mbit"},
           Bad{"tx_max: 10Mbps", "tx_max", "has a unit that is not known", "like 100Mbit"},
           Bad{"rx_max: fast", "rx_max", "does not start with a whole number", "like 100Mbit"},
           Bad{"rx_max: 1500", "rx_max", "is not a multiple of 1 kbit/s", "whole kbit/s"},
           Bad{"rx_max: 2000Gbit", "rx_max", "is too large", "up to 1000Gbit"},
           Bad{"rx_burst: 64", "rx_burst", "has no unit", "a unit of B, KiB"},
           Bad{"rx_burst: 2000B", "rx_burst", "2000 B are smaller than the largest frame",
               "write 9728 B or more"},
           Bad{"tx_burst: 1B", "tx_burst", "smaller than the largest frame", "or leave it out"},
           Bad{"rx_cost_burst: 10", "rx_cost_burst", "smaller than the largest frame", "1264 or more"},
           Bad{"rx_max: 1Mbit, rx_guaranteed: 2Mbit", "rx_max", "less than the 2.00 Mb/s of rx_guaranteed",
               "raise it"},
           Bad{"max_tx_rate: 1, min_tx_rate: 2", "max_tx_rate", "less than", "raise it"},
           Bad{"tx_priority: 8", "tx_priority", "is too large", "0 to 7"},
           Bad{"rx_weight: 0", "rx_weight", "is too small", "1 to 100"},
           Bad{"tx_weight: some", "tx_weight", "is not a whole number", "1 to 100"},
           Bad{"memory: 5000B", "memory", "is not a multiple of 4 KiB", "multiples of 4 KiB"},
           Bad{"memory: 8KiB", "memory", "do not hold the largest frame", "12 KiB or more"},
           Bad{"memory: 2GiB", "memory", "is too large", "up to 1 GiB"},
           Bad{"memory_lendable: 8KiB", "memory_lendable", "more than its memory", "state memory"},
           Bad{"memory: 64KiB, memory_lendable: 60KiB", "memory_lendable", "does not hold", "keep 12 KiB"},
           Bad{"state: up", "state", "is not known here", "auto, enable, disable"},
           Bad{"rx_maxi: 1Mbit", "rx_maxi", "not a field", "did you mean 'rx_max'"},
       }) {
    EXPECT_THAT(
        errors_of(rack_text(fmt::format(", {}", bad.fields))),
        ElementsAre(AllOf(HasSubstr("x.yaml:10:"), HasSubstr(fmt::format("vms[0].vf.{}: ", bad.field)),
                          HasSubstr(bad.what), HasSubstr(bad.mend))))
        << bad.fields;
  }
}

TEST(RackLevels, WhatTheNicDoesNotHaveIsRefused) {
  EXPECT_THAT(errors_of(rack_text(", memory: 768KiB", ", memory: 512KiB")),
              ElementsAre(AllOf(HasSubstr("x.yaml:12:"), HasSubstr("vms[1].vf.memory"),
                                HasSubstr("memory: 512 KiB wanted, 256 KiB left"),
                                HasSubstr("the NIC has 1 MiB of packet memory"))));
  EXPECT_THAT(errors_of(rack_text(", rx_guaranteed: 6Gbit", ", rx_guaranteed: 5Gbit")),
              ElementsAre(AllOf(HasSubstr("vms[1].vf.rx_guaranteed"),
                                HasSubstr("5.00 Gb/s wanted, 4.00 Gb/s left"))));
  EXPECT_THAT(
      errors_of(rack_text(", min_tx_rate: 60", ", min_tx_rate: 50", ", tx_capacity: 100Mbit")),
      ElementsAre(AllOf(HasSubstr("vms[1].vf.min_tx_rate"), HasSubstr("50.0 Mb/s wanted, 40.0 Mb/s left"))));
  EXPECT_THAT(errors_of(rack_text("", ", memory: 1MiB")),
              ElementsAre(AllOf(HasSubstr("vms[1].vf.memory"), HasSubstr("1 MiB wanted, 1012 KiB left"))));
  EXPECT_THAT(errors_of(rack_text(", memory: 768KiB", ", memory: 256KiB")), IsEmpty());
}

TEST(RackLevels, ACapacityIsARateOfTheNic) {
  EXPECT_THAT(errors_of(rack_text("", "", ", rx_capacity: 20Gbit")),
              ElementsAre(AllOf(HasSubstr("x.yaml:3:"), HasSubstr("nics[0].rx_capacity"),
                                HasSubstr("1Mbit to 10Gbit"))));
  const auto rack = parse_rack(rack_text("", "", ", rx_capacity: 1Gbit, tx_capacity: 100Mbit"), "x.yaml");
  ASSERT_TRUE(rack);
  EXPECT_EQ(intent_of(*rack).capacities[0], (mh::NicCapacity{1'000'000'000, 100'000'000}));
}

TEST(RackLevels, ReachTheIntent) {
  const auto rack = parse_rack(rack_text(", rx_max: 1Mbit, state: auto", ", state: disable"), "x.yaml");
  ASSERT_TRUE(rack);
  const mh::Intent intent = intent_of(*rack);
  EXPECT_EQ(intent.grants[0].level.receive.most, 1'000'000u);
  EXPECT_FALSE(intent.grants[0].link_forced);
  EXPECT_TRUE(intent.grants[1].disabled);
  EXPECT_EQ(mh::intent_from_json(to_json(intent)), intent);
}

}  // namespace
}  // namespace ladon::machine
