#include "nic/offload/frame.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "client/frames.h"
#include "nic/offload/packet_type.h"

namespace ladon::nic::offload {
namespace {

using client::Carries;
using client::Frame;
using client::FrameSpec;
using client::layout_of;
using client::make_frame;

FrameHeaders parse(const Frame& frame) {
  return parse_frame(ConstBytes(frame).first(std::min(frame.size(), kMaxSnapshot)),
                     static_cast<std::uint32_t>(frame.size()));
}

Transport transport_of(Carries carries) {
  return carries == Carries::tcp   ? Transport::tcp
         : carries == Carries::udp ? Transport::udp
                                   : Transport::sctp;
}

RC_GTEST_PROP(Frame, FindsEveryHeader, ()) {
  FrameSpec spec;
  spec.ipv6 = *rc::gen::arbitrary<bool>();
  spec.carries = *rc::gen::element(Carries::tcp, Carries::udp, Carries::sctp);
  if (*rc::gen::arbitrary<bool>()) spec.vlan = *rc::gen::inRange<std::uint16_t>(0, 0xFFFF);
  spec.ip_options = *rc::gen::inRange<std::size_t>(0, 5) * 8;
  spec.tcp_options = *rc::gen::inRange<std::size_t>(0, 11) * 4;
  spec.payload = *rc::gen::inRange<std::size_t>(0, 1400);
  Frame frame = make_frame(spec);
  const auto at = layout_of(spec);
  const auto padding = *rc::gen::inRange<std::size_t>(0, 20);
  frame.resize(frame.size() + padding);

  const FrameHeaders headers = parse(frame);
  RC_ASSERT(headers.flaw == FrameFlaw::none);
  RC_ASSERT(headers.link.destination == spec.destination);
  RC_ASSERT(headers.link.source == spec.source);
  RC_ASSERT(headers.link.tagged == spec.vlan.has_value());
  RC_ASSERT(headers.link.tag == spec.vlan.value_or(0));
  RC_ASSERT(headers.network == (spec.ipv6 ? Network::ipv6 : Network::ipv4));
  RC_ASSERT(headers.transport == transport_of(spec.carries));
  RC_ASSERT(headers.network_offset == at.network);
  RC_ASSERT(headers.transport_offset == at.transport);
  RC_ASSERT(headers.payload_offset == at.payload);
  RC_ASSERT(headers.network_end == at.size);
  RC_ASSERT(headers.extended == (spec.ip_options != 0));
  RC_ASSERT(!headers.fragment);
}

// Whatever the bytes are, offsets stay inside the frame and the parser inside the snapshot.
RC_GTEST_PROP(Frame, NeverLooksOutside, (std::vector<std::uint8_t> noise)) {
  Frame frame = make_frame({.ipv6 = *rc::gen::arbitrary<bool>(), .carries = Carries::tcp, .ip_options = 8});
  for (const std::uint8_t byte : noise)
    frame[*rc::gen::inRange<std::size_t>(0, frame.size())] = std::byte{byte};
  frame.resize(*rc::gen::inRange<std::size_t>(0, frame.size() + 1));
  frame.shrink_to_fit();  // so that a read behind the end is seen by the address sanitizer
  const FrameHeaders headers = parse(frame);
  if (headers.network != Network::none) {
    RC_ASSERT(headers.network_end <= frame.size());
    RC_ASSERT(headers.transport_offset <= headers.network_end);
  }
  if (headers.transport != Transport::none) {
    RC_ASSERT(headers.flaw == FrameFlaw::none);
    RC_ASSERT(headers.payload_offset <= headers.network_end);
  }
}

TEST(Frame, ArpHasNoNetworkLayer) {
  Frame frame(60);
  store_be(&frame[12], std::uint16_t{0x0806});
  const FrameHeaders headers = parse(frame);
  EXPECT_EQ(headers.flaw, FrameFlaw::none);
  EXPECT_EQ(headers.link.ethertype, 0x0806);
  EXPECT_EQ(headers.network, Network::none);
  EXPECT_EQ(packet_type(headers), 0u);
}

TEST(Frame, FragmentsHaveNoTransport) {
  Frame frame = make_frame({});
  store_be(&frame[14 + 6], std::uint16_t{0x2000});  // more fragments
  EXPECT_TRUE(parse(frame).fragment);
  EXPECT_EQ(parse(frame).transport, Transport::none);
  store_be(&frame[14 + 6], std::uint16_t{0x0003});  // offset 24
  EXPECT_TRUE(parse(frame).fragment);
  store_be(&frame[14 + 6], std::uint16_t{0x4000});  // don't fragment
  EXPECT_FALSE(parse(frame).fragment);
  EXPECT_EQ(parse(frame).transport, Transport::udp);
}

TEST(Frame, Ipv6FragmentHeaderEndsTheChainUnlessAtomic) {
  Frame frame = make_frame({.ipv6 = true, .ip_options = 8});
  frame[14 + 6] = std::byte{44};
  frame[14 + 40 + 1] = std::byte{0};
  store_be(&frame[14 + 40 + 2], std::uint16_t{0x0001});  // offset 0, more fragments
  EXPECT_TRUE(parse(frame).fragment);
  EXPECT_EQ(parse(frame).transport, Transport::none);
  store_be(&frame[14 + 40 + 2], std::uint16_t{0x0000});
  EXPECT_FALSE(parse(frame).fragment);
  EXPECT_EQ(parse(frame).transport, Transport::udp);
}

TEST(Frame, ExtensionChainIsBounded) {
  Frame frame = make_frame({.ipv6 = true, .carries = Carries::tcp, .payload = 100, .ip_options = 88});
  const std::size_t first = 14 + 40;
  for (std::size_t i = 0; i <= kMaxExtensionHeaders; ++i) {  // one too many
    frame[first + 8 * i] = std::byte{60};
    frame[first + 8 * i + 1] = std::byte{0};
  }
  EXPECT_EQ(parse(frame).flaw, FrameFlaw::extension_chain);
}

TEST(Frame, EveryFlawHasItsReason) {
  const Frame good = make_frame({.carries = Carries::tcp});
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Frame frame = good;
    frame[at] = std::byte{value};
    return parse(frame).flaw;
  };
  EXPECT_EQ(parse(good).flaw, FrameFlaw::none);
  EXPECT_EQ(parse(Frame(13)).flaw, FrameFlaw::short_frame);
  EXPECT_EQ(with(14, 0x65), FrameFlaw::bad_version);
  EXPECT_EQ(with(14, 0x44), FrameFlaw::bad_header_length);
  EXPECT_EQ(with(14 + 2, 0x05), FrameFlaw::bad_length);
  EXPECT_EQ(with(14 + 3, 19), FrameFlaw::bad_length);
  EXPECT_EQ(with(14 + 3, 24), FrameFlaw::truncated_transport);
  EXPECT_EQ(with(14 + 20 + 12, 0x40), FrameFlaw::bad_header_length);
  EXPECT_EQ(with(14 + 20 + 12, 0xF0), FrameFlaw::truncated_transport);
  Frame cut = good;
  cut.resize(20);
  EXPECT_EQ(parse(cut).flaw, FrameFlaw::truncated_network);
  Frame tag(15);
  store_be(&tag[12], std::uint16_t{0x8100});
  EXPECT_EQ(parse(tag).flaw, FrameFlaw::truncated_vlan);
}

// A frame whose IP layer is nonsense can still be switched by its addresses.
TEST(Frame, AddressesSurviveAFlawAboveThem) {
  Frame frame = make_frame({});
  frame[14] = std::byte{0x55};
  const FrameHeaders headers = parse(frame);
  EXPECT_EQ(headers.flaw, FrameFlaw::bad_version);
  EXPECT_EQ(headers.network, Network::none);
  EXPECT_EQ(headers.link.destination, FrameSpec{}.destination);
}

TEST(Frame, PacketTypeBits) {
  EXPECT_EQ(packet_type(parse(make_frame({.carries = Carries::tcp}))), kPacketIpv4 | kPacketTcp);
  EXPECT_EQ(packet_type(parse(make_frame({.ip_options = 4}))), kPacketIpv4 | kPacketIpv4Options | kPacketUdp);
  EXPECT_EQ(packet_type(parse(make_frame({.ipv6 = true, .carries = Carries::sctp}))),
            kPacketIpv6 | kPacketSctp);
  EXPECT_EQ(packet_type(parse(make_frame({.ipv6 = true, .ip_options = 8}))),
            kPacketIpv6 | kPacketIpv6Extensions | kPacketUdp);
}

TEST(Frame, EveryFlawHasAName) {
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(FrameFlaw::count_); ++i)
    EXPECT_THAT(name(static_cast<FrameFlaw>(i)), testing::Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace ladon::nic::offload
