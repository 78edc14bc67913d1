// The whole rack without QEMU: real enumeration, plan and mailbox over the emulated fabric, native clients as
// guests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "client/frames.h"
#include "machine/rack_fixture.h"

namespace ladon::machine {
namespace {

constexpr std::size_t kMh = 0, kVmA = 1, kVmB = 2, kBare = 3;

std::vector<std::byte> frame(const MacAddress& to, const MacAddress& from, std::size_t length,
                             std::byte fill) {
  std::vector<std::byte> bytes(length, fill);
  std::ranges::copy(std::as_bytes(std::span(to.bytes)), bytes.begin());
  std::ranges::copy(std::as_bytes(std::span(from.bytes)), bytes.begin() + 6);
  bytes[12] = std::byte{0x88};
  bytes[13] = std::byte{0xB5};  // local experimental ethertype: nobody's protocol
  return bytes;
}

class Rack2 : public ::testing::Test {
 protected:
  Rack2() : rack(kTwoHosts) { EXPECT_TRUE(rack.wait_assigned()) << rack.management_error(); }

  // Sends one frame and returns it as the receiver sees it; nullopt if it does not arrive.
  std::optional<client::ReceivedFrame> pass(ClientGuest& from, ClientGuest& to, std::size_t length = 600) {
    const auto bytes = frame(to.driver.mac(), from.driver.mac(), length, std::byte{0x5A});
    EXPECT_TRUE(from.driver.tx().send(bytes));
    std::optional<client::ReceivedFrame> got;
    (void)rack.run_until([&] { return (got = to.driver.rx().receive()).has_value(); });
    if (got) {
      EXPECT_EQ(got->bytes, bytes);
    }
    return got;
  }

