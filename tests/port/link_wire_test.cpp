#include "port/link_wire.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <deque>
#include <thread>
#include <vector>

namespace ladon::port {
namespace {

bool readable(int fd) {
  pollfd watched{fd, POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1;
}
std::vector<std::byte> frame_of(std::size_t length, std::uint8_t fill) {
  return std::vector<std::byte>(length, std::byte{fill});
}

TEST(LinkWire, CarriesFramesBothWaysAndWakesTheReader) {
  auto [a, b] = LinkWire::make_pair(4);
  std::array<std::byte, kMaxFrame> buffer;
  EXPECT_FALSE(readable(b->fd()));
  EXPECT_TRUE(a->send(frame_of(60, 1)));
  EXPECT_TRUE(a->send(frame_of(61, 2)));
  EXPECT_TRUE(readable(b->fd()));
  EXPECT_EQ(b->receive(buffer), 60u);
  EXPECT_TRUE(readable(b->fd()));
  EXPECT_EQ(b->receive(buffer), 61u);
  EXPECT_EQ(buffer[60], std::byte{2});
  EXPECT_EQ(b->receive(buffer), 0u);
  EXPECT_FALSE(readable(b->fd()));
  EXPECT_TRUE(b->send(frame_of(14, 3)));
  EXPECT_EQ(a->receive(buffer), 14u);
  EXPECT_EQ(a->stats().sent_bytes, 121u);
  EXPECT_EQ(b->stats().received_bytes, 121u);
}

TEST(LinkWire, RefusalsAreCountedByReason) {
  auto [a, b] = LinkWire::make_pair(2);
  EXPECT_FALSE(a->send(frame_of(13, 0)));
  EXPECT_FALSE(a->send(frame_of(kMaxFrame + 1, 0)));
  EXPECT_TRUE(a->send(frame_of(1000, 0)));
  EXPECT_TRUE(a->send(frame_of(20, 0)));
  EXPECT_FALSE(a->send(frame_of(20, 0)));
  EXPECT_EQ(a->stats().drops[WireDrop::too_short], 1u);
  EXPECT_EQ(a->stats().drops[WireDrop::too_long], 1u);
  EXPECT_EQ(a->stats().drops[WireDrop::queue_full], 1u);
  std::array<std::byte, 100> small;
  EXPECT_EQ(b->receive(small), 20u);  // the long one is passed over
  EXPECT_EQ(b->stats().drops[WireDrop::too_long], 1u);
  b.reset();
  EXPECT_FALSE(a->carrier());
  EXPECT_FALSE(a->send(frame_of(20, 0)));
  EXPECT_EQ(a->stats().drops[WireDrop::no_carrier], 1u);
}

RC_GTEST_PROP(LinkWire, IsABoundedQueue, ()) {
  constexpr std::size_t kSlots = 3;
  auto [a, b] = LinkWire::make_pair(kSlots);
  std::deque<std::size_t> model;
  std::array<std::byte, kMaxFrame> buffer;
  for (const bool send : *rc::gen::arbitrary<std::vector<bool>>()) {
    if (send) {
      const auto length = *rc::gen::inRange<std::size_t>(kMinFrame, 200);
      RC_ASSERT(a->send(frame_of(length, 0)) == (model.size() < kSlots));
      if (model.size() < kSlots) model.push_back(length);
    } else {
      const std::size_t expected = model.empty() ? 0 : model.front();
      if (!model.empty()) model.pop_front();
      RC_ASSERT(b->receive(buffer) == expected);
    }
    if (!model.empty()) RC_ASSERT(readable(b->fd()));
  }
}

// Two threads, the reader sleeping in poll whenever nothing waits: a lost wake-up would hang the test.
TEST(LinkWire, LosesNoWakeUpBetweenThreads) {
  auto [a, b] = LinkWire::make_pair(8);
  constexpr std::uint32_t kFrames = 20'000;
  std::jthread writer([&wire = *a] {
    std::array<std::byte, 60> frame{};
    for (std::uint32_t i = 0; i < kFrames;) {
      store_le(&frame[20], i);
      if (wire.send(frame))
        ++i;
      else
        std::this_thread::yield();
    }
  });
  std::array<std::byte, kMaxFrame> buffer;
  for (std::uint32_t expected = 0; expected < kFrames;) {
    if (b->receive(buffer) != 0) {
      ASSERT_EQ(load_le<std::uint32_t>(&buffer[20]), expected++);
      continue;
    }
    pollfd watched{b->fd(), POLLIN, 0};
    ::poll(&watched, 1, -1);
  }
}

}  // namespace
}  // namespace ladon::port
