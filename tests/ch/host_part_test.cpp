#include "ch/host_part.h"

#include <gmock/gmock.h>

#include "ch/guest_config.h"
#include "fakes/fake_rack.h"
#include "spec/ixgbevf.h"

namespace ladon::ch {
namespace {

namespace control = host::control;
namespace pci = spec::pci;

// The management host's end of the conversation, by hand.
struct Management {
  explicit Management(fakes::FakeRack& rack) : host(rack.mh) {
    const auto all = host::enumerate(host, rack.mh.description, {});
    for (const auto& f : *all)
      if (f.device == pci::kNtbDevice && !channel)
        channel = std::make_unique<control::Channel>(control::ntb_port(rack.mh, f.bars[0].base),
                                                     control::Side::management);
  }
  void start() {
    channel->start([] {}, [this](const control::Message& m) { received.push_back(m); });
  }
  host::BlockingHost host;
  std::unique_ptr<control::Channel> channel;
  std::vector<control::Message> received;
};

TEST(HostPart, FindsItsNtbAndStopsThere) {
  fakes::FakeRack rack;
  HostPart part(*rack.chs[0], {.slots = 2});
  const auto started = part.start();
  ASSERT_TRUE(started.has_value()) << started.error();
  ASSERT_TRUE(part.ntb().has_value());
  EXPECT_EQ(pcie::to_string(part.ntb()->bdf), "0000:01:00.0");
  EXPECT_NE(part.ntb()->bars[2].base, BusAddr(0));
}

TEST(HostPart, RoutesTheDoorbellOfItsNtbToItself) {
  fakes::FakeRack rack;
  const auto& function = *rack.chs[0]->functions.back();
  ASSERT_EQ(rack.ntbs[0]->message(1, function), std::nullopt);
  HostPart part(*rack.chs[0], {.slots = 1});
  ASSERT_TRUE(part.start().has_value());
  EXPECT_THAT(rack.chs[0]->routes,
              testing::ElementsAre(std::pair(part.ntb()->bdf, control::kPartControlVector)));
  EXPECT_EQ(rack.ntbs[0]->message(1, function), control::kPartControlVector);
  EXPECT_EQ(rack.ntbs[0]->reg(spec::ntb::kDoorbellMask), 0u);
}

TEST(HostPart, WithoutAnNtbItDoesNotStart) {
  fakes::FakeHost alone;
  HostPart part(alone, {});
  const auto started = part.start();
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error(), testing::HasSubstr("no NTB"));
}

TEST(HostPart, HearsOfItsVfAndTellsOfItsGuests) {
  fakes::FakeRack rack;
  std::vector<std::pair<int, bool>> assignments;
  HostPart part(*rack.chs[0], {.slots = 2, .on_assignment = [&](std::uint8_t slot, bool there) {
                                 assignments.emplace_back(slot, there);
                               }});
  ASSERT_TRUE(part.start().has_value());
  Management management(rack);
  rack.ntbs[0]->ring_management = [&] { management.channel->poll(); };
  management.start();
  EXPECT_THAT(management.received, testing::ElementsAre(control::Message(control::Ready{2, true})));
  management.channel->send(control::Assign{.slot = 1, .requester = 9, .registers = 0x4000, .mac = {}});
  EXPECT_THAT(assignments, testing::ElementsAre(std::pair(1, true)));
  ASSERT_TRUE(part.slot(1)->attach().has_value());
  EXPECT_EQ(management.received.back(), control::Message(control::Attached{1}));
  // Registers are reached in the NTB's register BAR.
  std::uint64_t at = 0;
  rack.ntbs[0]->window_write = [&](std::uint64_t offset, std::uint64_t) { at = offset; };
  part.slot(1)->register_write(0, 0x18, 4, 1);
  EXPECT_EQ(at, 0x4018u);
  // A slot that does not exist is nobody's.
  management.channel->send(control::Assign{.slot = 2, .mac = {}});
  management.channel->send(control::Revoke{200});
}

TEST(HostPart, ASecondManagementHostIsToldThatNothingIsFresh) {
  fakes::FakeRack rack;
  HostPart part(*rack.chs[0], {.slots = 1});
  ASSERT_TRUE(part.start().has_value());
  for (const bool fresh : {true, false}) {
    Management management(rack);
    rack.ntbs[0]->ring_management = [&] { management.channel->poll(); };
    management.start();
    EXPECT_THAT(management.received, testing::ElementsAre(control::Message(control::Ready{1, fresh})));
    rack.ntbs[0]->ring_management = {};
  }
}

TEST(HostPart, InterruptsReachTheirSlotsAndFaultsTheirListener) {
  fakes::FakeRack rack;
  std::vector<std::string> faults;
  HostPart part(*rack.chs[0],
                {.slots = 2, .on_fault = [&](const host::Fault& fault) { faults.push_back(fault.reason); }});
  ASSERT_TRUE(part.start().has_value());
  int rung = 0;
  part.slot(1)->set_vector(2, [&] { ++rung; });
  rack.chs[0]->raise(part.slot(1)->host_vector(2));
  rack.chs[0]->raise(part.slot(1)->host_vector(1));
  rack.chs[0]->raise(200);
  rack.chs[0]->raise(0);
  rack.chs[0]->tell(host::Fault{{}, 0x1000, pcie::Access::write, "not mapped"});
  EXPECT_EQ(rung, 1);
  EXPECT_THAT(faults, testing::ElementsAre("not mapped"));
}

TEST(GuestConfig, LooksLikeAVfThatVfioPresents) {
  GuestConfig config(pci::kX550VfDevice, 0x1234);
  EXPECT_EQ(config.read(pci::kVendorId, 4), 0x1565'8086u);
  EXPECT_EQ(GuestConfig(pci::k82599VfDevice, 1).read(pci::kDeviceId, 2), 0x10EDu);
  EXPECT_EQ(config.read(pci::kRevision, 4) >> 8, 0x02'0000u);
  for (const std::uint16_t bar : {std::uint16_t{0}, std::uint16_t{3}}) {
    const auto at = static_cast<std::uint16_t>(pci::kBar0 + 4 * bar);
    EXPECT_FALSE(config.write(at, 4, 0xFFFF'FFFF));
    EXPECT_EQ(config.read(at, 4), 0xFFFF'C00Cu);  // 16 KiB, 64-bit, prefetchable
  }
}

TEST(GuestConfig, HasTheCapabilitiesOfAVf) {
  GuestConfig config(pci::kX550VfDevice, 0x1122'3344'5566'7788);
  std::map<unsigned, std::uint16_t> found, extended;
  for (auto at = static_cast<std::uint16_t>(config.read(pci::kCapabilityPointer, 1)); at != 0;
       at = static_cast<std::uint16_t>(config.read(static_cast<std::uint16_t>(at + 1), 1)))
    found[config.read(at, 1)] = at;
  for (std::uint16_t at = 0x100; at != 0; at = static_cast<std::uint16_t>(config.read(at, 4) >> 20))
    extended[config.read(at, 2)] = at;
  ASSERT_TRUE(found.contains(pci::kCapExpress) && found.contains(pci::kCapMsix));
  EXPECT_TRUE(extended.contains(pci::kExtAer) && extended.contains(pci::kExtSerialNumber));
  EXPECT_FALSE(extended.contains(pci::kExtSriov));
  const std::uint16_t msix = found[pci::kCapMsix];
  EXPECT_EQ(config.read(msix + 2, 2) & 0x7FF, 2u);  // three vectors
  EXPECT_EQ(config.read(msix + 4, 4), 3u);
  EXPECT_EQ(config.read(msix + 8, 4), 0x2003u);
  EXPECT_FALSE(config.msix_enabled());
  (void)config.write(msix + 2, 2, pci::kMsixControlEnable);
  EXPECT_TRUE(config.msix_enabled());
  // A function-level reset is asked for once and puts everything back.
  const auto control = static_cast<std::uint16_t>(found[pci::kCapExpress] + pci::kExpressDeviceControl);
  EXPECT_TRUE(config.write(control, 2, pci::kDeviceControlFlr));
  config.reset();
  EXPECT_FALSE(config.msix_enabled());
  EXPECT_FALSE(config.write(pci::kCommand, 2, pci::kCommandBusMaster | pci::kCommandMemory));
  EXPECT_TRUE(config.bus_master() && config.memory_enabled());
}

}  // namespace
}  // namespace ladon::ch
