#include <gtest/gtest.h>

#include <stdexcept>

#include "experiment/device_level.h"
#include "experiment/driven_nic.h"
#include "port/link_wire.h"

namespace ladon::experiment {
namespace {

class Device : public ::testing::Test {
 protected:
  Device() : wires_(port::LinkWire::make_pair()), driven_(2, clock_, *wires_.first) {}

  ManualClock clock_;
  std::pair<std::unique_ptr<port::LinkWire>, std::unique_ptr<port::LinkWire>> wires_;
  DrivenNic driven_;
};

TEST_F(Device, ItsFunctionsAreTheHostsToDrive) {
  for (std::uint16_t vf = 0; vf < 2; ++vf) {
    ASSERT_TRUE(driven_.driver(vf).probe()) << vf;
    EXPECT_TRUE(driven_.driver(vf).open()) << vf;
  }
}

TEST_F(Device, ALimitOnRepliesIsOneOnTheirPackets) {
  limit_function(driven_.nic(), 1, Limit{.replies = 200, .received_packets = 5}, {});
  const qos::RateRange packets = driven_.nic().level(1).receive_packets;
  EXPECT_EQ(packets.most, 1000u);
  EXPECT_EQ(packets.burst, 20u);
  EXPECT_FALSE(driven_.nic().level(0).receive_packets.limits());
  limit_function(driven_.nic(), 1, std::nullopt, {});
  EXPECT_FALSE(driven_.nic().level(1).receive_packets.limits());
}

TEST_F(Device, PartitionsKeepTheirSizeWhenLimitsChange) {
  const DeviceCapacity capacity{.receive_bits = 1'000'000, .packet_memory = 40'000};
  limit_function(driven_.nic(), 1, std::nullopt, capacity);
  limit_device(driven_.nic(), capacity);
  limit_function(driven_.nic(), 1, Limit{.replies = 1, .received_packets = 5}, {});
  EXPECT_EQ(driven_.nic().level(1).memory.most, 40'000u);
}

TEST_F(Device, WhatItCannotPromiseIsTheExperimentsMistake) {
  EXPECT_THROW(limit_function(driven_.nic(), 0, std::nullopt, {.packet_memory = std::uint64_t{1} << 40}),
               std::logic_error);
}

}  // namespace
}  // namespace ladon::experiment
