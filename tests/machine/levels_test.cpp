// What the owner of a running rack changes of its VFs: service levels, policies, a quarantine; with native
// drivers in the guests' places.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/frames.h"
#include "machine/rack_fixture.h"

namespace ladon::machine {
namespace {

using console::Json;
using nic::VfDrop;
using ::testing::HasSubstr;

constexpr std::size_t kVmA = 1, kVmB = 2, kBare = 3;  // guests, and their VFs

std::vector<std::byte> frame(const MacAddress& to, const MacAddress& from) {
  std::vector<std::byte> bytes(600, std::byte{0x5A});
  std::ranges::copy(std::as_bytes(std::span(to.bytes)), bytes.begin());
  std::ranges::copy(std::as_bytes(std::span(from.bytes)), bytes.begin() + 6);
  bytes[12] = std::byte{0x88};
  bytes[13] = std::byte{0xB5};
  return bytes;
}

class LevelRack : public ::testing::Test {
 protected:
  LevelRack() : rack(kTwoHosts) { EXPECT_TRUE(rack.wait_assigned()) << rack.management_error(); }

  std::expected<Json, std::string> set(std::uint16_t vf,
                                       std::vector<std::pair<std::string, std::string>> settings) {
    return rack.ask({{"verb", "vf_set"}, {"nic", 0}, {"vf", vf}, {"settings", settings}});
  }
  nic::Nic& nic() { return rack.machine().nic(0); }
  std::uint64_t refused(std::uint16_t vf) { return nic().drops(vf)[VfDrop::rx_over_packet_rate]; }

  // How many of `count` frames arrive; the others are refused at the receiver's VF.
  int pass(client::VfDriver& from, client::VfDriver& to, std::uint16_t to_vf, int count) {
    const auto bytes = frame(to.mac(), from.mac());
    const std::uint64_t before = refused(to_vf);
    int got = 0;
    for (int sent = 0; sent < count; ++sent) {
      EXPECT_TRUE(from.tx().send(bytes));
      const auto seen = [&] {
        if (to.rx().receive()) ++got;
        return static_cast<std::uint64_t>(got) + (refused(to_vf) - before) > static_cast<std::uint64_t>(sent);
      };
      if (!rack.run_until(seen)) break;
      from.tx().reclaim();
    }
    return got;
  }
  // The guest's driver starts its VF anew.
  std::unique_ptr<client::VfDriver> anew(ClientGuest& guest) {
    auto driver = std::make_unique<client::VfDriver>(
        guest.registers,
        client::GuestMemory{Iova(0), {guest.memory.memory.mapped_or_null(), guest.memory.memory.size()}},
        client::VfOptions{});
    if (!driver->probe() || !driver->open()) return nullptr;
    return driver;
  }

