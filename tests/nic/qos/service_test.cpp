// Service levels on a whole device: what is refused, what waits, and that nobody else notices.
#include <gmock/gmock.h>

#include <random>

#include "fakes/count_allocations.h"
#include "nic/station.h"

namespace ladon::nic::testing {
namespace {

using qos::LevelError;
using std::chrono::milliseconds;
using std::chrono::seconds;
namespace reg = spec::ixgbevf;

constexpr std::uint64_t kMegabit = 1'000'000, kGigabit = 1000 * kMegabit;

class Service : public Station {
 protected:
  explicit Service(std::uint16_t functions = 3) : Station({.vfs = functions}) {}
  explicit Service(const RigOptions& options) : Station(options) {}
  qos::ServiceLevel level(std::uint16_t vf) { return rig.nic().level(vf); }
  template <class Change>
  void change(std::uint16_t vf, Change change) {
    qos::ServiceLevel wanted = level(vf);
    change(wanted);
    const auto refusal = rig.nic().set_level(vf, wanted);
    ASSERT_FALSE(refusal) << qos::name(refusal->error);
  }
  std::uint64_t drops(std::uint16_t vf, VfDrop reason) { return rig.nic().drops(vf)[reason]; }
  static client::Frame frame(std::uint16_t from, std::uint16_t to, std::size_t bytes) {
    client::FrameSpec spec = from_to(from, to);
    spec.payload = bytes - client::layout_of(spec).payload;
    return client::make_frame(spec);
  }
  void from_wire(std::uint16_t to, std::size_t bytes, int count = 1) {
    client::FrameSpec spec = from_to(60, to);
    spec.payload = bytes - client::layout_of(spec).payload;
    for (int i = 0; i < count; ++i) rig.wire().arriving.push_back(client::make_frame(spec));
    rig.settle();
  }
  // Frames that have arrived, read and given back.
  std::size_t read_all(std::uint16_t vf) {
    std::size_t count = 0;
    while (receive(vf)) ++count;
    return count;
  }
};

TEST_F(Service, ReceiveAboveTheRateIsRefusedBeforeAnyDma) {
  change(0, [](auto& level) { level.receive = {.most = 8 * kMegabit, .burst = 10'000}; });
  from_wire(0, 1000, 20);
  EXPECT_EQ(read_all(0), 10u);
  EXPECT_EQ(drops(0, VfDrop::rx_over_rate), 10u);
  EXPECT_EQ(drops(0, VfDrop::rx_no_memory), 0u);
  // The tables would refuse any access now: there is none.
  rig.port(0).revoke(true);
  from_wire(0, 1000, 20);
  EXPECT_EQ(drops(0, VfDrop::rx_over_rate), 30u);
  EXPECT_EQ(rig.nic().faults(0).total(), 0u);
  rig.port(0).revoke(false);
  rig.clock().advance(milliseconds(5));  // 5000 bytes' worth
  from_wire(0, 1000, 20);
  EXPECT_EQ(read_all(0), 5u);
}

TEST_F(Service, PacketsAndCostAreMeteredToo) {
  change(0, [](auto& level) { level.receive_packets = {.most = 1000, .burst = 3}; });
  change(1, [](auto& level) { level.receive_cost = {.most = 1000, .burst = 2000}; });
  from_wire(0, 64, 5);
  EXPECT_EQ(read_all(0), 3u);
  EXPECT_EQ(drops(0, VfDrop::rx_over_packet_rate), 2u);
  // 8 + 8 and 63 lines of 16 bytes, moved and summed: 142 a frame.
  from_wire(1, 1000, 20);
  EXPECT_EQ(read_all(1), 2000u / 142);
  EXPECT_EQ(drops(1, VfDrop::rx_over_cost), 20 - 2000u / 142);
}

TEST_F(Service, FramesBetweenFunctionsAreMeteredAsWell) {
  change(1, [](auto& level) { level.receive = {.most = 8 * kMegabit, .burst = 9728}; });
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(send(0, frame(0, 1, 1000)));
  EXPECT_EQ(read_all(1), 9u);
  EXPECT_EQ(drops(1, VfDrop::rx_over_rate), 3u);
  EXPECT_TRUE(passes(0, 2));
}

// Each copy of a broadcast is charged to whom it is for.
TEST_F(Service, BroadcastsAreChargedToTheirReceivers) {
  change(1, [](auto& level) { level.receive_packets = {.most = 1, .burst = 2}; });
  client::FrameSpec spec = from_to(0, 1);
  spec.destination = MacAddress{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(send(0, client::make_frame(spec)));
  EXPECT_EQ(read_all(1), 2u);
  EXPECT_EQ(read_all(2), 5u);
  EXPECT_EQ(drops(1, VfDrop::rx_over_packet_rate), 3u);
  EXPECT_EQ(drops(2, VfDrop::rx_over_packet_rate), 0u);
}

TEST_F(Service, ALevelThatCannotBeMetChangesNothing) {
  const qos::ServiceLevel before = level(0);
  qos::ServiceLevel wanted = before;
  wanted.receive = {.most = kMegabit, .burst = 100};
  EXPECT_EQ(rig.nic().set_level(0, wanted)->error, LevelError::burst_below_frame);
  wanted.receive = {};
  wanted.transmit.guaranteed = 6 * kGigabit;
  EXPECT_FALSE(rig.nic().set_level(0, wanted));
  EXPECT_EQ(rig.nic().set_level(1, wanted)->error, LevelError::transmit_rate_short);
  EXPECT_EQ(rig.nic().set_level(1, wanted)->left, 4 * kGigabit);
  EXPECT_EQ(level(1).transmit, qos::RateRange{});
  wanted.transmit.guaranteed = 4 * kGigabit;
  EXPECT_FALSE(rig.nic().set_level(1, wanted));
  EXPECT_FALSE(rig.nic().set_capacity({.transmit = 9 * kGigabit}));
  EXPECT_TRUE(rig.nic().set_capacity({.transmit = 10 * kGigabit}));
  wanted.memory = {.guaranteed = 1 << 30, .most = 1 << 30};
  EXPECT_EQ(rig.nic().set_level(1, wanted)->error, LevelError::memory_short);
}

TEST_F(Service, AScrubTakesTheLevelWithItButNotThePartition) {
  change(0, [](auto& level) { level.receive = {.most = kMegabit}; });
  const auto memory = level(0).memory;
  pf_write(vf_register(0, spec::pf::kVfControl), spec::pf::kVfScrub);
  EXPECT_EQ(level(0), (qos::ServiceLevel{.memory = memory}));
  // A guest's own reset does not.
  change(1, [](auto& level) { level.receive = {.most = kMegabit}; });
  vf_write(1, reg::kControl, reg::kControlReset);
  EXPECT_EQ(level(1).receive.most, kMegabit);
}

TEST_F(Service, TransmitIsHeldToItsMaximum) {
  change(0, [](auto& level) { level.transmit = {.most = 80 * kMegabit, .burst = 10'000}; });
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(send(0, frame(0, 1, 1000)));
  EXPECT_EQ(read_all(1), 10u);
  // They are not lost: they wait in the ring, and the device says when to look again: once to learn how long
  // the next frame is, and once to send it.
  const Instant start = rig.clock().now();
  std::size_t sent = 0;
  for (int looks = 0; looks < 2; ++looks) {
    const auto deadline = rig.nic().next_deadline();
    ASSERT_TRUE(deadline);
    EXPECT_FALSE(rig.nic().has_work());
    rig.clock().set(*deadline);
    EXPECT_TRUE(rig.nic().has_work());
    rig.settle();
    sent += read_all(1);
  }
  EXPECT_EQ(sent, 1u);
  EXPECT_GE(rig.clock().now(), start + std::chrono::microseconds(100));
  EXPECT_LE(rig.clock().now(), start + std::chrono::microseconds(103));
  rig.clock().advance(milliseconds(1));
  rig.settle();
  EXPECT_EQ(read_all(1), 10u);
  EXPECT_TRUE(passes(2, 1));
  // Without the limit the rest goes at once.
  change(0, [](auto& level) { level.transmit = {}; });
  rig.settle();
  EXPECT_EQ(read_all(1), 9u);
  EXPECT_EQ(rig.nic().drops(0).total(), 0u);
}

// A segmented packet is cut wherever its turn ends.
TEST_F(Service, SegmentsWaitOneByOne) {
  change(0, [](auto& level) { level.transmit = {.most = 80 * kMegabit, .burst = 9728}; });
  client::FrameSpec spec = from_to(0, 1);
  spec.carries = client::Carries::tcp;
  spec.transport_checksum = false;
  spec.payload = 20'000;
  client::TxOffload offload;
  offload.ip_checksum = offload.l4_checksum = offload.segment = true;
  offload.transport_length = 20;
  offload.segment_size = 1000;
  ASSERT_TRUE(send(0, client::make_frame(spec), offload));
  const std::size_t first = read_all(1);
  EXPECT_GT(first, 5u);
  EXPECT_LT(first, 10u);
  for (int i = 0; i < 20; ++i) {
    rig.clock().advance(milliseconds(1));
    rig.settle();
  }
  EXPECT_EQ(first + read_all(1), 20u);
}

// A packet that is being cut holds its context, and gives it back.
TEST_F(Service, SegmentationNeedsAContextInThePartition) {
  change(0, [](auto& level) { level.memory = {.guaranteed = 9800, .most = 9800}; });
  EXPECT_EQ(rig.nic().packet_memory().size(0).most / 16 / 512, 1u);
  client::FrameSpec spec = from_to(0, 1);
  spec.carries = client::Carries::tcp;
  spec.transport_checksum = false;
  spec.payload = 5000;
  client::TxOffload offload;
  offload.ip_checksum = offload.l4_checksum = offload.segment = true;
  offload.transport_length = 20;
  offload.segment_size = 1000;
  ASSERT_TRUE(send(0, client::make_frame(spec), offload));
  EXPECT_EQ(read_all(1), 5u);
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
}

// The device's own limit is shared by weight, and what is promised is kept.
class Shares : public Service {
 protected:
  Shares() : Service(4) {}
  // Everybody sends to function 3 without a pause while `time` passes in steps of 20 us; bits a second each
  // got.
  std::vector<double> flood(Duration time, std::size_t bytes = 1000) {
    std::vector<double> bits(3);
    const Instant start = rig.clock().now();
    while (rig.clock().now() < start + time) {
      for (std::uint16_t vf = 0; vf < 3; ++vf) {
        rig.driver(vf).tx().reclaim();
        while (rig.driver(vf).tx().send(frame(vf, 3, bytes))) {
        }
      }
      rig.settle();
      while (const auto got = receive(3))
        bits[std::to_integer<unsigned>(got->bytes[11])] += 8.0 * static_cast<double>(got->bytes.size());
      rig.clock().advance(std::chrono::microseconds(20));
    }
    for (double& each : bits) each /= std::chrono::duration<double>(time).count();
    return bits;
  }
};

TEST_F(Shares, CapacityIsSharedByWeight) {
  ASSERT_TRUE(rig.nic().set_capacity({.transmit = kGigabit}));
  change(1, [](auto& level) { level.transmit_turns.weight = 3; });
  const auto bits = flood(milliseconds(400));
  EXPECT_NEAR(bits[0] / kGigabit, 0.2, 0.004);
  EXPECT_NEAR(bits[1] / kGigabit, 0.6, 0.006);
  EXPECT_NEAR((bits[0] + bits[1] + bits[2]) / kGigabit, 1.0, 0.01);
}

TEST_F(Shares, AGuaranteeIsHeldAgainstAFloodOfHigherPriority) {
  ASSERT_TRUE(rig.nic().set_capacity({.transmit = kGigabit}));
  change(0, [](auto& level) { level.transmit = {.guaranteed = 300 * kMegabit}; });
  change(1, [](auto& level) { level.transmit_turns.priority = 7; });
  const auto bits = flood(milliseconds(400));
  EXPECT_GE(bits[0], 0.99 * 300 * kMegabit);
  EXPECT_GT(bits[1], 0.65 * kGigabit);
  EXPECT_GT(bits[2], 0.0);
}

TEST_F(Shares, ReceivedFramesWaitInThePartitionForTheirTurn) {
  ASSERT_TRUE(rig.nic().set_capacity({.receive = 100 * kMegabit}));
  change(0, [](auto& level) { level.memory = {.guaranteed = 100'000, .most = 100'000}; });
  // More than the device takes on at once (its burst: 38,912 bytes), and more than the partition holds.
  from_wire(0, 1000, 200);
  const std::size_t at_once = read_all(0);
  EXPECT_EQ(at_once, 38u);
  EXPECT_NEAR(static_cast<double>(drops(0, VfDrop::rx_no_memory)), 200 - 100 - 38, 2);
  EXPECT_LE(rig.nic().packet_memory().held(0), 100'000u);
  rig.clock().advance(milliseconds(1));  // 12,500 bytes
  rig.settle();
  EXPECT_THAT(read_all(0), ::testing::AllOf(::testing::Ge(12u), ::testing::Le(13u)));
  for (int i = 0; i < 20; ++i) {
    rig.clock().advance(milliseconds(1));
    rig.settle();
    (void)read_all(0);
  }
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
  EXPECT_EQ(rig.nic().statistics(0).received_packets + drops(0, VfDrop::rx_no_memory), 200u);
}

// A partition that shrinks and a limit that is lifted lose nothing that was accepted.
TEST_F(Shares, NothingAcceptedIsLostByAChange) {
  ASSERT_TRUE(rig.nic().set_capacity({.receive = 100 * kMegabit}));
  from_wire(0, 1000, 100);
  std::size_t got = read_all(0);
  const std::uint64_t held = rig.nic().packet_memory().held(0);
  EXPECT_EQ(held, 1000 * (100 - got));
  change(0, [](auto& level) { level.memory = {.guaranteed = 20'000, .most = 20'000}; });
  EXPECT_EQ(rig.nic().packet_memory().held(0), held);
  EXPECT_EQ(rig.nic().packet_memory().pending(0), held - 20'000);
  rig.clock().advance(milliseconds(1));
  rig.settle();
  got += read_all(0);
  ASSERT_TRUE(rig.nic().set_capacity({}));
  rig.settle();
  got += read_all(0);
  EXPECT_EQ(got, 100u);
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
  EXPECT_TRUE(passes(1, 0));
}

TEST_F(Shares, TheReceiveLimitIsSharedByGuaranteeAndWeight) {
  ASSERT_TRUE(rig.nic().set_capacity({.receive = 200 * kMegabit}));
  change(0, [](auto& level) { level.receive.guaranteed = 100 * kMegabit; });
  change(1, [](auto& level) { level.receive_turns.weight = 3; });
  std::vector<double> bits(3);
  const int steps = 400;
  for (int step = 0; step < steps; ++step) {
    for (std::uint16_t vf = 0; vf < 3; ++vf) from_wire(vf, 1000, 20);  // 160 Mb/s each
    for (std::uint16_t vf = 0; vf < 3; ++vf) bits[vf] += 8000.0 * static_cast<double>(read_all(vf));
    rig.clock().advance(milliseconds(1));
  }
  for (double& each : bits) each /= steps / 1000.0;
  EXPECT_GE(bits[0], 0.99 * 100 * kMegabit);
  EXPECT_NEAR((bits[0] + bits[1] + bits[2]) / (200 * kMegabit), 1.0, 0.01);
  EXPECT_GT(bits[1], 2 * bits[2]);
}

// A small pool, all of it guaranteed, of which function 0 lends nearly all.
class Lending : public Service {
 protected:
  Lending() : Service(RigOptions{.vfs = 3, .nic = {.vfs = 4, .packet_memory_bytes = 400'000}}) {}
  void SetUp() override {
    Service::SetUp();
    ASSERT_TRUE(rig.nic().set_capacity({.receive = 100 * kMegabit}));
    change(0, [](auto& level) { level.memory = {100'000, 100'000, 90'000}; });
    change(1, [](auto& level) { level.memory.most = 190'000; });
    // What the device takes on at once (its burst: 38,912 bytes) does not stay in memory.
    from_wire(2, 1000, 38);
    ASSERT_EQ(read_all(2), 38u);
    from_wire(1, 1000, 200);
    ASSERT_EQ(memory().held(1), 190'000u);
    ASSERT_EQ(drops(1, VfDrop::rx_no_memory), 10u);
  }
  const qos::Partitions& memory() { return rig.nic().packet_memory(); }
  // Lets the device move frames for that long, in steps; what function 1 got.
  std::size_t pass(Duration time) {
    std::size_t got = 0;
    for (const Instant end = rig.clock().now() + time; rig.clock().now() < end;) {
      rig.clock().advance(std::chrono::microseconds(100));
      rig.settle();
      got += read_all(1);
      read_all(0);
    }
    return got;
  }
};

TEST_F(Lending, WhatIsLentOfAGuaranteeComesBackWhenItsOwnerNeedsIt) {
  EXPECT_EQ(pf_read(spec::pf::kMemoryLentOfGuarantees), 90'000u);
  EXPECT_EQ(pf_read(vf_register(1, spec::pf::kVfMemoryLent)), 90'000u);
  from_wire(0, 1000, 30);
  // The reserve was there, the rest is on its way, and that is counted.
  EXPECT_EQ(memory().held(0), 10'000u);
  EXPECT_EQ(drops(0, VfDrop::rx_memory_called), 20u);
  EXPECT_EQ(pf_read(vf_register(0, spec::pf::kVfRefusedCalled)), 20u);
  EXPECT_EQ(pf_read(vf_register(0, spec::pf::kVfMemoryCalls)), 1u);
  EXPECT_EQ(pf_read(vf_register(0, spec::pf::kVfMemoryPending)), 90'000u);
  from_wire(2, 1000, 200);
  EXPECT_EQ(memory().held(2), 100'000u) << "a guarantee that is not lent is not touched";
  from_wire(1, 1000, 1);
  EXPECT_EQ(drops(1, VfDrop::rx_no_memory), 11u) << "nothing more is lent";
  // All that is held, at the device's capacity.
  const std::size_t got = pass(std::chrono::microseconds((190 + 10 + 100) * 80));
  EXPECT_EQ(memory().pending(0), 0u);
  EXPECT_EQ(got, 190u) << "what was accepted has arrived";
  EXPECT_EQ(drops(1, VfDrop::rx_no_descriptor), 0u);
  from_wire(0, 1000, 100);
  EXPECT_EQ(drops(0, VfDrop::rx_memory_called), 20u);
  EXPECT_EQ(drops(0, VfDrop::rx_no_memory), 0u);
}

// A borrower that gives no buffers would keep what it has borrowed for ever.
TEST_F(Lending, WhoeverBorrowsCannotKeepItByNotReading) {
  const std::uint32_t control = reg::kRx + reg::kSrrctl;
  vf_write(1, control, vf_read(1, control) & ~reg::kSrrctlDropEnable);
  for (int i = 0; i < 10; ++i) {
    rig.clock().advance(milliseconds(10));
    from_wire(1, 1000, 100);
  }
  ASSERT_EQ(memory().held(1), 190'000u);
  EXPECT_EQ(drops(1, VfDrop::rx_no_descriptor), 0u);
  from_wire(0, 1000, 30);
  EXPECT_EQ(drops(0, VfDrop::rx_memory_called), 20u);
  for (int i = 0; i < 2; ++i) {
    rig.clock().advance(milliseconds(10));
    rig.settle();
  }
  EXPECT_EQ(memory().pending(0), 0u);
  EXPECT_EQ(drops(1, VfDrop::rx_no_descriptor), 90u);
  EXPECT_EQ(memory().held(1), 100'000u) << "its own it keeps";
  from_wire(0, 1000, 100);
  EXPECT_EQ(drops(0, VfDrop::rx_no_memory), 0u);
  EXPECT_EQ(drops(0, VfDrop::rx_memory_called), 20u);
  // A while later it is lent again.
  pass(ServiceLevels::kCallLasts / 2);
  EXPECT_EQ(memory().free(), 0u);
  pass(2 * ServiceLevels::kCallLasts);
  EXPECT_EQ(memory().free(), 90'000u);
}

// Neither metering nor turns nor keeping takes memory from the heap.
TEST_F(Shares, NoFrameAllocates) {
  ASSERT_TRUE(rig.nic().set_capacity({.receive = kGigabit, .transmit = kGigabit}));
  change(0, [](auto& level) { level.transmit = {.guaranteed = kMegabit, .most = 100 * kMegabit}; });
  change(3, [](auto& level) {
    level.receive = {.guaranteed = kMegabit, .most = 500 * kMegabit};
    level.receive_cost = {.most = kGigabit};
  });
  std::size_t allocations = 0;
  for (int step = 0; step < 200; ++step) {
    for (std::uint16_t vf = 0; vf < 3; ++vf) {
      rig.driver(vf).tx().reclaim();
      (void)rig.driver(vf).tx().send(frame(vf, 3, 1000));
    }
    rig.clock().advance(std::chrono::microseconds(20));
    const std::size_t before = fakes::allocations;
    rig.nic().poll();
    allocations += fakes::allocations - before;
    read_all(3);
  }
  EXPECT_GT(rig.nic().statistics(3).received_packets, 300u);
  EXPECT_EQ(allocations, 0u);
}

// Nor does coalescing what a segmented packet becomes.
TEST_F(Service, NoSegmentAllocates) {
  const auto at = vf_register(1, spec::pf::kVfControl);
  pf_write(at, pf_read(at) | spec::pf::kVfCoalesce);
  client::FrameSpec spec = from_to(0, 1);
  spec.carries = client::Carries::tcp;
  spec.transport_checksum = false;
  spec.payload = 20'000;
  client::TxOffload offload;
  offload.ip_checksum = offload.l4_checksum = offload.segment = true;
  offload.transport_length = 20;
  offload.segment_size = 1000;
  client::Frame packet = client::make_frame(spec);
  store_be(packet.data() + client::layout_of(spec).network + 10, std::uint16_t{0});  // as drivers leave it
  ASSERT_TRUE(rig.driver(0).tx().send(packet, offload));
  const std::size_t before = fakes::allocations;
  while (rig.nic().poll()) {
  }
  EXPECT_EQ(fakes::allocations - before, 0u);
  EXPECT_EQ(rig.nic().statistics(1).received_packets, 20u);
  EXPECT_LE(read_all(1), 2u);
}

// Levels change at random while everybody sends: every frame arrives or is counted as dropped, and the
// accounts are empty in the end.
TEST_F(Shares, LevelsMayChangeAtAnyTime) {
  std::minstd_rand random(5);
  const auto pick = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
  std::uint64_t sent = 0, got = 0;
  for (int step = 0; step < 3000; ++step) {
    const auto vf = static_cast<std::uint16_t>(pick(3));
    if (pick(20) == 0) {
      qos::ServiceLevel level;
      if (pick(2) == 0) level.receive = {.guaranteed = pick(50) * kMegabit, .most = 50 * kMegabit};
      if (pick(2) == 0) level.transmit = {.most = (1 + pick(900)) * kMegabit};
      level.transmit_turns = {.priority = static_cast<std::uint8_t>(pick(8)),
                              .weight = static_cast<std::uint16_t>(1 + pick(100))};
      level.memory.guaranteed = 10'000 + pick(100'000);
      level.memory.most = level.memory.guaranteed + pick(100'000);
      if (pick(2) == 0)
        level.memory.lendable = pick(static_cast<std::uint32_t>(level.memory.guaranteed - 9727));
      EXPECT_FALSE(rig.nic().set_level(vf, level));
    }
    if (pick(50) == 0) {
      const Capacity capacity{.receive = pick(2) * kGigabit, .transmit = pick(2) * kGigabit};
      EXPECT_TRUE(rig.nic().set_capacity(capacity));
    }
    rig.driver(vf).tx().reclaim();
    sent += rig.driver(vf).tx().send(frame(vf, 3, 60 + pick(1400))) ? 1 : 0;
    if (pick(3) == 0) rig.settle();
    if (pick(5) == 0) got += read_all(3);
    rig.clock().advance(Duration(pick(20'000)));
  }
  ASSERT_TRUE(rig.nic().set_capacity({}));
  for (std::uint16_t vf = 0; vf < 3; ++vf) change(vf, [](auto& level) { level.transmit = {}; });
  for (int i = 0; i < 10; ++i) {
    rig.settle();
    got += read_all(3);
  }
  EXPECT_EQ(sent, got + rig.nic().drops(3).total());
  EXPECT_GT(got, 2000u);
  for (std::uint16_t vf = 0; vf < 4; ++vf) EXPECT_EQ(rig.nic().packet_memory().held(vf), 0u);
}

TEST_F(Shares, AResetOfTheDeviceEndsItAll) {
  ASSERT_TRUE(rig.nic().set_capacity({.receive = kMegabit, .transmit = kMegabit}));
  change(0, [](auto& level) { level.receive = {.most = kMegabit}; });
  from_wire(0, 1000, 60);
  rig.software().bring_up();
  EXPECT_EQ(level(0), (qos::ServiceLevel{.memory = level(2).memory}));
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
  EXPECT_EQ(rig.nic().next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace ladon::nic::testing
