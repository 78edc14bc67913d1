// The device as the stock driver uses it, end to end between virtual functions: probe, link, frames with
// every offload, interrupts, resets.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>

#include "client/frames.h"
#include "nic/rig.h"
#include "spec/ixgbevf.h"

namespace ladon::nic::testing {
namespace {

using client::Carries;
using client::Frame;
using client::FrameSpec;
using client::ReceivedFrame;
using client::TxOffload;
using client::VfError;

namespace descriptor = spec::descriptor;

MacAddress mac(std::uint16_t vf) {
  return client::PfResponder::mac_of(vf);
}

FrameSpec from_to(std::uint16_t source, std::uint16_t destination) {
  return {.destination = mac(destination), .source = mac(source)};
}

class Client : public ::testing::Test {
 protected:
  explicit Client(const RigOptions& options = {}) : rig(options) {}
  void SetUp() override {
    for (std::uint16_t vf = 0; vf < 2; ++vf) {
      ASSERT_EQ(up(vf), "");
      ASSERT_TRUE(rig.driver(vf).link_up().value_or(false));
    }
  }
  std::string up(std::uint16_t vf) {
    if (const auto done = rig.driver(vf).probe(); !done) return std::string(name(done.error()));
    if (const auto done = rig.driver(vf).open(); !done) return std::string(name(done.error()));
    return "";
  }
  // Sends from VF 0 and returns what VF 1 receives.
  std::optional<ReceivedFrame> pass(const Frame& frame, const TxOffload& offload = {}) {
    if (!rig.driver(0).tx().send(frame, offload)) return std::nullopt;
    rig.settle();
    rig.driver(0).tx().reclaim();
    return rig.driver(1).rx().receive();
  }
  Rig rig;
};

TEST_F(Client, ProbeFindsWhatTheSoftwareAssigned) {
  client::VfDriver& driver = rig.driver(0);
  EXPECT_TRUE(driver.mac_assigned());
  EXPECT_EQ(driver.mac(), mac(0));
  EXPECT_EQ(driver.api(), 4);  // 1.3: newer ones were refused
  EXPECT_EQ(driver.queues_offered(), 2);
  EXPECT_GE(rig.software().requests(), 10u);
}

TEST_F(Client, LinkStaysUpThroughMessagesAndGoesDownWithTheSoftware) {
  client::VfDriver& driver = rig.driver(0);
  ASSERT_TRUE(driver.set_receive_mode(client::ReceiveMode::multicast).has_value());
  EXPECT_EQ(driver.link_up(), true);
  EXPECT_EQ(driver.link_up(), true);  // the flag stays although no new message came
  rig.software().set_link(0, false);
  EXPECT_EQ(driver.link_up(), false);
  rig.software().set_link(0, true);
  EXPECT_EQ(driver.link_up(), true);
  EXPECT_EQ(driver.set_receive_mode(client::ReceiveMode::promiscuous).error(), VfError::refused);
}

TEST_F(Client, AFrameArrivesAsItWasSent) {
  const Frame frame = client::make_frame(from_to(0, 1));
  const auto received = pass(frame);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->bytes, frame);
  EXPECT_EQ(received->buffers, 1u);
  EXPECT_TRUE(received->status & descriptor::kRxEndOfPacket);
  EXPECT_TRUE(rig.driver(0).tx().idle());
  EXPECT_FALSE(rig.driver(1).rx().receive().has_value());
  EXPECT_TRUE(rig.wire().sent.empty());
}

TEST_F(Client, UnknownAddressesLeaveOnTheWireAndFramesFromThereArrive) {
  FrameSpec spec = from_to(0, 1);
  spec.destination = MacAddress{{2, 9, 9, 9, 9, 9}};
  const Frame out = client::make_frame(spec), in = client::make_frame({.destination = mac(0)});
  EXPECT_FALSE(pass(out).has_value());
  ASSERT_EQ(rig.wire().sent.size(), 1u);
  EXPECT_EQ(rig.wire().sent.front(), out);
  rig.wire().arriving.push_back(in);
  rig.settle();
  const auto received = rig.driver(0).rx().receive();
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->bytes, in);
  EXPECT_EQ(received->status & (descriptor::kRxL4Error | descriptor::kRxIpError), 0u);
}