  RunningRack rack;
};

TEST_F(LevelRack, ARunningVfIsLimitedAndLetGoAgain) {
  auto a = rack.client(kVmA), bare = rack.client(kBare);
  EXPECT_EQ(pass(bare->driver, a->driver, kVmA, 20), 20);
  (void)a->driver.link_up();  // takes the end of its own reset
  const auto done = set(kVmA, {{"rx_packets_max", "1"}, {"rx_packets_burst", "1"}});
  ASSERT_TRUE(done) << done.error();
  EXPECT_LT(pass(bare->driver, a->driver, kVmA, 20), 20);
  EXPECT_GT(refused(kVmA), 0u);
  ASSERT_TRUE(set(kVmA, {{"rx_packets_max", "0"}}));
  EXPECT_EQ(pass(bare->driver, a->driver, kVmA, 20), 20);
  EXPECT_EQ(pass(a->driver, bare->driver, kBare, 20), 20);
  // The driver was told nothing that would make it start anew.
  const auto link = a->driver.link_up();
  EXPECT_TRUE(link) << static_cast<int>(link.error());
  EXPECT_TRUE(nic().link_up(kVmA));
}

TEST_F(LevelRack, WhatTheNicHasNotLeftIsRefusedAndNothingChanges) {
  ASSERT_TRUE(set(kVmA, {{"rx_guaranteed", "6Gbit"}, {"memory", "1MiB"}}));
  const auto before = nic().level(kVmB);
  const auto rate = set(kVmB, {{"rx_guaranteed", "5Gbit"}, {"rx_weight", "9"}});
  ASSERT_FALSE(rate);
  EXPECT_THAT(rate.error(),
              HasSubstr("VF 2 of NIC 0 (vm-b): rx_guaranteed: 5.00 Gb/s wanted, 4.00 Gb/s left"));
  const auto memory = set(kVmB, {{"memory", "4MiB"}});
  ASSERT_FALSE(memory);
  EXPECT_THAT(memory.error(), HasSubstr("(vm-b): memory: 4 MiB wanted, "));
  EXPECT_EQ(nic().level(kVmB), before);
  // A VF that comes before the other in the file is blamed just so.
  const auto first = set(kVmA, {{"memory", "4MiB"}});
  ASSERT_FALSE(first);
  EXPECT_THAT(first.error(), HasSubstr("(vm-a): memory: 4 MiB wanted, "));
}

TEST_F(LevelRack, BadWordsAreRefusedByName) {
  const auto error = [&](std::string field, std::string text) {
    const auto done = set(kVmA, {{std::move(field), std::move(text)}});
    return done ? std::string("taken") : done.error();
  };
  EXPECT_THAT(error("rx_max", "10MB"), HasSubstr("rx_max: \"10MB\" has a unit that is not known"));
  EXPECT_THAT(error("rx_maks", "1"), HasSubstr("did you mean 'rx_max'?"));
  EXPECT_THAT(error("rx_burst", "1KiB"), HasSubstr("rx_burst: 1 KiB are smaller than the largest frame"));
  EXPECT_THAT(error("mac", "01:00:00:00:00:01"), HasSubstr("mac: "));
  EXPECT_THAT(error("mac", "52:54:00:00:00:0b"), HasSubstr("have the same MAC"));
  EXPECT_THAT(error("vlan", "5000"), HasSubstr("write 1 to 4094, or 0 for none"));
  EXPECT_THAT(error("trust", "yes"), HasSubstr("write on or off"));
  EXPECT_THAT(error("state", "up"), HasSubstr("auto, enable, disable"));
  const auto nobody = rack.ask({{"verb", "vf_set"}, {"nic", 0}, {"vf", 7}, {"settings", Json::array()}});
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error(), HasSubstr("belongs to no guest"));
}

TEST_F(LevelRack, LevelsOutliveTheManagementProgram) {
  auto a = rack.client(kVmA), bare = rack.client(kBare);
  ASSERT_TRUE(set(kVmA, {{"rx_max", "50Mbit"}, {"rx_guaranteed", "10Mbit"}, {"memory", "1MiB"}}));
  (void)a->driver.link_up();  // takes the end of its own reset
  const qos::ServiceLevel level = nic().level(kVmA);
  EXPECT_EQ(level.receive.most, 50'000'000u);
  rack.stop_management();
  EXPECT_EQ(pass(bare->driver, a->driver, kVmA, 5), 5);
  rack.start_management();
  const auto shown = rack.ask({{"verb", "vf_show"}});
  ASSERT_TRUE(shown) << shown.error();
  EXPECT_EQ(nic().level(kVmA), level);
  EXPECT_EQ(shown->at("vfs").at(1).at("level").at("receive_bits").at(1), 50'000'000u);
  EXPECT_EQ(pass(a->driver, bare->driver, kBare, 5), 5);
  const auto link = a->driver.link_up();
  EXPECT_TRUE(link) << static_cast<int>(link.error());
}

TEST_F(LevelRack, WithoutAPartitionThereIsNoLinkAndNoAnswer) {
  auto a = rack.client(kVmA), bare = rack.client(kBare);
  ASSERT_TRUE(set(kVmA, {{"memory", "0B"}}));
  EXPECT_FALSE(nic().link_up(kVmA));
  EXPECT_FALSE(a->driver.probe());  // its mailbox refuses
  ASSERT_TRUE(set(kVmA, {{"memory", "256KiB"}}));
  const auto driver = anew(*a);
  ASSERT_TRUE(driver);
  EXPECT_EQ(pass(bare->driver, *driver, kVmA, 5), 5);
  EXPECT_EQ(pass(*driver, bare->driver, kBare, 5), 5);
}

TEST_F(LevelRack, AnAddressChangesUnderARunningDriver) {
  auto a = rack.client(kVmA), bare = rack.client(kBare);
  ASSERT_TRUE(set(kVmA, {{"mac", "52:54:00:00:00:77"}}));
  EXPECT_EQ(to_string(nic().mac(kVmA)), "52:54:00:00:00:77");
  EXPECT_FALSE(a->driver.link_up());  // what it finds would make ixgbevf start anew
  const auto driver = anew(*a);
  ASSERT_TRUE(driver);
  EXPECT_EQ(to_string(driver->mac()), "52:54:00:00:00:77");
  EXPECT_EQ(pass(bare->driver, *driver, kVmA, 5), 5);
  EXPECT_EQ(pass(*driver, bare->driver, kBare, 5), 5);
}

TEST_F(LevelRack, AQuarantineEndsWithARecovery) {
  auto b = rack.client(kVmB), a = rack.client(kVmA), bare = rack.client(kBare);
  ASSERT_TRUE(set(kVmB, {{"on_fault", "quarantine"}}));
  const auto early = rack.ask({{"verb", "vf_recover"}, {"nic", 0}, {"vf", kVmB}});
  ASSERT_FALSE(early);
  EXPECT_THAT(early.error(), HasSubstr("not quarantined"));
  // A ring where it has no memory.
  namespace regs = spec::ixgbevf;
  b->registers.write32(regs::kTx + regs::kQueueControl, 0);
  b->registers.write32(regs::kTx + regs::kBaseHigh, 0x7);
  b->registers.write32(regs::kTx + regs::kQueueControl, regs::kQueueEnable);
  b->registers.write32(regs::kTx + regs::kTail, 8);
  ASSERT_TRUE(rack.run_until([&] { return !nic().link_up(kVmB); }));
  const auto state = [&] { return rack.ask({{"verb", "vf_show"}})->at("vfs").at(2).at("state"); };
  EXPECT_EQ(state(), "quarantined");
  // It stays so under a successor.
  rack.stop_management();
  rack.start_management();
  EXPECT_EQ(state(), "quarantined");
  EXPECT_FALSE(b->driver.probe());

  const auto recovered = rack.ask({{"verb", "vf_recover"}, {"nic", 0}, {"vf", kVmB}});
  ASSERT_TRUE(recovered) << recovered.error();
  EXPECT_EQ(state(), "enable");
  const auto driver = anew(*b);
  ASSERT_TRUE(driver);
  EXPECT_EQ(pass(bare->driver, *driver, kVmB, 5), 5);
  EXPECT_EQ(pass(*driver, a->driver, kVmA, 5), 5);
}

}  // namespace
}  // namespace ladon::machine
