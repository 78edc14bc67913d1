#include "port/peer_tcp.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace ladon::port {
namespace {

TcpSegment segment(std::uint32_t sequence, std::uint32_t acknowledged, TcpFlags flags, std::uint32_t data = 0,
                   std::uint16_t port = 40'000) {
  TcpSegment s;
  s.remote = {1};
  s.remote_port = port;
  s.local_port = 5001;
  s.sequence = sequence;
  s.acknowledged = acknowledged;
  s.flags = flags;
  s.data_bytes = data;
  return s;
}
constexpr TcpFlags kSyn{.syn = true}, kAck{.ack = true}, kFin{.fin = true, .ack = true},
    kReset{.reset = true, .ack = true};

// Opens a connection whose first data byte has number `sequence` + 1; our first sequence number after SYN.
std::uint32_t open(TcpSink& sink, std::uint32_t sequence, std::uint16_t port = 40'000) {
  const auto syn_ack = sink.handle(segment(sequence, 0, kSyn, 0, port));
  EXPECT_TRUE(syn_ack && syn_ack->flags.syn && syn_ack->acknowledged == sequence + 1);
  const std::uint32_t ours = syn_ack->sequence + 1;
  EXPECT_FALSE(sink.handle(segment(sequence + 1, ours, kAck, 0, port)));
  return ours;
}

TEST(TcpSink, AnswersALostSynAckAgainTheSameWay) {
  TcpSink sink(1460);
  const auto first = sink.handle(segment(10, 0, kSyn)), again = sink.handle(segment(10, 0, kSyn));
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->sequence, again->sequence);
  EXPECT_EQ(sink.connections(), 1u);
}

