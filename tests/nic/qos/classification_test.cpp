// Who is charged for which frame: addresses, groups and VLANs at random, against a model that asks of every
// function by itself whether a frame is for it.
#include <gmock/gmock.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "nic/station.h"

namespace ladon::nic::testing {
namespace {

namespace pf = spec::pf;

constexpr std::uint16_t kFunctions = 4, kOutside = 9;
constexpr std::uint16_t kNoVlan = 0;
const MacAddress kEverybody{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
const MacAddress kGroup{{0x01, 0x00, 0x5E, 0x01, 0x02, 0x03}};

// What the management software has settled for a function.
struct Membership {
  std::uint16_t address = 0;  // of which function it has the address
  std::uint16_t port_vlan = kNoVlan;
  std::set<std::uint16_t> tagged;
  std::uint32_t mode = 0;
  std::uint64_t burst = 0;  // packets that its level lets pass

  [[nodiscard]] bool in(std::uint16_t vlan) const {
    if (port_vlan != kNoVlan) return vlan == port_vlan;
    return vlan == kNoVlan || tagged.contains(vlan);
  }
  [[nodiscard]] bool wants(const MacAddress& mac) const {
    if (mac == kEverybody) return (mode & pf::kReceiveBroadcast) != 0;
    if (mac == kGroup) return (mode & pf::kReceiveAllMulticast) != 0;
    return mac == mac_of(address);
  }
};

Membership any_membership() {
  Membership made;
  made.address = *rc::gen::inRange<std::uint16_t>(0, kFunctions);
  made.port_vlan = *rc::gen::elementOf(std::vector<std::uint16_t>{kNoVlan, kNoVlan, 7, 8});
  if (made.port_vlan == kNoVlan)
    made.tagged = *rc::gen::element(std::set<std::uint16_t>{}, std::set<std::uint16_t>{7},
                                    std::set<std::uint16_t>{7, 8});
  made.mode = *rc::gen::inRange<std::uint32_t>(0, 8) & (pf::kReceiveBroadcast | pf::kReceiveAllMulticast);
  made.burst = *rc::gen::inRange<std::uint64_t>(1, 30);
  return made;
}

class Device : public Station {
 public:
  Device() : Station({.vfs = kFunctions, .nic = {.vfs = kFunctions}}) { SetUp(); }
  void TestBody() override {}

  void settle_for(std::uint16_t vf, const Membership& wanted) {
    const std::uint64_t mac = mac_of(wanted.address).bits();
    pf_write(vf_register(vf, pf::kVfMacLow), static_cast<std::uint32_t>(mac));
    pf_write(vf_register(vf, pf::kVfMacHigh), static_cast<std::uint32_t>(mac >> 32) | 1u << 31);
    const bool port = wanted.port_vlan != kNoVlan;
    pf_write(vf_register(vf, pf::kVfVlan), port ? wanted.port_vlan | 1u << 31 : 0);
    pf_write(vf_register(vf, pf::kVfVlanFilter), 1u << 31);
    for (const std::uint32_t vlan : wanted.tagged)
      pf_write(vf_register(vf, pf::kVfVlanFilter), vlan | 1u << 30);
    pf_write(vf_register(vf, pf::kVfReceiveMode), wanted.mode);
    qos::ServiceLevel level = rig.nic().level(vf);
    level.receive_packets = {.most = 1, .burst = wanted.burst};
    RC_ASSERT(!rig.nic().set_level(vf, level));
  }
  void arrive(const client::FrameSpec& spec) {
    rig.wire().arriving.push_back(client::make_frame(spec));
    rig.settle();
  }
  std::uint64_t read_all(std::uint16_t vf) {
    std::uint64_t count = 0;
    while (receive(vf)) ++count;
    return count;
  }
  std::uint64_t drops(std::uint16_t vf, VfDrop reason) { return rig.nic().drops(vf)[reason]; }
  [[nodiscard]] Rig& bench() { return rig; }
  using Station::send;
};

client::FrameSpec any_frame() {
  client::FrameSpec spec = from_to(kOutside, 0);
  spec.destination = *rc::gen::oneOf(rc::gen::just(kEverybody), rc::gen::just(kGroup),
                                     rc::gen::map(rc::gen::inRange<std::uint16_t>(0, kFunctions), mac_of));
  const auto vlan = *rc::gen::elementOf(std::vector<std::uint16_t>{kNoVlan, 7, 8, 9});
  if (vlan != kNoVlan) spec.vlan = vlan;
  return spec;
}

// Frames from the wire: each function has exactly those that are for it, as many as its level lets pass; the
// others are refused for its rate, and those that are not for it cost it nothing.
RC_GTEST_PROP(Classification, EveryCopyIsChargedToItsReceiver, ()) {
  Device device;
  std::array<Membership, kFunctions> functions;
  for (std::uint16_t vf = 0; vf < kFunctions; ++vf) {
    functions[vf] = any_membership();
    device.settle_for(vf, functions[vf]);
  }
  std::array<std::uint64_t, kFunctions> due{}, strange{};
  std::uint64_t nobodys = 0;
  const int frames = *rc::gen::inRange(1, 60);
  for (int i = 0; i < frames; ++i) {
    const client::FrameSpec spec = any_frame();
    const std::uint16_t vlan = spec.vlan.value_or(kNoVlan);
    const bool group = spec.destination.is_multicast();
    std::vector<std::uint16_t> receivers, owners;
    for (std::uint16_t vf = 0; vf < kFunctions; ++vf) {
      if (!functions[vf].wants(spec.destination)) continue;
      owners.push_back(vf);
      if (functions[vf].in(vlan)) receivers.push_back(vf);
    }
    for (const std::uint16_t vf : receivers) ++due[vf];
    if (receivers.empty() && !group)
      for (const std::uint16_t vf : owners) ++strange[vf];
    if (receivers.empty() && (group || owners.empty())) ++nobodys;
    device.arrive(spec);
  }
  for (std::uint16_t vf = 0; vf < kFunctions; ++vf) {
    const std::uint64_t got = std::min(due[vf], functions[vf].burst);
    RC_ASSERT(device.read_all(vf) == got);
    RC_ASSERT(device.drops(vf, VfDrop::rx_over_packet_rate) == due[vf] - got);
    RC_ASSERT(device.drops(vf, VfDrop::rx_vlan) == strange[vf]);
    RC_ASSERT(device.bench().nic().drops(vf).total() == due[vf] - got + strange[vf]);
    RC_ASSERT(device.bench().nic().packet_memory().held(vf) == 0u);
  }
  RC_ASSERT(device.bench().nic().wire_drops()[WireDrop::no_receiver] == nobodys);
}

class SharedAddress : public Station {
 protected:
  SharedAddress() : Station({.vfs = kFunctions, .nic = {.vfs = kFunctions}}) {}
  void set_port_vlan(std::uint16_t vf, std::uint32_t vlan) {
    pf_write(vf_register(vf, pf::kVfVlan), vlan | 1u << 31);
  }
  void set_mac(std::uint16_t vf, const MacAddress& mac) {
    pf_write(vf_register(vf, pf::kVfMacLow), static_cast<std::uint32_t>(mac.bits()));
    pf_write(vf_register(vf, pf::kVfMacHigh), static_cast<std::uint32_t>(mac.bits() >> 32) | 1u << 31);
  }
};

TEST_F(SharedAddress, FunctionsOfTwoVlansMayHaveTheSame) {
  for (std::uint16_t vf = 0; vf < kFunctions; ++vf) set_port_vlan(vf, vf < 2 ? 7 : 8);
  set_mac(3, mac_of(1));
  EXPECT_TRUE(passes(0, 1));
  EXPECT_FALSE(receive(3));
  ASSERT_TRUE(send(2, client::make_frame(from_to(2, 1))));
  EXPECT_TRUE(receive(3));
  EXPECT_FALSE(receive(1));
  EXPECT_EQ(rig.nic().drops(1).total() + rig.nic().drops(3).total(), 0u);
  EXPECT_TRUE(rig.wire().sent.empty());
}

TEST_F(SharedAddress, WhatNobodyOfTheVlanHasIsLookedForOutside) {
  set_port_vlan(0, 7);
  set_port_vlan(1, 8);
  EXPECT_FALSE(passes(0, 1));
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::rx_vlan], 1u);
  ASSERT_EQ(rig.wire().sent.size(), 1u);
  client::FrameSpec spec = from_to(0, 1);
  spec.vlan = std::uint16_t{7};
  EXPECT_EQ(rig.wire().sent.front(), client::make_frame(spec));
  // Without a wire it ends there.
  pf_write(pf::kControl, 0);
  EXPECT_FALSE(passes(0, 1));
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::rx_vlan], 2u);
  EXPECT_EQ(rig.wire().sent.size(), 1u);
}

}  // namespace
}  // namespace ladon::nic::testing
