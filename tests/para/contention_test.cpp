// Many guests at once, with a device that is slower than they are, or does nothing at all.
#include "fixture.h"

namespace ladon::para {
namespace {

class ContentionTest : public HostTest {
 protected:
  ContentionTest() : HostTest({.tx_size = 64}) {}

  client::Frame frame_of(unsigned guest, std::size_t payload) const {
    auto spec = from_to(guest_mac(guest), kOutside);
    spec.payload = payload;
    return client::make_frame(spec);
  }
  void fill(unsigned guest, const client::Frame& frame) {
    guests[guest]->vm->net.reclaim();
    while (guests[guest]->vm->send(frame)) {
    }
  }
};

TEST_F(ContentionTest, FloodingGuestsShareByBytesAndTheOthersLoseNothing) {
  start(5);
  const std::array<std::size_t, 4> payload{58, 358, 1458, 1458};
  std::vector<client::Frame> frames;
  for (unsigned i = 0; i < 4; ++i) frames.push_back(frame_of(i, payload[i]));
  const auto rare = frame_of(4, 100);
  std::array<std::uint64_t, 5> bytes{};
  device_runs = false;
  unsigned offered = 0;
  for (int step = 0; step < 3000; ++step) {
    for (unsigned i = 0; i < 4; ++i) fill(i, frames[i]);
    if (step % 20 == 0) {
      ASSERT_TRUE(guests[4]->vm->send(rare));
      ++offered;
    }
    turn();
    rig.settle();  // a ring's worth of frames a turn
    // What the first one sent before anybody had to wait is not shared.
    if (step < 10) rig.wire().sent.clear();
    for (const auto& sent : rig.wire().sent) bytes[std::to_integer<unsigned>(sent[11])] += sent.size();
    rig.wire().sent.clear();
  }
  for (unsigned guest = 1; guest < 4; ++guest)
    EXPECT_NEAR(static_cast<double>(bytes[guest]), static_cast<double>(bytes[0]),
                static_cast<double>(setup.mux.quantum) + 2 * 1514)
        << guest;
  EXPECT_GT(bytes[0], 1'000'000u);
  EXPECT_GE(traffic(4).sent_frames + 1, offered);
  for (unsigned guest = 0; guest < 5; ++guest) EXPECT_EQ(traffic(guest).send_drops.total(), 0u);
}

TEST_F(ContentionTest, ADeviceThatIsStuckHoldsNobodyUpForLong) {
  start(2);
  device_runs = false;
  fill(0, frame_of(0, 500));
  turn(5);
  const auto local = client::make_frame(from_to(guest_mac(0), guest_mac(1)));
  guests[0]->vm->net.reclaim();
  ASSERT_TRUE(guests[0]->vm->send(local));
  turn(5);
  EXPECT_FALSE(receive(1)) << "it waits behind frames that the ring has no room for";
  ASSERT_TRUE(mux.next_deadline());
  rig.clock().set(*mux.next_deadline());
  turn(20);
  EXPECT_TRUE(receive(1));
  EXPECT_GT(traffic(0).send_drops[SendDrop::uplink_down], 0u);
  EXPECT_EQ(uplink.traffic().stuck, 1u);
  EXPECT_FALSE(mux.next_deadline());
  device_runs = true;
  turn(3);
  expect_uplink_works(0);

  const auto dropped = traffic(0).send_drops.total();
  device_runs = false;
  fill(0, frame_of(0, 500));
  turn(5);
  EXPECT_EQ(traffic(0).send_drops.total(), dropped) << "a full ring is waited for again";
}

TEST_F(ContentionTest, AFloodFromOutsideForOneGuestFillsNobodyElsesBuffers) {
  start(2);
  const auto flood = client::make_frame(from_to(kOutside, guest_mac(0)));
  const auto other = client::make_frame(from_to(kOutside, guest_mac(1)));
  unsigned received = 0;
  for (int i = 0; i < 200; ++i) {
    for (int j = 0; j < 50; ++j) rig.wire().arriving.push_back(flood);  // which nobody reads
    rig.wire().arriving.push_back(other);
    rig.settle();
    turn(2);
    while (receive(1)) ++received;
  }
  EXPECT_EQ(received, 200u);
  EXPECT_EQ(traffic(0).received_frames, 256u) << "its driver's buffers";
  EXPECT_EQ(traffic(0).receive_drops[ReceiveDrop::no_buffers], 10'000u - 256);
}

TEST_F(ContentionTest, GuestsThatLeaveWhileTheyWaitLeaveTheTurnToTheOthers) {
  start(3);
  device_runs = false;
  for (unsigned guest = 0; guest < 3; ++guest) fill(guest, frame_of(guest, 1000));
  turn(3);
  guests[0]->vm->front_end.close();
  turn(2);
  EXPECT_FALSE(guests[0]->port->up());
  device_runs = true;
  turn(30);
  guests[1]->vm->net.reclaim();
  guests[2]->vm->net.reclaim();
  EXPECT_EQ(guests[1]->vm->net.free_tx_buffers(), 256u);
  EXPECT_EQ(guests[2]->vm->net.free_tx_buffers(), 256u);
  boot(0);
  expect_uplink_works(0);
}

}  // namespace
}  // namespace ladon::para
