#include "nic/offload/segment.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "client/frames.h"

namespace ladon::nic::offload {
namespace {

using client::Carries;
using client::Frame;
using client::FrameLayout;
using client::FrameSpec;
using client::layout_of;
using client::make_frame;

struct Large {
  Frame frame;  // as a driver hands it over
  FrameLayout at;
  SegmentRequest request;
  std::uint32_t payload;
};

// What ixgbevf does to a frame before it asks for segmentation: no length in the IP header and in the
// pseudo header, no IP checksum.
Large large(FrameSpec spec, std::uint16_t segment_size) {
  spec.transport_checksum = false;
  Large made{make_frame(spec), layout_of(spec), {}, static_cast<std::uint32_t>(spec.payload)};
  const bool tcp = spec.carries == Carries::tcp;
  store_be(&made.frame[made.at.network + (spec.ipv6 ? 4u : 2u)], std::uint16_t{0});
  if (!spec.ipv6) store_be(&made.frame[made.at.network + 10], std::uint16_t{0});
  store_be(
      &made.frame[made.at.transport + (tcp ? 16u : 6u)],
      client::plain_pseudo_header(made.frame, made.at.network, static_cast<std::uint8_t>(spec.carries), 0));
  made.request = {.link_length = static_cast<std::uint16_t>(made.at.network),
                  .network_length = static_cast<std::uint16_t>(made.at.transport - made.at.network),
                  .transport_length = static_cast<std::uint16_t>(made.at.payload - made.at.transport),
                  .segment_size = segment_size,
                  .network = spec.ipv6 ? Network::ipv6 : Network::ipv4,
                  .transport = tcp ? Transport::tcp : Transport::udp};
  return made;
}

std::vector<Frame> segment(const Large& from) {
  const ConstBytes bytes = from.frame;
  const auto segmenter =
      Segmenter::make(from.request, bytes.first(std::min(bytes.size(), kMaxSnapshot)), from.payload).value();
  const ConstBytes payload = bytes.subspan(from.at.payload);
  std::vector<Frame> frames;
  for (std::uint32_t i = 0; i < segmenter.segments(); ++i) {
    const auto [offset, length] = segmenter.piece(i);
    const ConstBytes piece = payload.subspan(offset, length);
    Frame frame(segmenter.header_length());
    segmenter.make_header(i, sum_of(piece), frame);
    frame.insert(frame.end(), piece.begin(), piece.end());
    frames.push_back(std::move(frame));
  }
  return frames;
}

FrameSpec any_spec(Carries carries) {
  FrameSpec spec;
  spec.carries = carries;
  spec.ipv6 = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) spec.vlan = std::uint16_t{9};
  spec.ip_options = *rc::gen::inRange<std::size_t>(0, 3) * 8;
  spec.payload = *rc::gen::inRange<std::size_t>(1, 9000);
  spec.identification = *rc::gen::arbitrary<std::uint16_t>();
  if (carries == Carries::tcp) {
    spec.tcp_options = *rc::gen::inRange<std::size_t>(0, 11) * 4;
    spec.sequence = *rc::gen::arbitrary<std::uint32_t>();
    spec.tcp_flags = *rc::gen::arbitrary<std::uint8_t>();
  }
  return spec;
}

// Every segment is exactly the frame that a stack without the offload would have built.
RC_GTEST_PROP(Segment, EqualsFramesBuiltOneByOne, ()) {
  const Carries carries = *rc::gen::element(Carries::tcp, Carries::udp);
  const FrameSpec spec = any_spec(carries);
  const auto size = *rc::gen::inRange<std::uint16_t>(1, 3000);
  const Large whole = large(spec, size);
  const std::vector<Frame> frames = segment(whole);
  RC_ASSERT(frames.size() == (spec.payload + size - 1) / size);
  const ConstBytes payload = ConstBytes(whole.frame).subspan(whole.at.payload);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    FrameSpec one = spec;
    one.payload = std::min<std::size_t>(size, spec.payload - i * size);
    one.identification = static_cast<std::uint16_t>(spec.identification + i);
    one.sequence = static_cast<std::uint32_t>(spec.sequence + i * size);
    if (i + 1 < frames.size()) one.tcp_flags &= 0xF6;  // FIN, PSH
    if (i > 0) one.tcp_flags &= 0x7F;                  // CWR
    // Payload and checksum: those of the piece.
    Frame expected = make_frame(one);
    RC_ASSERT(frames[i].size() == expected.size());
    std::ranges::copy(payload.subspan(i * size, one.payload),
                      expected.begin() + static_cast<std::ptrdiff_t>(whole.at.payload));
    const std::size_t field = whole.at.transport + (carries == Carries::tcp ? 16u : 6u);
    std::memcpy(&expected[field], &frames[i][field], 2);
    RC_ASSERT(frames[i] == expected);
    RC_ASSERT(client::checksums_hold(frames[i]));
  }
}