TEST_F(Client, BroadcastReachesTheOthersAndTheWireOnce) {
  FrameSpec spec = from_to(0, 1);
  spec.destination = MacAddress{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
  EXPECT_TRUE(pass(client::make_frame(spec)).has_value());
  EXPECT_FALSE(rig.driver(1).rx().receive().has_value());
  EXPECT_FALSE(rig.driver(0).rx().receive().has_value());
  EXPECT_EQ(rig.wire().sent.size(), 1u);
}

TEST_F(Client, AForeignSourceAddressIsRefused) {
  EXPECT_FALSE(pass(client::make_frame(from_to(1, 1))).has_value());
  EXPECT_EQ(rig.nic().drops(0)[VfDrop::tx_spoofed], 1u);
  EXPECT_TRUE(pass(client::make_frame(from_to(0, 1))).has_value());
}

TEST_F(Client, ChecksumsAreInserted) {
  for (const bool ipv6 : {false, true})
    for (const Carries carries : {Carries::tcp, Carries::udp, Carries::sctp}) {
      FrameSpec spec = from_to(0, 1);
      spec.ipv6 = ipv6;
      spec.carries = carries;
      spec.payload = 333;
      const Frame expected = client::make_frame(spec);
      spec.transport_checksum = false;
      Frame frame = client::make_frame(spec);
      if (!ipv6) store_be(&frame[14 + 10], std::uint16_t{0});
      const auto layer4 = carries == Carries::tcp   ? client::Layer4::tcp
                          : carries == Carries::udp ? client::Layer4::udp
                                                    : client::Layer4::sctp;
      const auto received = pass(frame, {.ip_checksum = !ipv6,
                                         .l4_checksum = true,
                                         .ipv4 = !ipv6,
                                         .layer4 = layer4,
                                         .network_length = static_cast<std::uint16_t>(ipv6 ? 40 : 20)});
      ASSERT_TRUE(received.has_value());
      EXPECT_EQ(received->bytes, expected);
    }
}

TEST_F(Client, AVlanTagIsInsertedAndStripped) {
  rig.wire().arriving.push_back([&] {
    FrameSpec spec{.destination = mac(0)};
    spec.vlan = std::uint16_t{0};  // a priority tag
    return client::make_frame(spec);
  }());
  rig.settle();
  const auto received = rig.driver(0).rx().receive();
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->vlan, 0);
  EXPECT_EQ(received->bytes, client::make_frame({.destination = mac(0)}));
}

// Splits what a driver hands over and checks each segment by the plain implementation.
TEST_F(Client, SegmentationMakesFramesThatHold) {
  FrameSpec spec = from_to(0, 1);
  spec.carries = Carries::tcp;
  spec.payload = 20'000;
  spec.transport_checksum = false;
  spec.tcp_flags = 0x18;
  Frame frame = client::make_frame(spec);
  const ConstBytes payload = ConstBytes(frame).subspan(54);
  store_be(&frame[14 + 2], std::uint16_t{0});
  store_be(&frame[14 + 10], std::uint16_t{0});
  store_be(&frame[34 + 16], client::plain_pseudo_header(frame, 14, 6, 0));
  ASSERT_TRUE(rig.driver(0).tx().send(frame, {.ip_checksum = true,
                                              .l4_checksum = true,
                                              .segment = true,
                                              .transport_length = 20,
                                              .segment_size = 1460}));
  rig.settle();
  std::size_t at = 0;
  while (const auto received = rig.driver(1).rx().receive()) {
    EXPECT_TRUE(client::checksums_hold(received->bytes));
    const ConstBytes part = ConstBytes(received->bytes).subspan(54);
    EXPECT_EQ(load_be<std::uint32_t>(&received->bytes[38]), 1 + at);
    ASSERT_LE(at + part.size(), payload.size());
    EXPECT_TRUE(std::ranges::equal(part, payload.subspan(at, part.size())));
    at += part.size();
    EXPECT_EQ(received->status & (descriptor::kRxL4Error | descriptor::kRxIpError), 0u);
  }
  EXPECT_EQ(at, payload.size());
  rig.driver(0).tx().reclaim();
  EXPECT_TRUE(rig.driver(0).tx().idle());
}

TEST_F(Client, NoBufferIsWrittenBehindItsLimit) {
  for (const std::size_t payload : {10u, 1000u, 1472u, 1476u, 1618u, 1622u, 3000u}) {
    FrameSpec spec = from_to(0, 1);
    spec.payload = payload;
    static_cast<void>(pass(client::make_frame(spec)));
  }
  EXPECT_TRUE(rig.driver(1).rx().canaries_hold());
}

