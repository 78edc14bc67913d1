// The control channel lives by the doorbells' interrupts; looking now and then is for those that are lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/blocking_host.h"
#include "host/control.h"
#include "host/enumeration.h"
#include "machine/rack_fixture.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::machine {
namespace {

namespace ntb = spec::ntb;
namespace pci = spec::pci;

constexpr pcie::Domain kCh1{1};
constexpr pcie::Bdf kLinkSide(1, 0, 0);
constexpr std::size_t kVmA = 1;
constexpr LookEvery kNever{.parts = std::chrono::hours(24), .management = std::chrono::hours(24)};

class Doorbells : public ::testing::Test {
 protected:
  Doorbells() : rack(kTwoHosts, kNever) { EXPECT_TRUE(rack.wait_assigned()) << rack.management_error(); }

  // A guest that goes: its part asks, the management host quiesces, the part lets go, the VF is scrubbed.
  void leave() {
    gone = false;
    rack.machine().guests()[kVmA].slot->detached([this](vfio::Status status) { gone = status.has_value(); });
  }
  bool left() {
    return rack.run_until([this] { return gone; });
  }
  bool leaves_within(int rounds) {
    for (int round = 0; round < rounds && !gone; ++round)
      rack.machine().run_once(std::chrono::milliseconds(1));
    return gone;
  }
  // As another program of the compute host would: the MSI-X control of its NTB's link side.
  void set_msix(std::uint16_t bits) {
    host::BlockingHost host(rack.machine().host(kCh1).add_program());
    const auto at = host::find_capability(host, kLinkSide, pci::kCapMsix).value().value();
    ASSERT_TRUE(host.config_write(kLinkSide, static_cast<std::uint16_t>(at + pci::kMsixControl), 2, bits));
  }
  std::uint32_t link_register(std::uint32_t offset) {
    host::BlockingHost host(rack.machine().host(kCh1).add_program());
    const auto& bar = rack.machine().part(kCh1)->ntb()->bars[ntb::kControlBar].base;
    return host.load32(BusAddr(bar.bits() + offset)).value();
  }

  RunningRack rack;
  bool gone = false;
};

TEST_F(Doorbells, CarryEveryWordOfTheControlChannel) {
  for (int round = 0; round < 3; ++round) {
    auto guest = rack.client(kVmA);
    leave();
    ASSERT_TRUE(left());
  }
  EXPECT_EQ(rack.machine().fabric().refusals().total(), 0u);
  EXPECT_EQ(link_register(ntb::kMessagesRefused), 0u);
}

TEST_F(Doorbells, AreRoutedAnewByTheNextManagementProgram) {
  auto guest = rack.client(kVmA);
  rack.stop_management();
  leave();
  EXPECT_FALSE(leaves_within(50)) << "nobody answers";
  rack.start_management();
  EXPECT_TRUE(left()) << rack.management_error();
  auto again = rack.client(kVmA);
  leave();
  EXPECT_TRUE(left());
  EXPECT_EQ(rack.machine().fabric().refusals().total(), 0u);
}

TEST_F(Doorbells, MaskedAtTheHostWaitUntilTheyAreUnmasked) {
  auto guest = rack.client(kVmA);
  set_msix(pci::kMsixControlEnable | pci::kMsixControlFunctionMask);
  leave();
  EXPECT_FALSE(leaves_within(300)) << "the management host's answer is not heard";
  EXPECT_EQ(link_register(ntb::kMsixPending), 1u);
  set_msix(pci::kMsixControlEnable);
  EXPECT_TRUE(left());
}

TEST_F(Doorbells, WithoutARouteAreRefusedAndTheHostIsTold) {
  auto guest = rack.client(kVmA);
  ASSERT_TRUE(rack.machine().fabric().unroute_interrupt(kCh1, kLinkSide, host::control::kPartControlVector));
  leave();
  EXPECT_FALSE(leaves_within(300));
  ASSERT_FALSE(rack.machine().faults().empty());
  const RecordedFault& fault = rack.machine().faults().back();
  EXPECT_EQ(fault.where, kCh1);
  EXPECT_EQ(fault.fault.rid.bdf, kLinkSide);
  EXPECT_THAT(fault.fault.reason, ::testing::HasSubstr("ch1/iommu/interrupt remapping"));
  EXPECT_GE(link_register(ntb::kMessagesRefused), 1u);
}

TEST(DoorbellsThatAreLost, AreMadeUpForByLooking) {
  RunningRack rack(kTwoHosts);
  ASSERT_TRUE(rack.wait_assigned()) << rack.management_error();
  auto guest = rack.client(kVmA);
  ASSERT_TRUE(rack.machine().fabric().unroute_interrupt(kCh1, kLinkSide, host::control::kPartControlVector));
  bool gone = false;
  rack.machine().guests()[kVmA].slot->detached([&](vfio::Status status) { gone = status.has_value(); });
  EXPECT_TRUE(rack.run_until([&] { return gone; }));
}

TEST(DoorbellsWithoutRemapping, ArriveAsTheirBitsSay) {
  RunningRack rack(std::string("defences: {interrupt_remapping: off}") + kTwoHosts, kNever);
  EXPECT_TRUE(rack.wait_assigned()) << rack.management_error();
}

}  // namespace
}  // namespace ladon::machine