TEST(TcpSink, DataAcrossTheEndOfSequenceSpace) {
  TcpSink sink(1460);
  const auto ours = open(sink, 0xFFFF'FFF0);
  EXPECT_FALSE(sink.handle(segment(0xFFFF'FFF1, ours, kAck, 100)));
  const auto ack = sink.next_ack();
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->acknowledged, 85u);
  EXPECT_EQ(sink.bytes(), 100u);
}

TEST(TcpSink, AGapIsAnsweredAtOnceAndEachTime) {
  TcpSink sink(1460);
  const auto ours = open(sink, 0);
  for (int i = 0; i < 3; ++i) {
    const auto duplicate = sink.handle(segment(101, ours, kAck, 100));
    ASSERT_TRUE(duplicate);
    EXPECT_EQ(duplicate->acknowledged, 1u);
  }
  EXPECT_EQ(sink.events()[TcpEvent::out_of_order], 3u);
  EXPECT_EQ(sink.bytes(), 0u);
}

TEST(TcpSink, CountsOverlappingRetransmissionsOnce) {
  TcpSink sink(1460);
  const auto ours = open(sink, 0);
  (void)sink.handle(segment(1, ours, kAck, 100));
  (void)sink.handle(segment(51, ours, kAck, 100));
  EXPECT_EQ(sink.bytes(), 150u);
  const auto again = sink.handle(segment(1, ours, kAck, 100));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->acknowledged, 151u);
  EXPECT_EQ(sink.events()[TcpEvent::duplicate], 1u);
}

TEST(TcpSink, AResetEndsAConnectionOnlyIfItHitsExactly) {
  TcpSink sink(1460);
  const auto ours = open(sink, 0);
  EXPECT_FALSE(sink.handle(segment(50, ours, kReset)));
  EXPECT_EQ(sink.connections(), 1u);
  EXPECT_FALSE(sink.handle(segment(1, ours, kReset)));
  EXPECT_EQ(sink.connections(), 0u);
}

TEST(TcpSink, ALostFinIsAnsweredAgain) {
  TcpSink sink(1460);
  const auto ours = open(sink, 0);
  const auto fin = sink.handle(segment(1, ours, kFin)), again = sink.handle(segment(1, ours, kFin));
  ASSERT_TRUE(fin && again);
  EXPECT_TRUE(again->flags.fin);
  EXPECT_EQ(again->acknowledged, 2u);
  EXPECT_EQ(again->sequence, fin->sequence);
}

TEST(TcpSink, SegmentsOfNoConnectionAreRefused) {
  TcpSink sink(1460);
  const auto with_ack = sink.handle(segment(5, 77, kAck));
  ASSERT_TRUE(with_ack);
  EXPECT_TRUE(with_ack->flags.reset);
  EXPECT_EQ(with_ack->sequence, 77u);
  const auto without = sink.handle(segment(5, 0, {.fin = true}, 10));
  ASSERT_TRUE(without);
  EXPECT_EQ(without->acknowledged, 16u);
  EXPECT_FALSE(sink.handle(segment(5, 77, kReset)));
}

TEST(TcpSink, TheLeastRecentlyUsedConnectionMakesRoom) {
  TcpSink sink(1460);
  const auto first = open(sink, 0, 1);
  for (std::uint16_t port = 2; port <= TcpSink::kMaxConnections; ++port) (void)open(sink, 0, port);
  (void)sink.handle(segment(1, first, kAck, 10, 1));  // now 2 is the oldest
  (void)open(sink, 0, 1000);
  EXPECT_EQ(sink.connections(), TcpSink::kMaxConnections);
  EXPECT_EQ(sink.events()[TcpEvent::evicted], 1u);
  EXPECT_FALSE(sink.handle(segment(11, first, kAck, 10, 1)));
  EXPECT_TRUE(sink.handle(segment(1, 0, kAck, 10, 2))->flags.reset);
}

// A sender with go-back-N over a wire that loses and repeats: every byte arrives once, whatever the losses.
RC_GTEST_PROP(TcpSink, TakesEveryByteOnceOverALossyWire, (std::uint32_t start)) {
  TcpSink sink(1460);
  const auto ours = open(sink, start);
  const auto sizes =
      *rc::gen::container<std::vector<std::uint16_t>>(rc::gen::inRange<std::uint16_t>(1, 1460));
  std::uint32_t at = start + 1, end = at;
  std::vector<std::uint32_t> starts;
  for (const auto size : sizes) starts.push_back(end), end += size;
  const auto index = [&](std::uint32_t number) {
    return static_cast<std::size_t>(std::ranges::find(starts, number) - starts.begin());
  };
  while (at != end) {
    for (std::size_t i = index(at); i < starts.size(); ++i) {
      const int copies = i == index(at) ? *rc::gen::inRange(1, 3) : *rc::gen::inRange(0, 3);
      for (int c = 0; c < copies; ++c) (void)sink.handle(segment(starts[i], ours, kAck, sizes[i]));
    }
    const auto before = at;
    if (const auto ack = sink.next_ack()) at = ack->acknowledged;
    RC_ASSERT(at != before);  // the first of the batch was not lost
    RC_ASSERT(!sink.next_ack().has_value());
  }
  std::uint64_t total = 0;
  for (const auto size : sizes) total += size;
  RC_ASSERT(sink.bytes() == total);
}

// Arbitrary segments: bounded, and no acknowledgement is ever left behind or made up.
RC_GTEST_PROP(TcpSink, StaysWithinItsBounds, ()) {
  TcpSink sink(1460);
  const auto steps = *rc::gen::inRange(0, 400);
  for (int i = 0; i < steps; ++i) {
    const auto bits = *rc::gen::inRange(0, 16);
    const TcpFlags flags{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    (void)sink.handle(segment(*rc::gen::inRange<std::uint32_t>(0, 300), *rc::gen::arbitrary<std::uint32_t>(),
                              flags, *rc::gen::inRange<std::uint32_t>(0, 100),
                              *rc::gen::inRange<std::uint16_t>(0, 100)));
    RC_ASSERT(sink.connections() <= TcpSink::kMaxConnections);
  }
  std::size_t acks = 0;
  while (sink.next_ack()) RC_ASSERT(++acks <= sink.connections());
}

}  // namespace
}  // namespace ladon::port
