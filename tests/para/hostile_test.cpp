// Guests that lie: about who they are, and about what is to be done with their frames. The function is
// everybody's, so none of it may reach the device as a violation.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "fixture.h"

namespace ladon::para {
namespace {

using testing::IsEmpty;

TEST_F(HostTest, AGuestCannotSpeakForAnother) {
  start(2);
  for (const MacAddress& source : {guest_mac(1), kOutside, MacAddress{}, rig.driver(0).mac()}) {
    send(0, client::make_frame(from_to(source, kOutside)));
    send(0, client::make_frame(from_to(source, guest_mac(1))));
  }
  EXPECT_EQ(traffic(0).send_drops[SendDrop::spoofed_source], 8u);
  EXPECT_THAT(rig.wire().sent, IsEmpty());
  EXPECT_FALSE(receive(1));
}

TEST_F(HostTest, AGuestChoosesNoVlanAndPausesNobody) {
  start(2);
  for (const unsigned type : {0x8100u, 0x88A8u, 0x9100u}) {
    auto spec = from_to(guest_mac(0), guest_mac(1));
    spec.vlan = 5;
    auto frame = client::make_frame(spec);
    store_be(&frame[12], static_cast<std::uint16_t>(type));
    send(0, frame);
  }
  EXPECT_EQ(traffic(0).send_drops[SendDrop::tagged], 3u);
  send(0, client::make_frame(from_to(guest_mac(0), {{0x01, 0x80, 0xC2, 0, 0, 1}})));
  EXPECT_EQ(traffic(0).send_drops[SendDrop::reserved_address], 1u);
  send(0, client::make_frame(from_to(guest_mac(0), guest_mac(0))));
  EXPECT_EQ(traffic(0).send_drops[SendDrop::to_itself], 1u);
  EXPECT_THAT(rig.wire().sent, IsEmpty());
  EXPECT_FALSE(receive(1));
  expect_uplink_works(0);
}

TEST_F(HostTest, NobodyOutsideSpeaksForAGuest) {
  start(2);
  arrive(client::make_frame(from_to(guest_mac(0), guest_mac(1))));
  arrive(client::make_frame(from_to(guest_mac(0), {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}})));
  EXPECT_EQ(mux.arrival_drops()[ArrivalDrop::reflected], 2u);
  EXPECT_FALSE(receive(0));
  EXPECT_FALSE(receive(1));
}

TEST_F(HostTest, WhatADeviceTakesForAnAttackDoesNotReachIt) {
  start(1);
  auto spec = from_to(guest_mac(0), kOutside);
  spec.carries = client::Carries::tcp;
  spec.payload = 20'000;
  const auto refused = [&](SendDrop reason, const Unfinished& made) {
    const auto before = traffic(0).send_drops[reason];
    send(0, made);
    EXPECT_EQ(traffic(0).send_drops[reason], before + 1) << name(reason);
  };
  refused(SendDrop::segments_too_short, unfinished(spec, 1));
  refused(SendDrop::segments_too_short, unfinished(spec, kShortestSegment - 1));
  refused(SendDrop::too_long_for_wire, unfinished(spec, 1461));
  refused(SendDrop::too_long_for_wire, unfinished(spec, 20'000));
  refused(SendDrop::too_long_for_wire, {client::make_frame(spec), {}});
  auto wrong = unfinished(spec, 1400);
  wrong.frame[14] = std::byte{0x46};  // an IPv4 header longer than it is
  refused(SendDrop::segmentation_unsupported, wrong);
  wrong.frame[14] = std::byte{0x65};
  refused(SendDrop::segmentation_unsupported, wrong);
  wrong = unfinished(spec, 1400);
  wrong.header.gso_type = virtio::kGsoTcp6;
  refused(SendDrop::segmentation_unsupported, wrong);

  spec.payload = 1000;
  wrong = unfinished(spec);
  for (const unsigned offset : {0u, 4u, 15u, 17u, 60u}) {
    wrong.header.checksum_offset = static_cast<std::uint16_t>(offset);
    refused(SendDrop::checksum_unsupported, wrong);
  }
  wrong = unfinished(spec);
  wrong.header.checksum_start = 20;  // within the IP header
  refused(SendDrop::checksum_unsupported, wrong);
  wrong = unfinished(spec);
  store_be(&wrong.frame[12], std::uint16_t{0x0806});
  refused(SendDrop::checksum_unsupported, wrong);
  EXPECT_THAT(rig.wire().sent, IsEmpty());
  expect_uplink_works(0);
  send(0, unfinished(spec));
  EXPECT_THAT(rig.wire().sent, testing::Contains(client::make_frame(spec)));
}

TEST_F(HostTest, AFrameToAGroupIsOneThatTheWireCouldCarry) {
  start(3);
  const MacAddress everybody{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
  auto spec = from_to(guest_mac(0), everybody);
  spec.carries = client::Carries::tcp;
  spec.payload = 20'000;
  send(0, unfinished(spec, 1400));
  EXPECT_EQ(traffic(0).send_drops[SendDrop::segmentation_unsupported], 1u);
  send(0, client::make_frame(spec));
  EXPECT_EQ(traffic(0).send_drops[SendDrop::too_long_for_wire], 1u);
  EXPECT_FALSE(receive(1));
  EXPECT_EQ(traffic(0).sent_frames, 0u);
}

// Any frame with any virtio header.
class Storm : public HostTest {
 public:
  using HostTest::traffic;
  void TestBody() override {}
  explicit Storm(const HostSetup& from = {}) : HostTest(from) { start(2); }

  void throw_one() {
    auto spec = from_to(guest_mac(0), *rc::gen::arbitrary<bool>() ? kOutside : guest_mac(1));
    spec.ipv6 = *rc::gen::arbitrary<bool>();
    spec.carries = *rc::gen::element(client::Carries::tcp, client::Carries::udp);
    spec.ip_options = *rc::gen::element<std::size_t>(0, 8, 40);
    spec.tcp_options = *rc::gen::element<std::size_t>(0, 12, 40);
    spec.payload = *rc::gen::weightedOneOf<std::size_t>(
        {{3, rc::gen::inRange<std::size_t>(0, 1500)}, {1, rc::gen::inRange<std::size_t>(0, 65'300)}});
    Unfinished made = unfinished(spec, *rc::gen::element<std::uint16_t>(0, 0, 1, 63, 64, 500, 1400, 9000));
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i)
      made.frame[*rc::gen::inRange<std::size_t>(12, 40)] = std::byte(*rc::gen::arbitrary<std::uint8_t>());
    if (*rc::gen::inRange(0, 4) == 0) made.header.checksum_start = *rc::gen::inRange<std::uint16_t>(0, 300);
    if (*rc::gen::inRange(0, 4) == 0) made.header.checksum_offset = *rc::gen::inRange<std::uint16_t>(0, 70);
    if (*rc::gen::inRange(0, 6) == 0) made.header.flags = *rc::gen::arbitrary<std::uint8_t>();
    if (*rc::gen::inRange(0, 6) == 0) made.header.gso_type = *rc::gen::inRange<std::uint8_t>(0, 6);
    if (made.frame.size() > 65'000) made.frame.resize(65'000);
    offered_ += guests[0]->vm->send(made.frame, made.header) ? 1 : 0;
    turn(2);
    while (receive(1)) {
    }
  }
  void check() {
    RC_ASSERT(rig.nic().faults(0).total() == 0u);
    const auto& backend = guests[0]->served->backend();
    RC_ASSERT(traffic(0).sent_frames + traffic(0).send_drops.total() + backend.traffic().drops.total() ==
              offered_);
    RC_ASSERT(traffic(0).sent_frames ==
              uplink.traffic().sent_frames + traffic(1).received_frames + traffic(1).receive_drops.total());
    RC_ASSERT(backend.flaws().total() == 0u);
    for (const auto& frame : rig.wire().sent) RC_ASSERT(frame.size() <= setup.uplink.wire.longest_frame);
    rig.wire().sent.clear();
    const auto frame = client::make_frame(from_to(guest_mac(1), kOutside));
    RC_ASSERT(guests[1]->vm->send(frame));
    turn(3);
    RC_ASSERT(rig.wire().sent.size() == 1u);
    RC_ASSERT(rig.wire().sent[0] == frame);
  }

 private:
  std::uint64_t offered_ = 0;
};

RC_GTEST_PROP(Hostile, NoFrameStopsTheSharedFunction, ()) {
  Storm storm;
  for (int i = *rc::gen::inRange(1, 40); i > 0; --i) storm.throw_one();
  storm.check();
}

}  // namespace
}  // namespace ladon::para
