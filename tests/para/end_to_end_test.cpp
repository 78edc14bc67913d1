// From a virtio driver to the wire and back, through the backend, the switch, the native driver and a whole
// NIC.
#include "fakes/count_allocations.h"
#include "fixture.h"

namespace ladon::para {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(HostTest, FramesGoOutAndComeIn) {
  start(2);
  const auto out = client::make_frame(from_to(guest_mac(0), kOutside));
  send(0, out);
  EXPECT_THAT(rig.wire().sent, ElementsAre(out));

  const auto in = client::make_frame(from_to(kOutside, guest_mac(0)));
  arrive(in);
  const auto received = receive(0);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, in);
  EXPECT_EQ(received->header.flags, virtio::kHeaderDataValid) << "the device has verified the checksum";
  EXPECT_FALSE(receive(1));
  EXPECT_EQ(traffic(0).sent_frames, 1u);
  EXPECT_EQ(traffic(0).received_frames, 1u);
  EXPECT_EQ(mux.arrival_drops().total(), 0u);
}

TEST_F(HostTest, TheDevicesWordOnChecksumsIsNotImproved) {
  start(1);
  auto wrong = client::make_frame(from_to(kOutside, guest_mac(0)));
  wrong.back() ^= std::byte{1};
  arrive(wrong);
  const auto received = receive(0);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->header.flags, 0) << "the guest finds out itself";
}

TEST_F(HostTest, MissingChecksumsAreTheDevices) {
  start(1);
  for (const bool ipv6 : {false, true})
    for (const auto carries : {client::Carries::tcp, client::Carries::udp})
      for (const std::size_t payload : {18u, 600u, 1400u}) {
        auto spec = from_to(guest_mac(0), kOutside);
        spec.ipv6 = ipv6;
        spec.carries = carries;
        spec.payload = payload;
        rig.wire().sent.clear();
        send(0, unfinished(spec));
        EXPECT_THAT(rig.wire().sent, ElementsAre(client::make_frame(spec)));
      }
}

TEST_F(HostTest, LongSegmentsAreCutByTheDevice) {
  start(1);
  for (const bool ipv6 : {false, true}) {
    auto spec = from_to(guest_mac(0), kOutside);
    spec.ipv6 = ipv6;
    spec.carries = client::Carries::tcp;
    spec.payload = 60'000;
    const auto at = client::layout_of(spec);
    const auto made = unfinished(spec, 1400);
    rig.wire().sent.clear();
    send(0, made);
    ASSERT_EQ(rig.wire().sent.size(), 43u);
    std::vector<std::byte> payload;
    for (const auto& frame : rig.wire().sent) {
      EXPECT_TRUE(client::checksums_hold(frame));
      EXPECT_LE(frame.size(), at.payload + 1400);
      payload.insert(payload.end(), frame.begin() + static_cast<std::ptrdiff_t>(at.payload), frame.end());
    }
    EXPECT_TRUE(std::ranges::equal(payload, ConstBytes(made.frame).subspan(at.payload)));
  }
  EXPECT_EQ(uplink.traffic().sent_frames, 2u);
  EXPECT_EQ(uplink.traffic().sent_segments, 86u);
}

TEST_F(HostTest, FramesBetweenGuestsNeverLeaveTheHost) {
  start(3);
  auto spec = from_to(guest_mac(0), guest_mac(1));
  spec.carries = client::Carries::tcp;
  spec.payload = 30'000;
  const auto made = unfinished(spec, 1400);
  send(0, made);
  const auto received = receive(1);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, made.frame) << "as it was sent: nothing needs to be done";
  EXPECT_EQ(received->header.gso_size, 1400);
  EXPECT_FALSE(receive(2));
  EXPECT_THAT(rig.wire().sent, IsEmpty());
  EXPECT_EQ(uplink.traffic().sent_frames, 0u);
}

