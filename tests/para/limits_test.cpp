// Rates in both directions, to the byte: the clock is the test's.
#include "fixture.h"

namespace ladon::para {
namespace {

constexpr std::uint64_t kRate = 1'000'000, kBurst = 20'000;  // bytes a second, bytes

class LimitTest : public HostTest {
 protected:
  // A second, in which `flood` has its chance every half millisecond.
  template <class Flood>
  void run_a_second(Flood flood) {
    rig.wire().discard = true;
    for (int i = 0; i < 2000; ++i) {
      flood();
      turn();
      rig.clock().advance(std::chrono::microseconds(500));
    }
  }
  void flood_from(unsigned guest, const client::Frame& frame) {
    guests[guest]->vm->net.reclaim();
    for (int i = 0; i < 8; ++i) static_cast<void>(guests[guest]->vm->send(frame));
  }
  // Within one frame of what rate and burst cover, from the first instant to the last.
  void expect_rate(std::uint64_t bytes, Duration time, std::size_t frame) {
    const std::uint64_t most = kBurst + kRate * static_cast<std::uint64_t>(time.count()) / 1'000'000'000;
    EXPECT_LE(bytes, most);
    EXPECT_GE(bytes + frame, most * 999 / 1000);
  }
};

TEST_F(LimitTest, TransmitWaitsAndLosesNothing) {
  TestPolicer limit(kRate, kBurst, rig.clock().now());
  add_guest({.limits = {.transmit = &limit}});
  ASSERT_TRUE(uplink.start(stations));
  auto spec = from_to(guest_mac(0), kOutside);
  spec.payload = 958;
  const auto frame = client::make_frame(spec);
  run_a_second([&] { flood_from(0, frame); });
  expect_rate(rig.wire().discarded * frame.size(), std::chrono::seconds(1), frame.size());
  EXPECT_EQ(traffic(0).send_drops.total(), 0u);
  EXPECT_GT(traffic(0).waits_for_limit, 0u);
}

TEST_F(LimitTest, TransmitMayDropInstead) {
  TestPolicer limit(kRate, kBurst, rig.clock().now());
  add_guest({.limits = {.transmit = &limit, .over_transmit = OverLimit::drop}});
  ASSERT_TRUE(uplink.start(stations));
  auto spec = from_to(guest_mac(0), kOutside);
  spec.payload = 458;
  const auto frame = client::make_frame(spec);
  run_a_second([&] { flood_from(0, frame); });
  expect_rate(rig.wire().discarded * frame.size(), std::chrono::seconds(1), frame.size());
  EXPECT_EQ(traffic(0).send_drops[SendDrop::over_limit], traffic(0).send_drops.total());
  EXPECT_GT(traffic(0).send_drops.total(), 0u);
  EXPECT_EQ(traffic(0).waits_for_limit, 0u);
}

TEST_F(LimitTest, SegmentsCountAsWhatTheyBecome) {
  TestPolicer limit(kRate, 70'000, rig.clock().now());
  add_guest({.limits = {.transmit = &limit, .over_transmit = OverLimit::drop}});
  ASSERT_TRUE(uplink.start(stations));
  auto spec = from_to(guest_mac(0), kOutside);
  spec.carries = client::Carries::tcp;
  spec.payload = 30'000;
  send(0, unfinished(spec, 64));  // 469 frames with 54 bytes of headers each
  EXPECT_EQ(limit.passed, 30'000u + 469 * 54);
  EXPECT_EQ(rig.wire().sent.size(), 469u);
  std::size_t bytes = 0;
  for (const auto& frame : rig.wire().sent) bytes += frame.size();
  EXPECT_EQ(bytes, limit.passed);
  send(0, unfinished(spec, 64));
  EXPECT_EQ(traffic(0).send_drops[SendDrop::over_limit], 1u) << "not 30000 but 55326 bytes";
}

TEST_F(LimitTest, AFrameAboveTheBurstWaitsNotForEver) {
  TestPolicer limit(kRate, 500, rig.clock().now());
  add_guest({.limits = {.transmit = &limit}});
  ASSERT_TRUE(uplink.start(stations));
  auto spec = from_to(guest_mac(0), kOutside);
  spec.payload = 1000;
  send(0, client::make_frame(spec));
  EXPECT_EQ(traffic(0).send_drops[SendDrop::over_limit], 1u);
  expect_uplink_works(0);
}

TEST_F(LimitTest, ReceiveIsLimitedAfterTheHostHasTheFrame) {
  TestPolicer limit(kRate, kBurst, rig.clock().now());
  add_guest({.limits = {.receive = &limit}});
  add_guest();
  ASSERT_TRUE(uplink.start(stations));
  auto spec = from_to(kOutside, guest_mac(0));
  spec.payload = 958;
  const auto to_limited = client::make_frame(spec);
  spec.destination = guest_mac(1);
  const auto to_free = client::make_frame(spec);
  std::uint64_t bytes = 0, others = 0;
  run_a_second([&] {
    for (int i = 0; i < 4; ++i) rig.wire().arriving.push_back(to_limited);
    rig.wire().arriving.push_back(to_free);
    rig.settle();
    turn();
    while (const auto frame = receive(0)) bytes += frame->bytes.size();
    while (receive(1)) ++others;
  });
  expect_rate(bytes, std::chrono::seconds(1), to_limited.size());
  EXPECT_EQ(others, 2000u) << "the other guest loses nothing";
  EXPECT_EQ(uplink.traffic().received_frames, 10'000u) << "what was refused has cost the host all the same";
  EXPECT_EQ(traffic(0).receive_drops[ReceiveDrop::over_limit], 8000 - traffic(0).received_frames);
}

TEST_F(LimitTest, CopiesForAGroupAreChargedToTheirReceivers) {
  TestPolicer first(kRate, 3000, rig.clock().now()), second(kRate, 100'000, rig.clock().now());
  add_guest();
  add_guest({.limits = {.receive = &first}});
  add_guest({.limits = {.receive = &second}});
  ASSERT_TRUE(uplink.start(stations));
  auto spec = from_to(guest_mac(0), {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}});
  spec.payload = 958;
  for (int i = 0; i < 5; ++i) send(0, client::make_frame(spec));
  EXPECT_EQ(first.frames, 3u);
  EXPECT_EQ(traffic(1).receive_drops[ReceiveDrop::over_limit], 2u);
  EXPECT_EQ(second.frames, 5u);
  EXPECT_EQ(rig.wire().sent.size(), 5u);
}

TEST_F(LimitTest, LimitsChangeWhileFramesWait) {
  TestPolicer slow(1, 2000, rig.clock().now());
  add_guest({.limits = {.transmit = &slow}});
  ASSERT_TRUE(uplink.start(stations));
  auto spec = from_to(guest_mac(0), kOutside);
  spec.payload = 958;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(guests[0]->vm->send(client::make_frame(spec)));
  turn(3);
  EXPECT_EQ(rig.wire().sent.size(), 2u);
  EXPECT_TRUE(mux.next_deadline());
  guests[0]->port->set_limits({});
  turn(3);
  EXPECT_EQ(rig.wire().sent.size(), 5u);
  EXPECT_FALSE(mux.next_deadline());
}

}  // namespace
}  // namespace ladon::para
