#include "port/peer_stack.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "frames.h"

namespace ladon::port {
namespace {

using namespace test;

class Peer : public ::testing::Test {
 protected:
  PeerStack stack{{.mac = kPeerMac, .address = {kPeerAddress, 24}, .mtu = 1500}};
};

TEST_F(Peer, AnswersArpForItselfAlone) {
  const Frame request = arp_request(kPeerAddress);
  const ConstBytes reply = stack.handle(request);
  ASSERT_EQ(reply.size(), 42u);
  EXPECT_TRUE(std::ranges::equal(reply.first(6), ConstBytes(request).subspan(6, 6)));
  EXPECT_EQ(load_be<std::uint16_t>(&reply[20]), 2);
  EXPECT_EQ(load_be<std::uint32_t>(&reply[28]), kPeerAddress.bits);
  EXPECT_EQ(load_be<std::uint32_t>(&reply[38]), kOurAddress.bits);

  EXPECT_TRUE(stack.handle(arp_request(Ipv4Address{kPeerAddress.bits + 1})).empty());
  EXPECT_EQ(stack.ignored()[PeerIgnored::other_address], 1u);
}

TEST_F(Peer, EchoesWhatItWasSent) {
  const Frame request = echo_request(7, "twenty bytes, or so");
  const Reply reply = parse(stack.handle(request));
  ASSERT_EQ(reply.protocol, 1);
  EXPECT_EQ(reply.message[0], std::byte{0});
  Checksum sum;
  sum.add(reply.message);
  EXPECT_EQ(sum.value(), 0);
  EXPECT_TRUE(std::ranges::equal(ConstBytes(reply.message).subspan(4), ConstBytes(request).subspan(38)));
  EXPECT_EQ(stack.echoes(), 1u);
}

TEST_F(Peer, IgnoresAndCountsWhatItCannotAnswer) {
  Frame bad = echo_request(1, "x");
  bad.back() ^= std::byte{1};
  EXPECT_TRUE(stack.handle(bad).empty());
  EXPECT_EQ(stack.ignored()[PeerIgnored::bad_checksum], 1u);

  Frame stranger = echo_request(1, "x");
  stranger[5] ^= std::byte{1};
  EXPECT_TRUE(stack.handle(stranger).empty());
  EXPECT_EQ(stack.ignored()[PeerIgnored::other_station], 1u);

  EXPECT_TRUE(stack.handle(ipv4(17, Frame(8))).empty());
  EXPECT_EQ(stack.ignored()[PeerIgnored::other_protocol], 1u);
  EXPECT_TRUE(stack.handle(ipv4(6, Frame(8))).empty());
  EXPECT_TRUE(stack.handle(Frame(13)).empty());
  EXPECT_EQ(stack.ignored()[PeerIgnored::malformed], 2u);
  EXPECT_TRUE(stack.handle(Frame(1515)).empty());
  EXPECT_EQ(stack.ignored()[PeerIgnored::too_long], 1u);
}

TEST_F(Peer, AConnectionFromSynToFin) {
  // SYN with segment size 1460 and window scale 7.
  const std::string options("\x02\x04\x05\xb4\x01\x03\x03\x07", 8);
  const TcpReply syn_ack = parse_tcp(stack.handle(tcp({.sequence = 100, .flags = 0x02, .options = options})));
  ASSERT_TRUE(syn_ack.valid);
  EXPECT_EQ(syn_ack.flags, 0x12);
  EXPECT_EQ(syn_ack.acknowledged, 101u);
  EXPECT_EQ(syn_ack.options, options);

  const std::uint32_t ours = syn_ack.sequence + 1;
  EXPECT_TRUE(stack.handle(tcp({.sequence = 101, .acknowledged = ours})).empty());
  EXPECT_TRUE(stack.handle(tcp({.sequence = 101, .acknowledged = ours, .data = "hello"})).empty());
  EXPECT_TRUE(stack.handle(tcp({.sequence = 106, .acknowledged = ours, .data = "world!"})).empty());
  const TcpReply ack = parse_tcp(stack.next_ack());
  ASSERT_TRUE(ack.valid);
  EXPECT_EQ(ack.flags, 0x10);
  EXPECT_EQ(ack.acknowledged, 112u);
  EXPECT_EQ(ack.sequence, ours);
  EXPECT_TRUE(stack.next_ack().empty());
  EXPECT_EQ(stack.tcp().bytes(), 11u);

  const TcpReply fin = parse_tcp(stack.handle(tcp({.sequence = 112, .acknowledged = ours, .flags = 0x11})));
  EXPECT_EQ(fin.flags, 0x11);
  EXPECT_EQ(fin.acknowledged, 113u);
  EXPECT_TRUE(stack.handle(tcp({.sequence = 113, .acknowledged = ours + 1})).empty());
  EXPECT_EQ(stack.tcp().connections(), 0u);
  EXPECT_EQ(stack.tcp().events()[TcpEvent::closed], 1u);
}

TEST_F(Peer, OffersNoWindowScaleToWhoDidNot) {
  const TcpReply reply = parse_tcp(stack.handle(tcp({.sequence = 1, .flags = 0x02})));
  EXPECT_EQ(reply.options.size(), 4u);  // segment size alone
}

// Any bytes behind valid headers: answered with something well formed or with nothing.
RC_GTEST_PROP(PeerFuzz, NeverMoreThanOneValidAnswer, (const std::vector<std::uint8_t>& bytes, bool as_tcp)) {
  PeerStack stack({.mac = kPeerMac, .address = {kPeerAddress, 24}, .mtu = 1500});
  Frame message;
  for (const auto b : bytes) message.push_back(std::byte{b});
  if (as_tcp && message.size() >= 20) {
    store_be(&message[16], std::uint16_t{0});
    store_be(&message[16], tcp_sum(kOurAddress.bits, kPeerAddress.bits, message));
  }
  const ConstBytes reply = stack.handle(ipv4(as_tcp ? 6 : 1, message));
  if (!reply.empty()) RC_ASSERT(parse(reply).protocol == (as_tcp ? 6 : 1));
}

}  // namespace
}  // namespace ladon::port
