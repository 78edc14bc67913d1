// Packets between functions that the receiver takes uncut: longer frames than the sender asked for, otherwise
// the same bytes in the same order; and everywhere else the segments that it asked for.
#include <gmock/gmock.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "nic/station.h"
#include "spec/descriptor.h"

namespace ladon::nic::testing {
namespace {

namespace pf = spec::pf;
namespace desc = spec::descriptor;
using client::Frame;

constexpr std::size_t kHeaders = 54;
constexpr std::uint16_t kSegment = 1460;

// A packet to be segmented, as a driver makes it.
struct Long {
  Frame frame;
  client::TxOffload offload{
      .ip_checksum = true, .l4_checksum = true, .segment = true, .transport_length = 20, .segment_size = 0};
  [[nodiscard]] ConstBytes payload() const { return ConstBytes(frame).subspan(kHeaders); }
};

Long long_packet(std::uint16_t from, std::uint16_t to, std::size_t payload,
                 std::uint16_t segment = kSegment) {
  client::FrameSpec spec = from_to(from, to);
  spec.carries = client::Carries::tcp;
  spec.payload = payload;
  spec.transport_checksum = false;
  spec.tcp_flags = 0x18;
  Long made{.frame = client::make_frame(spec)};
  made.offload.segment_size = segment;
  store_be(&made.frame[14 + 2], std::uint16_t{0});
  store_be(&made.frame[14 + 10], std::uint16_t{0});
  store_be(&made.frame[34 + 16], client::plain_pseudo_header(made.frame, 14, 6, 0));
  return made;
}

class Unsegmented : public Station {
 public:
  using Station::send;
  explicit Unsegmented(const RigOptions& options = {.vfs = 3}) : Station(options) {}
  void TestBody() override {}
  void SetUp() override {
    Station::SetUp();
    control(1, pf::kVfUnsegmented, true);
  }
  void control(std::uint16_t vf, std::uint32_t bit, bool on) {
    const auto at = vf_register(vf, pf::kVfControl);
    pf_write(at, on ? pf_read(at) | bit : pf_read(at) & ~bit);
  }
  // The lengths of the frames that came, after a look at everything in them.
  std::vector<std::size_t> pass(const Long& packet, std::uint16_t to) {
    if (!send(0, packet.frame, packet.offload)) return {};
    return received(packet, to);
  }
  std::vector<std::size_t> received(const Long& packet, std::uint16_t to) {
    std::vector<std::size_t> lengths;
    std::size_t at = 0;
    while (const auto got = receive(to)) {
      EXPECT_TRUE(client::checksums_hold(got->bytes));
      EXPECT_EQ(got->status & (desc::kRxL4Checked | desc::kRxL4Error | desc::kRxIpError), desc::kRxL4Checked);
      EXPECT_EQ(load_be<std::uint32_t>(&got->bytes[38]), 1 + at);
      EXPECT_LE(got->buffers, kMaxWholeBuffers);
      const ConstBytes part = ConstBytes(got->bytes).subspan(kHeaders);
      EXPECT_TRUE(at + part.size() <= packet.payload().size() &&
                  std::ranges::equal(part, packet.payload().subspan(at, part.size())));
      at += part.size();
      const bool last = at == packet.payload().size();
      EXPECT_EQ((got->bytes[47] & std::byte{0x08}) != std::byte{0}, last) << "PSH";
      lengths.push_back(got->bytes.size());
    }
    EXPECT_EQ(at, lengths.empty() ? 0 : packet.payload().size());
    return lengths;
  }
  std::uint32_t whole(std::uint16_t vf) { return pf_read(vf_register(vf, pf::kVfReceivedWhole)); }
  Rig& bench() { return rig; }
};

std::vector<std::size_t> cut(std::size_t payload, std::size_t piece) {
  std::vector<std::size_t> lengths;
  for (; payload > piece; payload -= piece) lengths.push_back(kHeaders + piece);
  lengths.push_back(kHeaders + payload);
  return lengths;
}

TEST_F(Unsegmented, APacketIsCutIntoAsManySegmentsAsEightBuffersHold) {
  // 8 buffers of 1664 bytes hold 9 segments.
  EXPECT_EQ(pass(long_packet(0, 1, 60'000), 1), cut(60'000, std::size_t{9} * kSegment));
  EXPECT_EQ(whole(1), 5u);
  EXPECT_EQ(rig.nic().statistics(0).sent_packets, 5u);
}

TEST_F(Unsegmented, WhoDoesNotAskForItGetsSegments) {
  EXPECT_EQ(pass(long_packet(0, 2, 20'000), 2), cut(20'000, kSegment));
  control(1, pf::kVfUnsegmented, false);
  EXPECT_EQ(pass(long_packet(0, 1, 20'000), 1), cut(20'000, kSegment));
  EXPECT_EQ(whole(1) + whole(2), 0u);
}

TEST_F(Unsegmented, OneReceiverAmongSeveralGetsSegments) {
  pf_write(vf_register(2, pf::kVfReceiveMode), pf::kReceivePromiscuous);
  control(2, pf::kVfTrust, true);
  EXPECT_EQ(pass(long_packet(0, 1, 20'000), 1), cut(20'000, kSegment));
  EXPECT_EQ(received(long_packet(0, 1, 20'000), 2), cut(20'000, kSegment));
}

TEST_F(Unsegmented, WhatIsForTheWireIsSegmented) {
  ASSERT_TRUE(send(0, long_packet(0, 9, 20'000).frame, long_packet(0, 9, 20'000).offload));
  EXPECT_EQ(rig.wire().sent.size(), cut(20'000, kSegment).size());
}

TEST_F(Unsegmented, LimitsAreReckonedInSegments) {
  qos::ServiceLevel level = rig.nic().level(1);
  level.receive.most = 1'000'000'000;
  ASSERT_FALSE(rig.nic().set_level(1, level));
  EXPECT_EQ(pass(long_packet(0, 1, 20'000), 1), cut(20'000, kSegment));
}

TEST_F(Unsegmented, AFrameIsNoLongerThanThePartition) {
  qos::ServiceLevel level;
  level.memory = {.guaranteed = 12 << 10, .most = 12 << 10};
  ASSERT_FALSE(rig.nic().set_level(1, level));
  const Long packet = long_packet(0, 1, 30'000);
  ASSERT_TRUE(send(0, packet.frame, packet.offload));
  const auto first = receive(1);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->bytes.size(), kHeaders + std::size_t{8} * kSegment);
  EXPECT_FALSE(receive(1)) << "which is then full, as with segments";
}

TEST_F(Unsegmented, WithinAPortsVlan) {
  for (std::uint16_t vf = 0; vf < 2; ++vf) pf_write(vf_register(vf, pf::kVfVlan), 7 | 1u << 31);
  EXPECT_EQ(pass(long_packet(0, 1, 26'000), 1), cut(26'000, std::size_t{9} * kSegment));
  pf_write(vf_register(0, pf::kVfVlan), 8 | 1u << 31);
  EXPECT_TRUE(pass(long_packet(0, 1, 26'000), 1).empty());
}

TEST_F(Unsegmented, SegmentsThatAreTooLongAreDroppedAsEver) {
  pf_write(vf_register(1, pf::kVfMaxFrame), 1400);
  EXPECT_TRUE(pass(long_packet(0, 1, std::size_t{14} * kSegment), 1).empty());
  EXPECT_EQ(rig.nic().drops(1)[VfDrop::rx_too_long], 14u);
}

// The sender waits for buffers in the middle of a packet when the receiver stops to take uncut frames: what
// is left of the packet is lost, and nothing that is too long reaches anybody.
TEST_F(Unsegmented, TheReceiverChangesItsMindWhileAFrameWaits) {
  control(0, pf::kVfBackpressure, true);
  for (int i = 0; i < 245; ++i) ASSERT_TRUE(send(0, client::make_frame(from_to(0, 1))));
  const Long packet = long_packet(0, 1, 30'000);
  ASSERT_TRUE(send(0, packet.frame, packet.offload));
  ASSERT_TRUE(rig.nic().next_deadline()) << "it waits";
  control(1, pf::kVfUnsegmented, false);
  int others = 0, longer = 0;
  for (int i = 0; i < 300; ++i, rig.settle())
    while (const auto got = receive(1)) {
      ++(got->bytes.size() > 1514 ? longer : others);
    }
  EXPECT_EQ(others, 245);
  EXPECT_EQ(longer, 1);
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::tx_no_destination], 1u);
  EXPECT_TRUE(passes(0, 1));
}

RC_GTEST_PROP(UnsegmentedProperty, NothingIsLostAddedOrMoved, ()) {
  const auto payload = *rc::gen::inRange<std::size_t>(6, 65'000);
  const auto segment = *rc::gen::inRange<std::uint16_t>(536, 1461);
  const bool deferred = *rc::gen::arbitrary<bool>();
  Unsegmented device;
  device.SetUp();
  client::MemoryPort& port = device.bench().port(1);
  if (deferred) port.defer_to(&device.bench().nic());
  const Long packet = long_packet(0, 1, payload, segment);
  RC_ASSERT(device.send(0, packet.frame, packet.offload));
  while (port.complete()) device.bench().settle();
  port.defer_to(nullptr);
  const auto lengths = device.received(packet, 1);
  RC_ASSERT(!lengths.empty());
  for (const std::size_t length : lengths) RC_ASSERT(length <= std::size_t{8} * 1664);
  RC_ASSERT(!::testing::Test::HasFailure());
}

}  // namespace
}  // namespace ladon::nic::testing
