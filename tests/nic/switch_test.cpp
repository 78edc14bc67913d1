// Who gets which frame: addresses, groups, VLANs, promiscuity; and what never passes.
#include "nic/station.h"
#include "spec/descriptor.h"

namespace ladon::nic::testing {
namespace {

namespace reg = spec::ixgbevf;
namespace pf = spec::pf;
namespace desc = spec::descriptor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

RigOptions four() {
  RigOptions options;
  options.vfs = 4;
  options.nic.vfs = 4;
  return options;
}

class Switching : public Station {
 protected:
  Switching() : Station(four()) {}

  // The functions that get a frame to `destination` from VF 0.
  std::vector<std::uint16_t> reached(const MacAddress& destination) {
    client::FrameSpec spec = from_to(0, 0);
    spec.destination = destination;
    send(0, client::make_frame(spec));
    return receivers();
  }
  std::vector<std::uint16_t> receivers() {
    std::vector<std::uint16_t> found;
    for (std::uint16_t vf = 0; vf < vfs; ++vf)
      while (receive(vf)) found.push_back(vf);
    return found;
  }
  void set_mode(std::uint16_t vf, std::uint32_t mode) { pf_write(vf_register(vf, pf::kVfReceiveMode), mode); }
  void add_control(std::uint16_t vf, std::uint32_t bits) {
    const auto at = vf_register(vf, pf::kVfControl);
    pf_write(at, pf_read(at) | bits);
  }
  void set_filter(std::uint32_t index, const MacAddress& mac, std::uint16_t vf, bool valid) {
    const std::uint32_t at = pf::kFilters + index * pf::kFilterStride;
    pf_write(at + pf::kFilterMacLow, static_cast<std::uint32_t>(mac.bits()));
    pf_write(at + pf::kFilterMacHigh, static_cast<std::uint32_t>(mac.bits() >> 32));
    pf_write(at + pf::kFilterVf, vf | (valid ? 1u << 31 : 0));
  }
  static constexpr MacAddress kGroup{{0x01, 0x00, 0x5E, 0x01, 0x02, 0x03}};
};

TEST_F(Switching, BroadcastGoesToThoseThatTakeIt) {
  const MacAddress everybody{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
  EXPECT_THAT(reached(everybody), ElementsAre(1, 2, 3));
  EXPECT_EQ(rig.wire().sent.size(), 1u);
  set_mode(2, 0);
  EXPECT_THAT(reached(everybody), ElementsAre(1, 3));
}

TEST_F(Switching, MulticastGoesByItsHash) {
  set_mode(1, pf::kReceiveMulticast);
  set_mode(2, pf::kReceiveMulticast);
  set_mode(3, pf::kReceiveAllMulticast);
  EXPECT_THAT(reached(kGroup), ElementsAre(3));
  pf_write(vf_register(2, pf::kVfMulticast), 0x030);  // bits 47..36 of the address: 03h, upper half of 02h
  EXPECT_THAT(reached(kGroup), ElementsAre(2, 3));
  pf_write(vf_register(2, pf::kVfMulticast), 1u << 31);
  EXPECT_THAT(reached(kGroup), ElementsAre(3));
}

TEST_F(Switching, TheDriversOwnHashMeetsTheDevices) {
  ASSERT_TRUE(rig.driver(1).set_multicast(std::array{kGroup}).has_value());
  set_mode(1, pf::kReceiveMulticast);
  set_mode(2, 0);
  set_mode(3, 0);
  EXPECT_THAT(reached(kGroup), ElementsAre(1));
}

TEST_F(Switching, PromiscuityNeedsTrust) {
  set_mode(3, pf::kReceivePromiscuous);
  EXPECT_THAT(reached(mac_of(1)), ElementsAre(1));
  add_control(3, pf::kVfTrust);
  EXPECT_THAT(reached(mac_of(1)), ElementsAre(1, 3));
  EXPECT_THAT(reached(MacAddress{{2, 9, 9, 9, 9, 9}}), ElementsAre(3));
  EXPECT_EQ(rig.wire().sent.size(), 1u);
}

TEST_F(Switching, FiltersGiveAFunctionMoreAddresses) {
  const MacAddress extra{{2, 7, 7, 7, 7, 7}};
  set_filter(5, extra, 2, true);
  EXPECT_THAT(reached(extra), ElementsAre(2));
  // It may send from there, too.
  client::FrameSpec spec = from_to(0, 1);
  spec.source = extra;
  EXPECT_TRUE(send(2, client::make_frame(spec)));
  EXPECT_THAT(receivers(), ElementsAre(1));
  send(3, client::make_frame(spec));
  EXPECT_THAT(receivers(), IsEmpty());
  EXPECT_EQ(rig.nic().drops(3)[VfDrop::tx_spoofed], 1u);
  set_filter(5, extra, 2, false);
  EXPECT_THAT(reached(extra), IsEmpty());
}

TEST_F(Switching, NobodyHearsItself) {
  EXPECT_THAT(reached(mac_of(0)), IsEmpty());
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::tx_no_destination], 1u);
  EXPECT_TRUE(rig.wire().sent.empty());
}

TEST_F(Switching, PauseAndOtherReservedFramesNeverPass) {
  for (std::uint8_t last = 0; last < 16; ++last)
    EXPECT_THAT(reached(MacAddress{{0x01, 0x80, 0xC2, 0, 0, last}}), IsEmpty());
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::tx_reserved_address], 16u);
  EXPECT_TRUE(rig.wire().sent.empty());
  client::FrameSpec spec;
  spec.destination = MacAddress{{0x01, 0x80, 0xC2, 0, 0, 1}};
  rig.wire().arriving.push_back(client::make_frame(spec));
  rig.settle();
  EXPECT_THAT(receivers(), IsEmpty());
  EXPECT_EQ(rig.nic().wire_drops()[WireDrop::reserved_address], 1u);
}