TEST_F(HostTest, GroupsReachEverybodyOnce) {
  start(3);
  for (const MacAddress group :
       {MacAddress{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}}, MacAddress{{0x01, 0x00, 0x5E, 0x01, 0x02, 0x03}}}) {
    rig.wire().sent.clear();
    const auto frame = client::make_frame(from_to(guest_mac(0), group));
    send(0, frame);
    EXPECT_THAT(rig.wire().sent, ElementsAre(frame));
    EXPECT_FALSE(receive(0));
    for (const unsigned other : {1u, 2u}) {
      EXPECT_EQ(receive(other)->bytes, frame);
      EXPECT_FALSE(receive(other));
    }
    const auto arriving = client::make_frame(from_to(kOutside, group));
    arrive(arriving);
    for (const unsigned guest : {0u, 1u, 2u}) {
      EXPECT_EQ(receive(guest)->bytes, arriving);
      EXPECT_FALSE(receive(guest));
    }
  }
}

TEST_F(HostTest, UnknownAddressesGoOutsideAndNowhereElse) {
  start(2);
  send(0, client::make_frame(from_to(guest_mac(0), MacAddress{{2, 2, 2, 2, 2, 2}})));
  EXPECT_EQ(rig.wire().sent.size(), 1u);
  EXPECT_FALSE(receive(1));
}

TEST_F(HostTest, GuestsAndFunctionsReachOneAnother) {
  start(1);
  ASSERT_TRUE(rig.driver(1).probe());
  ASSERT_TRUE(rig.driver(1).open());
  const MacAddress function = client::PfResponder::mac_of(1);
  auto spec = from_to(guest_mac(0), function);
  send(0, unfinished(spec));
  const auto received = rig.driver(1).rx().receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, client::make_frame(spec));
  const auto back = client::make_frame(from_to(function, guest_mac(0)));
  ASSERT_TRUE(rig.driver(1).tx().send(back));
  rig.settle();
  turn(2);
  EXPECT_EQ(receive(0)->bytes, back);
  EXPECT_THAT(rig.wire().sent, IsEmpty());
}

TEST_F(HostTest, VlansAreSeparateAndGuestsSeeNoTags) {
  add_guest({.vlan = 100});
  add_guest({.vlan = 100});
  add_guest({.vlan = 200});
  add_guest();
  add_guest({.mac = guest_mac(0), .vlan = 300});  // the same address elsewhere
  ASSERT_TRUE(uplink.start(stations));

  auto spec = from_to(guest_mac(0), kOutside);
  const auto plain = client::make_frame(spec);
  send(0, plain);
  spec.vlan = 100;
  const auto tagged = client::make_frame(spec);
  EXPECT_THAT(rig.wire().sent, ElementsAre(tagged));

  spec = from_to(kOutside, guest_mac(0));
  const auto expected = client::make_frame(spec);
  spec.vlan = 100;
  arrive(client::make_frame(spec));
  ASSERT_EQ(receive(0)->bytes, expected);
  EXPECT_FALSE(receive(4));
  spec.vlan = 300;
  arrive(client::make_frame(spec));
  EXPECT_FALSE(receive(0));
  EXPECT_EQ(receive(4)->bytes, expected);
  spec.vlan = 200;
  arrive(client::make_frame(spec));
  EXPECT_FALSE(receive(0));
  EXPECT_EQ(mux.arrival_drops()[ArrivalDrop::no_guest], 1u);

  send(0, client::make_frame(from_to(guest_mac(0), {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}})));
  EXPECT_TRUE(receive(1));
  for (const unsigned other : {2u, 3u, 4u}) EXPECT_FALSE(receive(other));
  rig.wire().sent.clear();
  send(0, client::make_frame(from_to(guest_mac(0), guest_mac(2))));
  EXPECT_FALSE(receive(2)) << "another VLAN is reached by way of a router, if at all";
  EXPECT_EQ(rig.nic().drops(0)[nic::VfDrop::tx_no_destination], 1u) << "no filter of the device has a VLAN";
}

