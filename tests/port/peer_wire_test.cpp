#include "port/peer_wire.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <string>

#include "frames.h"

namespace ladon::port {
namespace {

using namespace test;

bool readable(int fd) {
  pollfd watched{fd, POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1;
}

TEST(InProcessPeer, AnswersWakeTheReader) {
  InProcessPeer peer({.mac = kPeerMac, .address = {kPeerAddress, 24}});
  EXPECT_TRUE(peer.carrier());
  EXPECT_TRUE(peer.send(arp_request(kPeerAddress)));
  EXPECT_TRUE(readable(peer.fd()));
  std::array<std::byte, kMaxFrame> buffer;
  EXPECT_EQ(peer.receive(buffer), 42u);
  EXPECT_EQ(peer.receive(buffer), 0u);
  EXPECT_FALSE(readable(peer.fd()));
}

TEST(InProcessPeer, ABurstOfDataIsAcknowledgedWithoutAnAnswerEach) {
  InProcessPeer peer({.mac = kPeerMac, .address = {kPeerAddress, 24}});
  std::array<std::byte, kMaxFrame> buffer;
  EXPECT_TRUE(peer.send(tcp({.sequence = 0, .flags = 0x02})));
  const std::size_t length = peer.receive(buffer);
  const std::uint32_t ours = parse_tcp(ConstBytes(buffer).first(length)).sequence + 1;
  for (std::uint32_t i = 0; i < 10; ++i)
    EXPECT_TRUE(
        peer.send(tcp({.sequence = 1 + 100 * i, .acknowledged = ours, .data = std::string(100, 'x')})));
  ASSERT_TRUE(readable(peer.fd()));
  std::uint32_t acknowledged = 0;
  int answers = 0;
  while (const std::size_t bytes = peer.receive(buffer)) {
    acknowledged = parse_tcp(ConstBytes(buffer).first(bytes)).acknowledged;
    ++answers;
  }
  EXPECT_EQ(acknowledged, 1001u);
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(peer.stack().tcp().bytes(), 1000u);
}

TEST(InProcessPeer, AnswersThatDoNotFitAreCounted) {
  InProcessPeer peer({.mac = kPeerMac, .address = {kPeerAddress, 24}}, 2);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(peer.send(arp_request(kPeerAddress)));
  EXPECT_EQ(peer.stats().drops[WireDrop::queue_full], 3u);
}

}  // namespace
}  // namespace ladon::port