TEST_F(Switching, DropsAreCountedByReason) {
  pf_write(vf_register(1, pf::kVfMaxFrame), 59);
  EXPECT_THAT(reached(mac_of(1)), IsEmpty());
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::rx_too_long], 1u);
  rig.driver(2).close();
  EXPECT_THAT(reached(mac_of(2)), IsEmpty());
  EXPECT_EQ(rig.nic().drops(2)[VfDrop::rx_disabled], 1u);
  rig.wire().full = true;
  EXPECT_THAT(reached(MacAddress{{2, 9, 9, 9, 9, 9}}), IsEmpty());
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::tx_wire_full], 1u);
  client::FrameSpec spec;
  rig.wire().arriving.push_back(client::make_frame(spec));
  rig.wire().arriving.push_back(client::Frame(13));
  rig.settle();
  EXPECT_EQ(rig.nic().wire_drops()[WireDrop::no_receiver], 1u);
  EXPECT_EQ(rig.nic().wire_drops()[WireDrop::malformed], 1u);
  for (int i = 0; i < 300; ++i) send(0, client::make_frame(from_to(0, 3)));
  EXPECT_EQ(rig.nic().drops(3)[VfDrop::rx_no_descriptor], 300u - 255u);
}

TEST_F(Switching, AFloodOfBadFramesTakesOneTurnNoLongerThanGoodOnes) {
  for (int i = 0; i < 1000; ++i) rig.wire().arriving.push_back(client::Frame(13));
  EXPECT_TRUE(rig.nic().poll(64)) << "there is more";
  EXPECT_LE(rig.nic().wire_drops()[WireDrop::malformed], 64u);
  EXPECT_TRUE(passes(0, 1));
}

// ---- VLANs

class Vlans : public Switching {
 protected:
  void set_port_vlan(std::uint16_t vf, std::uint16_t vlan) {
    pf_write(vf_register(vf, pf::kVfVlan), vlan | 1u << 31);
  }
  void join(std::uint16_t vf, std::uint16_t vlan) {
    pf_write(vf_register(vf, pf::kVfVlanFilter), vlan | 1u << 30);
  }
  std::optional<client::ReceivedFrame> pass_tagged(std::uint16_t vlan) {
    client::TxOffload offload;
    offload.vlan = vlan;
    send(0, client::make_frame(from_to(0, 1)), offload);
    return receive(1);
  }
};