TEST_F(Client, InterruptsComeThroughTheVectorsAndMaskThemselves) {
  client::set_vector(rig.function(1), spec::ixgbevf::kMsixBar, 0, 0xFEE0'1000, 0x41);
  client::set_vector(rig.function(1), spec::ixgbevf::kMsixBar, 1, 0xFEE0'1000, 0x42);
  ASSERT_TRUE(pass(client::make_frame(from_to(0, 1))).has_value());
  ASSERT_EQ(rig.port(1).messages().size(), 1u);
  EXPECT_EQ(rig.port(1).messages()[0].address, Iova(0xFEE0'1000));
  EXPECT_EQ(rig.port(1).messages()[0].data, 0x41u);
  // Masked until the driver arms the vector again.
  ASSERT_TRUE(pass(client::make_frame(from_to(0, 1))).has_value());
  EXPECT_EQ(rig.port(1).messages().size(), 1u);
  rig.clock().advance(std::chrono::milliseconds(10));
  rig.driver(1).rearm(1);
  rig.settle();
  EXPECT_EQ(rig.port(1).messages().size(), 2u);
}

TEST_F(Client, ResetAndReopenUnderTraffic) {
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(rig.driver(0).tx().send(client::make_frame(from_to(0, 1)), {}, i != 9));
    if (round % 2 == 0) rig.settle();
    ASSERT_EQ(up(1), "");
    ASSERT_EQ(up(0), "");
    const Frame frame = client::make_frame(from_to(0, 1));
    const auto received = pass(frame);
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(received->bytes, frame);
  }
}

// Sends and receives in any order, with the device working now and then.
class Traffic {
 public:
  explicit Traffic(std::uint32_t seed) : random_(seed) {}
  void start() {
    for (std::uint16_t vf = 0; vf < 2; ++vf) {
      RC_ASSERT(rig.driver(vf).probe().has_value());
      RC_ASSERT(rig.driver(vf).open().has_value());
    }
  }
  void defer() {
    for (std::uint16_t vf = 0; vf < 2; ++vf) rig.port(vf).defer_to(&rig.nic());
  }
  void step() {
    const auto choice = random_() % 12;
    if (choice < 5)
      send();
    else if (choice < 7)
      rig.nic().poll(1 + random_() % 16);
    else if (choice < 8)
      receive();
    else
      rig.port(choice % 2).complete_any(random_());
  }
  void finish() {
    rig.driver(0).tx().ring_doorbell();
    for (int i = 0; i < 2000; ++i) {
      rig.settle();
      if (!rig.port(0).complete_any(random_()) && !rig.port(1).complete_any(random_())) receive();
    }
    rig.driver(0).tx().reclaim();
    RC_ASSERT(rig.driver(0).tx().idle());
    RC_ASSERT(received_ + rig.nic().drops(0).total() + rig.nic().drops(1).total() == sent_);
    RC_ASSERT(received_ > 0u);
    RC_ASSERT(rig.driver(1).rx().canaries_hold());
  }

 private:
  void send() {
    FrameSpec spec = from_to(0, 1);
    spec.seed = ++serial_;
    spec.payload = 18 + random_() % 1400;  // shorter frames are padded
    const Frame frame = client::make_frame(spec);
    rig.driver(0).tx().reclaim();
    if (!rig.driver(0).tx().send(frame, {}, random_() % 2 == 0)) return;
    expected_.push_back(frame);
    ++sent_;
  }
  void receive() {
    while (const auto received = rig.driver(1).rx().receive()) {
      ++received_;
      while (!expected_.empty() && expected_.front() != received->bytes) expected_.pop_front();  // dropped
      RC_ASSERT(!expected_.empty());
      expected_.pop_front();
    }
  }

  Rig rig;
  std::minstd_rand random_;
  std::deque<Frame> expected_;
  std::uint64_t received_ = 0, sent_ = 0;
  std::uint32_t serial_ = 0;
};

// Every frame arrives whole, once, in order - unless the ring had no room, which is counted.
RC_GTEST_PROP(ClientProperty, FramesArriveInOrderOrAreCounted, ()) {
  Traffic traffic(*rc::gen::arbitrary<std::uint32_t>());
  traffic.start();
  for (int i = 0; i < 600; ++i) traffic.step();
  traffic.finish();
}

// The same when every access to memory completes late, and reads in any order.
RC_GTEST_PROP(ClientProperty, SplitPhaseKeepsTheOrder, ()) {
  Traffic traffic(*rc::gen::arbitrary<std::uint32_t>());
  traffic.start();
  traffic.defer();
  for (int i = 0; i < 1500; ++i) traffic.step();
  traffic.finish();
}

}  // namespace
}  // namespace ladon::nic::testing