TEST_F(HostTest, GuestsComeAndGoUnderTraffic) {
  start(3);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(guests[0]->vm->send(client::make_frame(from_to(guest_mac(0), guest_mac(1)))));
      ASSERT_TRUE(guests[2]->vm->send(client::make_frame(from_to(guest_mac(2), guest_mac(1)))));
      rig.wire().arriving.push_back(client::make_frame(from_to(kOutside, guest_mac(1))));
      if (i == 10) guests[1]->vm->front_end.close();
      turn();
    }
    EXPECT_FALSE(guests[1]->port->up());
    EXPECT_GT(traffic(1).receive_drops[ReceiveDrop::not_connected], 0u);
    expect_uplink_works(0);
    boot(1);
    arrive(client::make_frame(from_to(kOutside, guest_mac(1))));
    EXPECT_TRUE(receive(1));
  }
  // For good: its address is nobody's, and anybody's.
  guests[1]->served.reset();
  mux.detach(*guests[1]->port);
  EXPECT_EQ(mux.guests(), 2u);
  stations.erase(stations.begin() + 1);
  ASSERT_TRUE(uplink.set_stations(stations));
  rig.wire().sent.clear();
  send(0, client::make_frame(from_to(guest_mac(0), guest_mac(1))));
  EXPECT_EQ(rig.wire().sent.size(), 1u);
  EXPECT_TRUE(mux.attach({.mac = guest_mac(1)}));
}

TEST_F(HostTest, AFunctionThatIsResetIsStartedAgain) {
  start(1);
  rig.software().bring_up();
  client::enable_function(rig.function(0));
  rig.settle();
  send(0, client::make_frame(from_to(guest_mac(0), kOutside)));
  for (int i = 0; i < 3 && uplink.check(); ++i) turn();
  EXPECT_FALSE(uplink.up());
  send(0, client::make_frame(from_to(guest_mac(0), kOutside)));
  EXPECT_GT(traffic(0).send_drops[SendDrop::uplink_down], 0u);
  ASSERT_TRUE(uplink.start(stations));
  expect_uplink_works(0);
  EXPECT_TRUE(*uplink.check());
}

TEST_F(HostTest, RefusesPortsThatCannotBe) {
  start(1);
  EXPECT_EQ(mux.attach({}).error(), AttachError::bad_address);
  EXPECT_EQ(mux.attach({.mac = {{1, 0, 0, 0, 0, 1}}}).error(), AttachError::bad_address);
  EXPECT_EQ(mux.attach({.mac = guest_mac(9), .vlan = 4095}).error(), AttachError::bad_vlan);
  EXPECT_EQ(mux.attach({.mac = guest_mac(0)}).error(), AttachError::address_taken);
  for (unsigned i = 1; i < kMaxGuests; ++i) EXPECT_TRUE(mux.attach({.mac = guest_mac(i)}));
  EXPECT_EQ(mux.attach({.mac = guest_mac(100)}).error(), AttachError::too_many_guests);
}

TEST_F(HostTest, AllocatesNothingForAFrame) {
  start(2);
  const auto out = client::make_frame(from_to(guest_mac(0), kOutside));
  const auto local = client::make_frame(from_to(guest_mac(0), guest_mac(1)));
  const auto in = client::make_frame(from_to(kOutside, guest_mac(1)));
  rig.wire().discard = true;
  for (int i = 0; i < 20; ++i) {
    for (const auto& frame : {out, local}) ASSERT_TRUE(guests[0]->vm->send(frame));
    rig.wire().arriving.push_back(in);
    rig.settle();
    const std::size_t before = fakes::allocations;
    loop.run_once(Duration::zero());
    while (mux.poll()) {
    }
    EXPECT_EQ(fakes::allocations, before);
    rig.settle();
    while (receive(1)) {
    }
  }
  EXPECT_EQ(traffic(1).received_frames, 40u);
}

}  // namespace
}  // namespace ladon::para