TEST_F(Vlans, APortsVlanIsInvisibleToItsFunctions) {
  set_port_vlan(0, 7);
  set_port_vlan(1, 7);
  EXPECT_TRUE(passes(0, 1));
  EXPECT_FALSE(receive(1));
  // The tag is there on the wire.
  client::FrameSpec spec = from_to(0, 9);
  send(0, client::make_frame(spec));
  ASSERT_EQ(rig.wire().sent.size(), 1u);
  spec.vlan = std::uint16_t{7};
  EXPECT_EQ(rig.wire().sent.front(), client::make_frame(spec));
  spec.destination = mac_of(0);
  rig.wire().arriving.push_back(client::make_frame(spec));
  rig.settle();
  spec.vlan.reset();
  const auto received = receive(0);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, client::make_frame(spec));
  EXPECT_FALSE(received->vlan);
}

TEST_F(Vlans, VlansDoNotMix) {
  set_port_vlan(1, 7);
  set_port_vlan(2, 8);
  EXPECT_FALSE(passes(0, 1));
  EXPECT_FALSE(passes(1, 0));
  EXPECT_FALSE(passes(1, 2));
  EXPECT_FALSE(pass_tagged(7)) << "no member, may not send into it";
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::tx_vlan], 1u);
  client::TxOffload offload;
  offload.vlan = std::uint16_t{8};
  send(1, client::make_frame(from_to(1, 2)), offload);
  EXPECT_FALSE(receive(2)) << "a port's VLAN cannot be left";
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::tx_vlan], 1u);
}

TEST_F(Vlans, MembersTagTheirFramesThemselves) {
  join(0, 5);
  EXPECT_FALSE(pass_tagged(5));
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::rx_vlan], 1u);
  join(1, 5);
  const auto stripped = pass_tagged(0x6005);
  ASSERT_TRUE(stripped);
  EXPECT_EQ(stripped->vlan, 0x6005);
  EXPECT_EQ(stripped->bytes, client::make_frame(from_to(0, 1)));
  // A tag within the frame is the same.
  client::FrameSpec spec = from_to(0, 1);
  spec.vlan = std::uint16_t{5};
  send(0, client::make_frame(spec));
  const auto again = receive(1);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->vlan, 5);
  EXPECT_EQ(again->bytes, client::make_frame(from_to(0, 1)));
  // A driver that does not strip gets it back in its place.
  vf_write(1, reg::kRx + reg::kQueueControl, vf_read(1, reg::kRx + reg::kQueueControl) & ~reg::kRxVlanStrip);
  const auto whole = pass_tagged(5);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->bytes, client::make_frame(spec));
  EXPECT_FALSE(whole->vlan);
}

// ---- receive

class Receiving : public Station {};

TEST_F(Receiving, FramesFromTheWireAreVerified) {
  for (const bool broken : {false, true}) {
    client::FrameSpec spec = from_to(1, 0);
    spec.payload = 700;
    client::Frame frame = client::make_frame(spec);
    if (broken) frame.back() ^= std::byte{1};
    rig.wire().arriving.push_back(frame);
    rig.settle();
    const auto received = receive(0);
    ASSERT_TRUE(received);
    EXPECT_EQ(received->bytes, frame);
    EXPECT_NE(received->status & desc::kRxL4Checked, 0u);
    EXPECT_NE(received->status & desc::kRxIpChecked, 0u);
    EXPECT_EQ((received->status & desc::kRxL4Error) != 0, broken);
  }
}

TEST_F(Receiving, BetweenFunctionsOnlyWhatTheDeviceMadeIsCalledGood) {
  const client::Frame frame = client::make_frame(from_to(0, 1));
  send(0, frame);
  auto received = receive(1);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status & desc::kRxL4Checked, 0u);
  EXPECT_NE(received->status & desc::kRxIpChecked, 0u);
  client::TxOffload offload;
  offload.l4_checksum = true;
  offload.layer4 = client::Layer4::udp;
  client::FrameSpec spec = from_to(0, 1);
  spec.transport_checksum = false;
  send(0, client::make_frame(spec), offload);
  received = receive(1);
  ASSERT_TRUE(received);
  EXPECT_NE(received->status & desc::kRxL4Checked, 0u);
  EXPECT_EQ(received->bytes, frame);
}

TEST_F(Receiving, ShortFramesArePaddedWithZeros) {
  client::Frame frame = client::make_frame(from_to(0, 1));
  send(0, client::Frame(60, std::byte{0xEE}));  // leaves bytes behind that must not be seen
  frame.resize(20);
  send(0, frame);
  const auto received = receive(1);
  ASSERT_TRUE(received);
  frame.resize(60, std::byte{0});
  EXPECT_EQ(received->bytes, frame);
}