TEST(Segment, OnePieceKeepsAllFlags) {
  const auto frames = segment(large({.carries = Carries::tcp, .payload = 10, .tcp_flags = 0xFF}, 1460));
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0][14 + 20 + 13], std::byte{0xFF});
}

TEST(Segment, NoPayloadMakesOneFrame) {
  const auto frames = segment(large({.carries = Carries::tcp, .payload = 0}, 1460));
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].size(), 54u);
  EXPECT_TRUE(client::checksums_hold(frames[0]));
}

// What lies between the outer IP header and the transport header is the same in all segments, and the outer
// IP checksum comes out right although IPLEN covers it (a tunnel under "GSO partial").
TEST(Segment, EncapsulationIsCopied) {
  constexpr std::size_t kTunnel = 8 + 8 + 14 + 20;  // UDP, VXLAN, Ethernet, IPv4
  const FrameSpec inner{.carries = Carries::tcp, .payload = 3000};
  const Large plain = large(inner, 1000);
  Large tunnel = plain;
  tunnel.frame.insert(tunnel.frame.begin() + 34, kTunnel, std::byte{0x5A});
  tunnel.at.transport += kTunnel;
  tunnel.at.payload += kTunnel;
  tunnel.request.network_length = static_cast<std::uint16_t>(20 + kTunnel);
  store_be(&tunnel.frame[24],
           static_cast<std::uint16_t>(~client::plain_sum(ConstBytes(tunnel.frame).subspan(34, kTunnel))));
  for (const Frame& frame : segment(tunnel)) {
    EXPECT_EQ(client::plain_sum(ConstBytes(frame).subspan(14, 20)), 0xFFFF);
    EXPECT_EQ(load_be<std::uint16_t>(&frame[16]), frame.size() - 14);
    EXPECT_TRUE(std::ranges::all_of(ConstBytes(frame).subspan(34, kTunnel),
                                    [](std::byte byte) { return byte == std::byte{0x5A}; }));
    Frame stripped = frame;
    stripped.erase(stripped.begin() + 34, stripped.begin() + 34 + kTunnel);
    const std::size_t length = stripped.size() - 34;
    EXPECT_EQ(client::plain_sum(ConstBytes(stripped).subspan(34),
                                client::plain_pseudo_header(stripped, 14, 6, length)),
              0xFFFF);
  }
}

TEST(Segment, RefusesMalformedContexts) {
  const Large good = large({.carries = Carries::tcp, .payload = 3000}, 1460);
  const ConstBytes snapshot = ConstBytes(good.frame).first(kMaxSnapshot);
  const auto flaw = [&](auto change, std::uint32_t payload = 3000, std::size_t known = kMaxSnapshot) {
    SegmentRequest request = good.request;
    change(request);
    const auto made = Segmenter::make(request, snapshot.first(known), payload);
    return made ? OffloadFlaw::none : made.error();
  };
  const auto same = [](SegmentRequest&) {};
  EXPECT_EQ(flaw(same), OffloadFlaw::none);
  EXPECT_EQ(flaw(same, 3000, 53), OffloadFlaw::transport_length);
  EXPECT_EQ(flaw(same, 3000, 54), OffloadFlaw::none);
  EXPECT_EQ(flaw(same, kMaxSegmentPayload), OffloadFlaw::none);
  EXPECT_EQ(flaw(same, kMaxSegmentPayload + 1), OffloadFlaw::payload_length);
  EXPECT_EQ(flaw([](auto& r) { r.link_length = 13; }), OffloadFlaw::link_length);
  EXPECT_EQ(flaw([](auto& r) { r.link_length = 300; }), OffloadFlaw::link_length);
  EXPECT_EQ(flaw([](auto& r) { r.network_length = 19; }), OffloadFlaw::network_length);
  EXPECT_EQ(flaw([](auto& r) { r.network_length = 511; }), OffloadFlaw::network_length);
  EXPECT_EQ(flaw([](auto& r) { r.network = Network::ipv6, r.network_length = 39; }),
            OffloadFlaw::network_length);
  EXPECT_EQ(flaw([](auto& r) { r.transport_length = 19; }), OffloadFlaw::transport_length);
  EXPECT_EQ(flaw([](auto& r) { r.transport_length = 255; }), OffloadFlaw::transport_length);
  EXPECT_EQ(flaw([](auto& r) { r.segment_size = 0; }), OffloadFlaw::segment_size);
  EXPECT_EQ(flaw([](auto& r) { r.segment_size = 0xFFFF; }, 65496), OffloadFlaw::segment_size);
  EXPECT_EQ(flaw([](auto& r) { r.segment_size = 0xFFFF; }, 65495), OffloadFlaw::none);
  EXPECT_EQ(flaw([](auto& r) { r.transport = Transport::sctp; }), OffloadFlaw::protocol);
  EXPECT_EQ(flaw([](auto& r) { r.network = Network::none; }), OffloadFlaw::protocol);
}

}  // namespace
}  // namespace ladon::nic::offload
