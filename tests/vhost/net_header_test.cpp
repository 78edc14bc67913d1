#include "vhost/net_header.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "client/frames.h"

namespace ladon::vhost {
namespace {

namespace virtio = spec::virtio;

constexpr std::uint64_t kAll = virtio::kVersion1 | virtio::kNetMergeable | virtio::kNetChecksum |
                               virtio::kNetGuestChecksum | virtio::kNetHostTso4 | virtio::kNetHostTso6 |
                               virtio::kNetGuestTso4 | virtio::kNetGuestTso6;

NetHeader raw(std::uint8_t flags, std::uint8_t gso, std::uint16_t size = 0, std::uint16_t start = 0,
              std::uint16_t offset = 0) {
  NetHeader header{};
  header[0] = std::byte{flags};
  header[1] = std::byte{gso};
  store_le(&header[4], size);
  store_le(&header[6], start);
  store_le(&header[8], offset);
  return header;
}

struct Segment {
  client::Frame frame;
  std::uint16_t transport = 0, payload = 0;
  [[nodiscard]] ConstBytes head() const {
    return ConstBytes(frame).first(std::min<std::size_t>(frame.size(), kSnapshot));
  }
  [[nodiscard]] std::uint32_t length() const { return static_cast<std::uint32_t>(frame.size()); }
};
Segment segment(bool ipv6, std::size_t payload = 5000, std::size_t tcp_options = 12) {
  client::FrameSpec spec;
  spec.ipv6 = ipv6;
  spec.carries = client::Carries::tcp;
  spec.payload = payload;
  spec.tcp_options = tcp_options;
  spec.transport_checksum = false;
  const auto layout = client::layout_of(spec);
  return {client::make_frame(spec), static_cast<std::uint16_t>(layout.transport),
          static_cast<std::uint16_t>(layout.payload)};
}

TEST(NetHeader, KnowsItsLength) {
  EXPECT_EQ(NetFeatures::of(0).header_bytes, 10u);
  EXPECT_EQ(NetFeatures::of(virtio::kNetMergeable).header_bytes, 12u);
  EXPECT_EQ(NetFeatures::of(virtio::kVersion1).header_bytes, 12u);
}

TEST(NetHeader, AskingForNothingIsNothing) {
  const Segment some = segment(false, 100);
  EXPECT_EQ(read_header(raw(0, 0, 9, 9, 9), some.head(), some.length(), NetFeatures::of(0)), Offload{});
  // A guest cannot vouch for a checksum.
  EXPECT_EQ(read_header(raw(virtio::kHeaderDataValid, 0), some.head(), some.length(), NetFeatures::of(kAll)),
            Offload{});
}

TEST(NetHeader, ChecksumsInsideTheFrame) {
  const Segment some = segment(false, 100);
  const auto features = NetFeatures::of(kAll);
  const auto ask = [&](std::uint16_t start, std::uint16_t offset, std::uint32_t length) {
    return read_header(raw(1, 0, 0, start, offset),
                       some.head().first(std::min<std::size_t>(length, some.head().size())), length,
                       features);
  };
  const auto good = ask(34, 16, some.length());
  ASSERT_TRUE(good);
  EXPECT_TRUE(good->checksum);
  EXPECT_EQ(good->checksum_start, 34u);
  EXPECT_EQ(good->checksum_offset, 16u);
  EXPECT_TRUE(ask(34, 16, 52));
  EXPECT_EQ(ask(34, 16, 51).error(), FrameDrop::bad_checksum_request);
  EXPECT_EQ(ask(0xFFFF, 0xFFFF, 60).error(), FrameDrop::bad_checksum_request);
  EXPECT_EQ(ask(13, 16, 60).error(), FrameDrop::bad_checksum_request) << "in the Ethernet header";
  EXPECT_EQ(read_header(raw(1, 0, 0, 34, 16), some.head(), some.length(), NetFeatures::of(0)).error(),
            FrameDrop::bad_checksum_request);
  const Segment large = segment(false);
  EXPECT_EQ(read_header(raw(1, 0, 0, 1000, 16), large.head(), large.length(), features).error(),
            FrameDrop::bad_checksum_request)
      << "beyond what is copied out";
}

TEST(NetHeader, Segments) {
  for (const bool ipv6 : {false, true}) {
    const Segment some = segment(ipv6);
    const std::uint8_t gso = ipv6 ? 4 : 1;
    const auto offload =
        read_header(raw(1, gso, 1448, some.transport, 16), some.head(), some.length(), NetFeatures::of(kAll));
    ASSERT_TRUE(offload);
    EXPECT_EQ(offload->segmentation, ipv6 ? Segmentation::tcp6 : Segmentation::tcp4);
    EXPECT_EQ(offload->segment_size, 1448u);
    EXPECT_EQ(offload->header_length, some.payload) << "from the TCP header, not from the driver";

    const auto refused = [&](const NetHeader& header, std::uint64_t features = kAll) {
      const auto read = read_header(header, some.head(), some.length(), NetFeatures::of(features));
      return !read && read.error() == FrameDrop::bad_segmentation;
    };
    EXPECT_TRUE(refused(raw(0, gso, 1448, some.transport, 16))) << "5.1.6.2.1: with NEEDS_CSUM";
    EXPECT_TRUE(refused(raw(1, gso, 0, some.transport, 16)));
    EXPECT_TRUE(refused(raw(1, gso, 1448, some.transport, 6))) << "UDP's checksum";
    for (const int other : {gso | 0x80, 2, 3, 5, 7})  // 0x80: with ECN, which was not offered
      EXPECT_TRUE(refused(raw(1, static_cast<std::uint8_t>(other), 1448, some.transport, 16)));
    EXPECT_TRUE(refused(raw(1, gso, 1448, some.transport, 16),
                        kAll & ~(ipv6 ? virtio::kNetHostTso6 : virtio::kNetHostTso4)));
    EXPECT_TRUE(refused(raw(1, gso, 1448, 237, 16))) << "the TCP header would end beyond what is copied out";
  }
  Segment nothing = segment(false, 0);
  EXPECT_EQ(read_header(raw(1, 1, 1448, nothing.transport, 16), nothing.head(), nothing.length(),
                        NetFeatures::of(kAll))
                .error(),
            FrameDrop::bad_segmentation)
      << "without payload";
}

TEST(NetHeader, WhatAGuestTakes) {
  const Offload checksum{.checksum = true, .checksum_start = 34, .checksum_offset = 16};
  Offload tcp4 = checksum;
  tcp4.segmentation = Segmentation::tcp4;
  Offload tcp6 = checksum;
  tcp6.segmentation = Segmentation::tcp6;
  const auto all = NetFeatures::of(kAll), none = NetFeatures::of(0),
             sums = NetFeatures::of(virtio::kNetGuestChecksum);
  EXPECT_TRUE(none.guest_takes({}));
  EXPECT_TRUE(none.guest_takes({.verified = true})) << "it need not be told";
  for (const Offload& offload : {checksum, tcp4, tcp6}) {
    EXPECT_FALSE(none.guest_takes(offload));
    EXPECT_TRUE(all.guest_takes(offload));
  }
  EXPECT_TRUE(sums.guest_takes(checksum));
  EXPECT_FALSE(sums.guest_takes(tcp4));
  EXPECT_EQ(make_header({.verified = true}, 100, 1, none).value()[0], std::byte{0});
  EXPECT_EQ(make_header({.verified = true}, 100, 1, sums).value()[0], std::byte{virtio::kHeaderDataValid});
  EXPECT_EQ(make_header(checksum, 51, 1, all).error(), FrameDrop::inconsistent);
  EXPECT_EQ(make_header(tcp4, 100, 1, all).error(), FrameDrop::inconsistent) << "segments of no size";
}

// What a guest asks for arrives at another guest as it was asked.
RC_GTEST_PROP(NetHeader, WhatIsReadCanBeMadeAgain, ()) {
  const bool ipv6 = *rc::gen::arbitrary<bool>();
  const Segment some = segment(ipv6, *rc::gen::inRange<std::size_t>(1, 9000), 4 * *rc::gen::inRange(0u, 11u));
  const auto features = NetFeatures::of(kAll);
  const auto size = *rc::gen::inRange<std::uint16_t>(1, 9000);
  const auto gso = *rc::gen::element<std::uint8_t>(0, ipv6 ? 4 : 1);
  const NetHeader asked = raw(1, gso, gso == 0 ? 0 : size, some.transport, 16);
  const auto offload = read_header(asked, some.head(), some.length(), features);
  RC_ASSERT(offload.has_value());
  const auto made = make_header(*offload, some.length(), 3, features);
  RC_ASSERT(made.has_value());
  RC_ASSERT(load_le<std::uint16_t>(&(*made)[10]) == 3);
  const auto again = read_header(*made, some.head(), some.length(), features);
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == *offload);
}

// Whatever a driver writes, what is accepted lies inside the frame.
RC_GTEST_PROP(NetHeader, AnyHeaderIsInsideTheFrameOrRefused, ()) {
  const auto bytes = *rc::gen::container<std::vector<std::uint8_t>>(
      virtio::kHeaderBytes, rc::gen::weightedOneOf<std::uint8_t>({{3, rc::gen::inRange<std::uint8_t>(0, 60)},
                                                                  {1, rc::gen::arbitrary<std::uint8_t>()}}));
  NetHeader header{};
  std::ranges::copy(std::as_bytes(std::span(bytes)), header.begin());
  Segment some = segment(*rc::gen::arbitrary<bool>(), *rc::gen::inRange<std::size_t>(0, 2000));
  for (int i = *rc::gen::inRange(0, 20); i > 0; --i)
    some.frame[*rc::gen::inRange<std::size_t>(0, some.frame.size())] =
        std::byte{*rc::gen::arbitrary<std::uint8_t>()};
  const auto offload = read_header(header, some.head(), some.length(), NetFeatures::of(kAll));
  if (!offload) return;
  if (offload->checksum) {
    RC_ASSERT(offload->checksum_start >= 14);
    RC_ASSERT(offload->checksum_start + offload->checksum_offset + 2u <= some.head().size());
  }
  if (offload->segmentation != Segmentation::none) {
    RC_ASSERT(offload->checksum && offload->segment_size > 0);
    RC_ASSERT(offload->header_length <= some.head().size() && offload->header_length < some.length());
  }
}

}  // namespace
}  // namespace ladon::vhost