class TwoQueues : public Station {
 protected:
  static RigOptions options() {
    RigOptions made;
    made.driver.queues = 2;
    return made;
  }
  TwoQueues() : Station(options()) {}
};

TEST_F(TwoQueues, FlowsSpreadAndStayTogether) {
  rig.driver(1).set_up_rss();
  std::array<int, 2> frames{};
  for (std::uint16_t port = 0; port < 64; ++port) {
    client::FrameSpec spec = from_to(0, 1);
    spec.carries = client::Carries::tcp;
    spec.source_port = port;
    std::optional<std::size_t> at;
    for (int repeat = 0; repeat < 2; ++repeat) {
      ASSERT_TRUE(send(0, client::make_frame(spec)));
      for (const std::size_t queue : {0u, 1u})
        if (const auto received = rig.driver(1).rx(queue).receive()) {
          EXPECT_EQ(received->info & desc::kRxRssTypeMask, 1u);
          EXPECT_EQ(at.value_or(queue), queue);
          at = queue;
          ++frames[queue];
        }
    }
  }
  EXPECT_EQ(frames[0] + frames[1], 128);
  EXPECT_GT(frames[0], 20);
  EXPECT_GT(frames[1], 20);
}

TEST_F(TwoQueues, EveryPairSendsAndWithoutHashingAllArriveAtTheFirst) {
  vf_write(1, reg::kMrqc, 0);
  for (const std::size_t queue : {0u, 1u}) {
    const client::Frame frame = client::make_frame(from_to(0, 1));
    ASSERT_TRUE(rig.driver(0).tx(queue).send(frame));
    rig.settle();
    EXPECT_TRUE(rig.driver(1).rx(0).receive());
    EXPECT_FALSE(rig.driver(1).rx(1).receive());
  }
}

// ---- backpressure and the tap

class Backpressure : public Station {
 protected:
  void fill_receiver() {
    for (int i = 0; i < 255; ++i) ASSERT_TRUE(send(0, client::make_frame(from_to(0, 1))));
  }
};

TEST_F(Backpressure, ASenderWaitsForBuffersButNotForEver) {
  const auto control = vf_register(0, pf::kVfControl);
  pf_write(control, pf_read(control) | pf::kVfBackpressure);
  fill_receiver();
  ASSERT_TRUE(send(0, client::make_frame(from_to(0, 1))));
  EXPECT_EQ(rig.nic().drops(1).total(), 0u);
  ASSERT_TRUE(rig.nic().next_deadline());
  int received = 0;
  while (receive(1)) ++received, rig.settle();
  while (receive(1)) ++received;
  EXPECT_EQ(received, 256) << "the last one arrives when there is room";
  fill_receiver();
  ASSERT_TRUE(send(0, client::make_frame(from_to(0, 1))));
  rig.clock().advance(std::chrono::milliseconds(11));
  rig.nic().poll();
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::rx_no_descriptor], 1u);
  EXPECT_FALSE(rig.nic().next_deadline());
  ASSERT_TRUE(send(0, client::make_frame(from_to(0, 1))));
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::rx_no_descriptor], 2u) << "not again for a receiver that is dead";
}

class Recorder final : public FrameTap {
 public:
  void frame(TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant) override {
    seen.emplace_back(point, vf, client::Frame(bytes.begin(), bytes.end()));
  }
  std::vector<std::tuple<TapPoint, std::uint16_t, client::Frame>> seen;
};

TEST_F(Receiving, ATapSeesFramesAtBothEnds) {
  Recorder recorder;
  rig.nic().set_tap(&recorder);
  client::FrameSpec spec = from_to(0, 1);
  spec.payload = 900;
  const client::Frame inside = client::make_frame(spec);
  send(0, inside);
  spec.destination = MacAddress{{2, 9, 9, 9, 9, 9}};
  const client::Frame outside = client::make_frame(spec);
  send(0, outside);
  rig.nic().set_tap(nullptr);
  using Seen = std::tuple<TapPoint, std::uint16_t, client::Frame>;
  EXPECT_THAT(recorder.seen,
              ElementsAre(Seen{TapPoint::vf_received, 1, inside}, Seen{TapPoint::vf_sent, 0, inside},
                          Seen{TapPoint::wire_sent, 0, outside}, Seen{TapPoint::vf_sent, 0, outside}));
}

}  // namespace
}  // namespace ladon::nic::testing
