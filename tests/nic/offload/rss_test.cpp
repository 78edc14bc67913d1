#include "nic/offload/rss.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "client/frames.h"

namespace ladon::nic::offload {
namespace {

using client::Carries;
using client::Frame;
using client::FrameSpec;

using Key = std::array<std::uint8_t, kRssKeyBytes>;

// Key and vectors of "Verifying the RSS Hash Calculation" (Microsoft).
constexpr Key kKey{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                   0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                   0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
constexpr std::uint32_t kAll =
    kRssEnable | kRssTcpIpv4 | kRssIpv4 | kRssIpv6 | kRssTcpIpv6 | kRssUdpIpv4 | kRssUdpIpv6;

// As the definition has it: for every bit set in the input, the 32 bits of the key that start at its place.
std::uint32_t plain_hash(const Key& key, ConstBytes input) {
  const auto key_bit = [&](std::size_t at) {
    return at / 8 < key.size() ? key[at / 8] >> (7 - at % 8) & 1 : 0;
  };
  std::uint32_t hash = 0;
  for (std::size_t bit = 0; bit < input.size() * 8; ++bit)
    if ((std::to_integer<unsigned>(input[bit / 8]) >> (7 - bit % 8) & 1) != 0)
      for (std::size_t i = 0; i < 32; ++i) hash ^= static_cast<std::uint32_t>(key_bit(bit + i)) << (31 - i);
  return hash;
}

FrameHeaders parse(const Frame& frame) {
  return parse_frame(frame, static_cast<std::uint32_t>(frame.size()));
}

Frame ipv4_tcp(std::uint32_t source, std::uint16_t source_port, std::uint32_t destination,
               std::uint16_t port) {
  Frame frame =
      client::make_frame({.carries = Carries::tcp, .source_port = source_port, .destination_port = port});
  store_be(&frame[14 + 12], source);
  store_be(&frame[14 + 16], destination);
  return frame;
}

struct Vector {
  std::uint32_t destination;
  std::uint16_t destination_port;
  std::uint32_t source;
  std::uint16_t source_port;
  std::uint32_t addresses_only, with_ports;
};

TEST(Rss, PublishedVectorsIpv4) {
  constexpr auto ip = [](std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return a << 24 | b << 16 | c << 8 | d;
  };
  constexpr std::array<Vector, 5> kVectors{
      {{ip(161, 142, 100, 80), 1766, ip(66, 9, 149, 187), 2794, 0x323e8fc2, 0x51ccc178},
       {ip(65, 69, 140, 83), 4739, ip(199, 92, 111, 2), 14230, 0xd718262a, 0xc626b0ea},
       {ip(12, 22, 207, 184), 38024, ip(24, 19, 198, 95), 12898, 0xd2d0a5de, 0x5c2b394a},
       {ip(209, 142, 163, 6), 2217, ip(38, 27, 205, 30), 48228, 0x82989176, 0xafc7327f},
       {ip(202, 188, 127, 2), 1303, ip(153, 39, 163, 191), 44251, 0x5d1809c5, 0x10e828a2}}};
  const ToeplitzKey key(kKey);
  for (const Vector& v : kVectors) {
    const Frame frame = ipv4_tcp(v.source, v.source_port, v.destination, v.destination_port);
    EXPECT_EQ(rss_hash(key, kAll, parse(frame), frame), (RssHash{v.with_ports, RssType::tcp_ipv4}));
    EXPECT_EQ(rss_hash(key, kRssEnable | kRssIpv4, parse(frame), frame),
              (RssHash{v.addresses_only, RssType::ipv4}));
  }
}

TEST(Rss, PublishedVectorIpv6) {
  // 3ffe:2501:200:1fff::7 port 2794 -> 3ffe:2501:200:3::1 port 1766.
  Frame frame = client::make_frame(
      {.ipv6 = true, .carries = Carries::tcp, .source_port = 2794, .destination_port = 1766});
  constexpr std::array<std::uint16_t, 16> kAddresses{0x3ffe, 0x2501, 0x0200, 0x1fff, 0, 0, 0, 7,
                                                     0x3ffe, 0x2501, 0x0200, 0x0003, 0, 0, 0, 1};
  for (std::size_t i = 0; i < kAddresses.size(); ++i) store_be(&frame[14 + 8 + 2 * i], kAddresses[i]);
  const ToeplitzKey key(kKey);
  EXPECT_EQ(rss_hash(key, kAll, parse(frame), frame), (RssHash{0x40207d3d, RssType::tcp_ipv6}));
  EXPECT_EQ(rss_hash(key, kRssEnable | kRssIpv6, parse(frame), frame), (RssHash{0x2cc18cd5, RssType::ipv6}));
}

RC_GTEST_PROP(Rss, AgreesWithTheDefinition, ()) {
  Key bytes;
  for (auto& byte : bytes) byte = *rc::gen::arbitrary<std::uint8_t>();
  Frame input(*rc::gen::inRange<std::size_t>(0, ToeplitzKey::kMaxInput + 1));
  for (auto& byte : input) byte = std::byte(*rc::gen::arbitrary<std::uint8_t>());
  RC_ASSERT(ToeplitzKey(bytes).hash(input) == plain_hash(bytes, input));
}

TEST(Rss, TypeFollowsWhatIsEnabledAndWhatIsThere) {
  const ToeplitzKey key(kKey);
  const auto type = [&](const Frame& frame, std::uint32_t types) {
    return rss_hash(key, types, parse(frame), frame).type;
  };
  const Frame udp = client::make_frame({}), sctp = client::make_frame({.carries = Carries::sctp});
  EXPECT_EQ(type(udp, kAll), RssType::udp_ipv4);
  EXPECT_EQ(type(udp, kAll & ~kRssUdpIpv4), RssType::ipv4);
  EXPECT_EQ(type(udp, kAll & ~kRssEnable), RssType::none);
  EXPECT_EQ(type(udp, kRssEnable | kRssTcpIpv4), RssType::none);
  EXPECT_EQ(type(sctp, kAll), RssType::ipv4);
  EXPECT_EQ(type(client::make_frame({.ipv6 = true}), kAll), RssType::udp_ipv6);
  Frame fragment = udp;
  store_be(&fragment[14 + 6], std::uint16_t{0x2000});
  EXPECT_EQ(type(fragment, kAll), RssType::ipv4);
  Frame arp(60);
  store_be(&arp[12], std::uint16_t{0x0806});
  EXPECT_EQ(type(arp, kAll), RssType::none);
}

}  // namespace
}  // namespace ladon::nic::offload