  RunningRack rack;
};

TEST_F(Rack2, EveryPairOfGuestsCanTalk) {
  expect_all_talk(rack);
}

TEST_F(Rack2, TheManagementHostAssignsTheAddresses) {
  EXPECT_EQ(to_string(rack.client(kVmA)->driver.mac()), "52:54:00:00:00:0a");
  EXPECT_EQ(to_string(rack.client(kBare)->driver.mac()), "52:54:00:00:00:0c");
}

TEST_F(Rack2, RingsInAnotherTenantsMemoryAreRefused) {
  auto attacker = rack.client(kVmB);
  auto victim = rack.client(kVmA), bystander = rack.client(kBare);
  // Where the victim's memory is at this host, as only the host knows.
  Machine& machine = rack.machine();
  const auto way = fabric::resolve(*machine.fabric().tables(),
                                   dma_transaction(machine, kVmA, Iova(0), 4, pcie::Access::read));
  const auto* memory = std::get_if<fabric::MemoryTarget>(&way.outcome);
  ASSERT_NE(memory, nullptr);
  const auto theirs = memory->at.bits();

  namespace regs = spec::ixgbevf;
  attacker->registers.write32(regs::kTx + regs::kQueueControl, 0);
  attacker->registers.write32(regs::kTx + regs::kBaseLow, static_cast<std::uint32_t>(theirs));
  attacker->registers.write32(regs::kTx + regs::kBaseHigh, static_cast<std::uint32_t>(theirs >> 32));
  attacker->registers.write32(regs::kTx + regs::kQueueControl, regs::kQueueEnable);
  attacker->registers.write32(regs::kTx + regs::kTail, 8);
  EXPECT_TRUE(rack.run_until([&] { return !machine.faults().empty(); }));
  EXPECT_THAT(machine.faults().back().fault.reason, ::testing::HasSubstr("ch1/iommu"));
  EXPECT_EQ(machine.faults().back().fault.address, theirs);
  // With who emitted it and how, and once for all its repetitions.
  const auto recent = machine.live().recent_refusals().newest_first();
  ASSERT_EQ(recent.size(), 1u);
  EXPECT_EQ(pcie::address_bits(recent[0].transaction.address), theirs);
  EXPECT_EQ(recent[0].transaction.rid, machine.fabric().rid(0, 132));
  EXPECT_EQ(recent[0].fault.reason, fabric::Reason::iommu_not_mapped);
  EXPECT_EQ(recent[0].count, machine.fabric().refusals().total());
  EXPECT_TRUE(pass(*victim, *bystander));
  EXPECT_TRUE(pass(*bystander, *victim));
}

TEST_F(Rack2, AGuestThatGoesAndComesAgainStartsClean) {
  auto other = rack.client(kBare);
  for (int round = 0; round < 3; ++round) {
    auto guest = rack.client(kVmA);
    EXPECT_TRUE(pass(*guest, *other));
    EXPECT_TRUE(pass(*other, *guest));
    bool gone = false;
    rack.machine().guests()[kVmA].slot->detached([&](vfio::Status status) { gone = status.has_value(); });
    EXPECT_TRUE(rack.run_until([&] { return gone; }));
    const auto way = fabric::resolve(*rack.machine().fabric().tables(),
                                     dma_transaction(rack.machine(), kVmA, Iova(0), 4, pcie::Access::read));
    EXPECT_TRUE(way.refused());
  }
}

TEST_F(Rack2, TrafficOutlivesTheManagementProgram) {
  auto a = rack.client(kVmA), b = rack.client(kBare);
  rack.stop_management();
  EXPECT_TRUE(pass(*a, *b));
  rack.start_management();
  EXPECT_TRUE(rack.run_until([&] { return rack.machine().managed(); })) << rack.management_error();
  EXPECT_TRUE(pass(*b, *a));
  // The new one answers mailboxes.
  EXPECT_TRUE(a->driver.probe());
  EXPECT_TRUE(rack.management_error().empty()) << rack.management_error();
}

TEST(RackMemory, AGuestsMemoryIsWhereTheFilePutsIt) {
  std::string yaml = kTwoHosts;
  const std::string vm_b = "{name: vm-b, memory: 64MiB,";
  yaml.replace(yaml.find(vm_b), vm_b.size(), vm_b + " memory_at: 8GiB,");
  RunningRack rack(yaml);
  ASSERT_TRUE(rack.wait_assigned());
  const auto at = [&](std::size_t guest) {
    auto attached = attach_synthetic_guest(rack.machine(), guest);
    EXPECT_TRUE(attached.has_value());
    const auto way = fabric::resolve(*rack.machine().fabric().tables(),
                                     dma_transaction(rack.machine(), guest, Iova(0), 4, pcie::Access::read));
    const auto* memory = std::get_if<fabric::MemoryTarget>(&way.outcome);
    return memory == nullptr ? BusAddr(0) : memory->at;
  };
  EXPECT_EQ(at(kVmB), BusAddr(8ull << 30));
  EXPECT_EQ(at(kVmA), BusAddr(4ull << 30));
}

TEST_F(Rack2, AnUnmapIsAnsweredOnlyWhenTheMemoryIsOutOfReach) {
  auto guest = rack.client(kVmA);
  GuestSlot& slot = *rack.machine().guests()[kVmA].slot;
  bool answered = false;
  slot.dma_unmap(Range<Gpa>::of(Gpa(0), guest->memory.memory.size()).value(), [&](vfio::Status status) {
    answered = status.has_value();
    const auto way =
        fabric::resolve(*rack.machine().fabric().tables(),
                        dma_transaction(rack.machine(), kVmA, Iova(0x1000), 4, pcie::Access::write));
    EXPECT_TRUE(way.refused());
  });
  EXPECT_FALSE(answered);  // the engine has not passed a quiescent point yet
  EXPECT_TRUE(rack.run_until([&] { return answered; }));
}

// An IOTLB that is emptied in batches is emptied though nothing else happens.
TEST(RackMemory, ADeferredUnmapEndsWithoutAnybodysHelp) {
  std::string yaml = kTwoHosts;
  const std::string host = "name: ch1\n";
  yaml.replace(yaml.find(host), host.size(), host + "    iommu: {invalidation: deferred}\n");
  RunningRack rack(yaml);
  ASSERT_TRUE(rack.wait_assigned());
  auto guest = rack.client(kVmA);
  const auto is_stale = [&] {
    const auto tables = rack.machine().fabric().tables();
    return std::ranges::any_of(
        tables->hosts[1]->hierarchies.front().iommu->devices,
        [](const iommu::Device& device) { return !device.domain->stale.mappings().empty(); });
  };
  bool answered = false;
  rack.machine().guests()[kVmA].slot->dma_unmap(Range<Gpa>::of(Gpa(0), guest->memory.memory.size()).value(),
                                                [&](vfio::Status status) {
                                                  answered = status.has_value();
                                                  EXPECT_TRUE(is_stale());
                                                });
  EXPECT_TRUE(rack.run_until([&] { return answered && !is_stale(); }));
}

}  // namespace
}  // namespace ladon::machine
