#include "nic/offload/checksum.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <random>

#include "client/frames.h"
#include "spec/descriptor.h"

namespace ladon::nic::offload {
namespace {

using client::Carries;
using client::Frame;
using client::FrameSpec;
using client::layout_of;
using client::make_frame;

// The bytes cut into pieces at arbitrary places, odd ones included.
std::vector<ConstBytes> cut(ConstBytes bytes) {
  std::vector<ConstBytes> pieces;
  for (unsigned i = 0; i < 4; ++i) {
    const auto length = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
    pieces.push_back(bytes.first(length));
    bytes = bytes.subspan(length);
  }
  pieces.push_back(bytes);
  return pieces;
}

Frame noise(std::size_t length) {
  std::minstd_rand random(*rc::gen::arbitrary<std::uint32_t>());
  Frame bytes(length);
  for (auto& byte : bytes) byte = std::byte(static_cast<std::uint8_t>(random() >> 16));
  return bytes;
}

FrameSpec any_spec() {
  FrameSpec spec;
  spec.ipv6 = *rc::gen::arbitrary<bool>();
  spec.carries = *rc::gen::element(Carries::tcp, Carries::udp, Carries::sctp);
  if (*rc::gen::arbitrary<bool>()) spec.vlan = std::uint16_t{5};
  spec.ip_options = *rc::gen::inRange<std::size_t>(0, 3) * 8;
  spec.tcp_options = *rc::gen::inRange<std::size_t>(0, 11) * 4;
  spec.payload = *rc::gen::inRange<std::size_t>(0, 1400);
  spec.seed = *rc::gen::arbitrary<std::uint32_t>();
  return spec;
}

ChecksumRequest request_for(const FrameSpec& spec) {
  const auto at = layout_of(spec);
  const Transport transport = spec.carries == Carries::tcp   ? Transport::tcp
                              : spec.carries == Carries::udp ? Transport::udp
                                                             : Transport::sctp;
  return {.ip = !spec.ipv6,
          .transport = transport,
          .link_length = static_cast<std::uint16_t>(at.network),
          .network_length = static_cast<std::uint16_t>(at.transport - at.network)};
}

ChecksumStatus verify(const Frame& frame) {
  const ConstBytes bytes = frame;
  const std::size_t known = std::min(frame.size(), kMaxSnapshot);
  const std::array<ConstBytes, 1> rest{bytes.subspan(known)};
  return verify_checksums(parse_frame(bytes.first(known), static_cast<std::uint32_t>(frame.size())),
                          bytes.first(known), rest);
}

RC_GTEST_PROP(InternetSum, AgreesWithThePlainSumHoweverItIsCut, ()) {
  const Frame bytes = noise(*rc::gen::inRange<std::size_t>(0, 700));
  const std::uint16_t expected = client::plain_sum(bytes);
  InternetSum by_pieces, by_sums;
  for (const ConstBytes piece : cut(bytes)) {
    by_pieces.add(piece);
    by_sums.add(sum_of(piece));
  }
  // Zero has two forms in ones' complement; only an all-zero input has the first.
  RC_ASSERT(by_pieces.folded() == expected);
  RC_ASSERT(by_sums.folded() == expected);
}

RC_GTEST_PROP(InternetSum, CopyAndSumCopiesAndSums, ()) {
  const Frame bytes = noise(*rc::gen::inRange<std::size_t>(0, 700));
  const auto skip = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
  const ConstBytes from = ConstBytes(bytes).subspan(skip);
  Frame to(from.size());
  RC_ASSERT(copy_and_sum(to, from).folded() == client::plain_sum(from));
  RC_ASSERT(std::ranges::equal(to, from));
}

TEST(InternetSum, ExampleOfRfc1071) {
  constexpr std::array<std::uint8_t, 8> kBytes{0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7};
  EXPECT_EQ(sum_of(std::as_bytes(std::span(kBytes))).folded(), 0xDDF2);
}

TEST(InternetSum, LongRunsOfOnesDoNotOverflow) {
  const Frame ones(256 * 1024, std::byte{0xFF});
  EXPECT_EQ(sum_of(ones).folded(), 0xFFFF);
}

TEST(Crc32c, VectorsOfRfc3720) {
  Crc32c zeros, ascending;
  zeros.add(Frame(32));
  EXPECT_EQ(zeros.value(), 0x8A91'36AAu);
  Frame bytes(32);
  for (std::uint8_t i = 0; i < 32; ++i) bytes[i] = std::byte{i};
  ascending.add(ConstBytes(bytes).first(5));
  ascending.add(ConstBytes(bytes).subspan(5));
  EXPECT_EQ(ascending.value(), 0x46DD'794Eu);
}

RC_GTEST_PROP(Checksum, InsertMakesTheFrameThatSoftwareWouldHaveMade, ()) {
  FrameSpec spec = any_spec();
  const Frame expected = make_frame(spec);
  spec.transport_checksum = false;
  Frame frame = make_frame(spec);
  const auto at = layout_of(spec);
  if (!spec.ipv6) store_be(&frame[at.network + 10], std::uint16_t{0});
  const auto known = *rc::gen::inRange<std::size_t>(at.payload, std::min(frame.size(), kMaxSnapshot) + 1);
  const std::vector<ConstBytes> rest = cut(ConstBytes(frame).subspan(known));
  RC_ASSERT(insert_checksums(request_for(spec), Bytes(frame).first(known), rest).has_value());
  RC_ASSERT(frame == expected);
  RC_ASSERT(client::checksums_hold(frame));
}

RC_GTEST_PROP(Checksum, ASumAtHandIsAsGoodAsTheBytes, ()) {
  FrameSpec spec = any_spec();
  RC_PRE(spec.carries != Carries::sctp);
  const Frame expected = make_frame(spec);
  spec.transport_checksum = false;
  Frame frame = make_frame(spec);
  const auto known =
      *rc::gen::inRange<std::size_t>(layout_of(spec).payload, std::min(frame.size(), kMaxSnapshot) + 1);
  ChecksumRequest request = request_for(spec);
  request.ip = false;
  RC_ASSERT(insert_checksums(request, Bytes(frame).first(known), sum_of(ConstBytes(frame).subspan(known)))
                .has_value());
  RC_ASSERT(frame == expected);
}

TEST(Checksum, SctpNeedsTheBytes) {
  Frame frame = make_frame({.carries = Carries::sctp});
  EXPECT_EQ(insert_checksums(request_for({.carries = Carries::sctp}), frame, InternetSum{}).error(),
            OffloadFlaw::protocol);
}

TEST(Checksum, UdpZeroIsSentAsOnes) {
  FrameSpec spec{.payload = 2, .transport_checksum = false};
  Frame frame = make_frame(spec);
  const auto at = layout_of(spec);
  store_be(&frame[at.payload], std::uint16_t{0});
  // The word that makes the whole sum all ones.
  const std::uint16_t sum = client::plain_sum(ConstBytes(frame).subspan(at.transport));
  store_be(&frame[at.payload], static_cast<std::uint16_t>(~sum));
  ChecksumRequest request = request_for(spec);
  request.ip = false;
  ASSERT_TRUE(insert_checksums(request, frame, Rest{}).has_value());
  EXPECT_EQ(load_be<std::uint16_t>(&frame[at.transport + 6]), 0xFFFF);
  EXPECT_EQ(verify(frame), (ChecksumStatus{.ip_checked = true, .transport_checked = true, .udp = true}));
}

// The driver seeds the outer IP checksum with what lies between the headers, so that the sum over all of
// IPLEN comes out right for the outer header alone.
TEST(Checksum, IpSeedIsPartOfTheSum) {
  FrameSpec spec{.payload = 60};
  Frame frame = make_frame(spec);
  const Frame expected = frame;
  const ChecksumRequest request{.ip = true, .link_length = 14, .network_length = 20 + 16};
  store_be(&frame[24], std::uint16_t{0});
  store_be(&frame[24], static_cast<std::uint16_t>(~client::plain_sum(ConstBytes(frame).subspan(34, 16))));
  ASSERT_TRUE(insert_checksums(request, frame, Rest{}).has_value());
  EXPECT_EQ(frame, expected);
}

TEST(Checksum, RefusesFieldsOutsideTheSnapshot) {
  Frame frame = make_frame({});
  const auto flaw = [&](const ChecksumRequest& request, std::size_t known) {
    const Frame before = frame;
    const auto result = insert_checksums(request, Bytes(frame).first(known), Rest{});
    EXPECT_EQ(frame, before);
    return result ? OffloadFlaw::none : result.error();
  };
  EXPECT_EQ(flaw({.link_length = 13, .network_length = 20}, 60), OffloadFlaw::link_length);
  EXPECT_EQ(flaw({.link_length = 61, .network_length = 20}, 60), OffloadFlaw::link_length);
  EXPECT_EQ(flaw({.ip = true, .link_length = 14, .network_length = 19}, 60), OffloadFlaw::network_length);
  EXPECT_EQ(flaw({.link_length = 14, .network_length = 511}, 60), OffloadFlaw::network_length);
  EXPECT_EQ(flaw({.transport = Transport::tcp, .link_length = 14, .network_length = 20}, 51),
            OffloadFlaw::transport_length);
  EXPECT_EQ(flaw({.transport = Transport::sctp, .link_length = 14, .network_length = 20}, 45),
            OffloadFlaw::transport_length);
  EXPECT_EQ(flaw({.transport = Transport::udp, .link_length = 14, .network_length = 20}, 41),
            OffloadFlaw::transport_length);
}

RC_GTEST_PROP(Checksum, VerifyAcceptsGoodFramesWithPadding, ()) {
  const FrameSpec spec = any_spec();
  Frame frame = make_frame(spec);
  frame.resize(frame.size() + *rc::gen::inRange<std::size_t>(0, 20), std::byte{0xA5});
  const ChecksumStatus status = verify(frame);
  RC_ASSERT(status.ip_checked == !spec.ipv6);
  RC_ASSERT(status.transport_checked);
  RC_ASSERT(!status.ip_wrong && !status.transport_wrong);
}

RC_GTEST_PROP(Checksum, VerifySeesAnyChangedBitOfTheTransport, ()) {
  const FrameSpec spec = any_spec();
  Frame frame = make_frame(spec);
  const auto at = layout_of(spec);
  // Ports and payload: what lies between steers the parser.
  auto place = *rc::gen::inRange<std::size_t>(0, 4 + spec.payload);
  place = place < 4 ? at.transport + place : at.payload + place - 4;
  frame[place] ^= std::byte{1} << *rc::gen::inRange(0, 8);
  const ChecksumStatus status = verify(frame);
  RC_ASSERT(status.transport_checked && status.transport_wrong);
  RC_ASSERT(!status.ip_wrong);
}

TEST(Checksum, VerifySeesABrokenIpHeader) {
  Frame frame = make_frame({});
  frame[14 + 8] ^= std::byte{1};  // time to live
  const ChecksumStatus status = verify(frame);
  EXPECT_TRUE(status.ip_checked && status.ip_wrong);
  EXPECT_FALSE(status.transport_wrong);
}

TEST(Checksum, UdpWithoutChecksumIsNotChecked) {
  Frame frame = make_frame({});
  store_be(&frame[14 + 20 + 6], std::uint16_t{0});
  EXPECT_EQ(verify(frame), (ChecksumStatus{.ip_checked = true, .udp = true}));
}

TEST(Checksum, NothingIsCheckedWhenBytesAreMissing) {
  const Frame frame = make_frame({.payload = 500});
  const ConstBytes bytes = frame;
  const auto headers = parse_frame(bytes.first(128), static_cast<std::uint32_t>(frame.size()));
  const std::array<ConstBytes, 1> rest{bytes.subspan(128, 100)};
  EXPECT_FALSE(verify_checksums(headers, bytes.first(128), rest).transport_checked);
}

TEST(Checksum, StatusBits) {
  namespace descriptor = spec::descriptor;
  EXPECT_EQ(status_bits({}), 0u);
  EXPECT_EQ(status_bits({.ip_checked = true, .transport_checked = true, .udp = true}),
            descriptor::kRxIpChecked | descriptor::kRxL4Checked | descriptor::kRxUdpChecked);
  EXPECT_EQ(status_bits({.ip_checked = true, .ip_wrong = true}),
            descriptor::kRxIpChecked | descriptor::kRxIpError);
  EXPECT_EQ(status_bits({.transport_checked = true, .transport_wrong = true}),
            descriptor::kRxL4Checked | descriptor::kRxL4Error);
}

TEST(Checksum, EveryFlawHasAName) {
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(OffloadFlaw::count_); ++i)
    EXPECT_THAT(name(static_cast<OffloadFlaw>(i)), testing::Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace ladon::nic::offload
