// Receive coalescing on a whole device: whatever segments come, taking the received frames apart gives the
// sent ones back, in order, with nothing lost or twice.
#include <gmock/gmock.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "nic/offload/frame.h"
#include "nic/station.h"
#include "spec/descriptor.h"

namespace ladon::nic::testing {
namespace {

namespace pf = spec::pf;
namespace desc = spec::descriptor;
using client::Frame;

constexpr std::uint8_t kAck = 0x10, kPush = 0x08;

// Where things are in a frame, and what TCP says in it.
struct View {
  explicit View(const Frame& frame) : bytes(frame), at(offload::parse_frame(frame, whole(frame))) {}
  static std::uint32_t whole(const Frame& frame) { return static_cast<std::uint32_t>(frame.size()); }
  [[nodiscard]] bool tcp() const { return at.transport == offload::Transport::tcp; }
  [[nodiscard]] const std::byte* header() const { return bytes.data() + at.transport_offset; }
  [[nodiscard]] std::uint32_t sequence() const { return load_be<std::uint32_t>(header() + 4); }
  [[nodiscard]] std::uint32_t acknowledged() const { return load_be<std::uint32_t>(header() + 8); }
  [[nodiscard]] std::uint16_t window() const { return load_be<std::uint16_t>(header() + 14); }
  [[nodiscard]] std::uint8_t flags() const { return std::to_integer<std::uint8_t>(header()[13]); }
  [[nodiscard]] ConstBytes options() const {
    return ConstBytes(bytes).subspan(at.transport_offset + 20u,
                                     at.payload_offset - at.transport_offset - 20u);
  }
  [[nodiscard]] ConstBytes payload() const {
    return ConstBytes(bytes).subspan(at.payload_offset, at.network_end - at.payload_offset);
  }

  const Frame& bytes;
  offload::FrameHeaders at;
};

struct Shape {
  bool ipv6 = false;
  std::uint16_t port = 1000;
  std::uint32_t sequence = 0, acknowledged = 0, stamp = 0;  // stamp 0: no option
  std::uint16_t window = 500;
  std::uint8_t flags = kAck;
  std::size_t payload = 1000;
  bool broken = false;
  std::uint8_t hops = 64;
};

// From the wire to function 0.
Frame segment(const Shape& shape) {
  client::FrameSpec spec = from_to(9, 0);
  spec.ipv6 = shape.ipv6;
  spec.carries = client::Carries::tcp;
  spec.source_port = shape.port;
  spec.sequence = shape.sequence;
  spec.seed = shape.sequence + shape.port;
  spec.tcp_flags = shape.flags;
  spec.payload = shape.payload;
  spec.tcp_options = shape.stamp != 0 ? 12 : 0;
  Frame frame = client::make_frame(spec);
  const auto at = client::layout_of(spec);
  std::byte* const tcp = frame.data() + at.transport;
  store_be(tcp + 8, shape.acknowledged);
  store_be(tcp + 14, shape.window);
  if (shape.stamp != 0) {
    store_be(tcp + 20, std::uint32_t{0x0101'080A});
    store_be(tcp + 24, shape.stamp);
    store_be(tcp + 28, shape.stamp + 1);
  }
  const std::size_t length = at.size - at.transport;
  store_be(tcp + 16, std::uint16_t{0});
  const std::uint32_t pseudo = client::plain_pseudo_header(frame, at.network, 6, length);
  store_be(tcp + 16, static_cast<std::uint16_t>(
                         ~client::plain_sum(ConstBytes(frame).subspan(at.transport, length), pseudo)));
  if (!shape.ipv6 && shape.hops != 64) {
    std::byte* const ip = frame.data() + at.network;
    ip[8] = std::byte{shape.hops};
    store_be(ip + 10, std::uint16_t{0});
    store_be(ip + 10, static_cast<std::uint16_t>(~client::plain_sum({ip, 20})));
  }
  if (shape.broken) frame.back() ^= std::byte{1};
  return frame;
}

class Coalescing : public Station {
 public:
  Coalescing() : Station({.vfs = 2}) {}
  void TestBody() override {}

  void prepare(bool on = true) {
    SetUp();
    const auto at = vf_register(0, pf::kVfControl);
    pf_write(at, on ? pf_read(at) | pf::kVfCoalesce : pf_read(at) & ~pf::kVfCoalesce);
  }
  // In one turn of the engine.
  std::vector<client::ReceivedFrame> pass(const std::vector<Frame>& frames) {
    for (const Frame& frame : frames) bench().wire().arriving.push_back(frame);
    bench().settle();
    std::vector<client::ReceivedFrame> got;
    while (auto frame = receive(0)) got.push_back(std::move(*frame));
    return got;
  }
  Rig& bench() { return rig; }
  std::uint64_t coalesced() { return pf_read(vf_register(0, pf::kVfCoalesced)); }
};

class CoalescingTest : public Coalescing {
 protected:
  void SetUp() override {
    Coalescing::SetUp();
    const auto at = vf_register(0, pf::kVfControl);
    pf_write(at, pf_read(at) | pf::kVfCoalesce);
  }
  std::vector<Frame> train(Shape shape, std::size_t count) {
    std::vector<Frame> frames;
    for (std::size_t i = 0; i < count; ++i, shape.sequence += static_cast<std::uint32_t>(shape.payload))
      frames.push_back(segment(shape));
    return frames;
  }
};

TEST_F(CoalescingTest, SegmentsInOrderBecomeOneFrame) {
  const auto got = pass(train({.sequence = 100, .payload = 1448}, 8));
  ASSERT_EQ(got.size(), 1u);
  const Frame& frame = got[0].bytes;
  const View view(frame);
  EXPECT_EQ(view.payload().size(), 8 * 1448u);
  EXPECT_EQ(frame.size(), 54 + 8 * 1448u);
  EXPECT_EQ(got[0].buffers, (frame.size() + 1663) / 1664);
  EXPECT_EQ(got[0].info >> desc::kRxCoalescedShift & 0xF, 2u) << "two begin in the first buffer";
  EXPECT_EQ(got[0].status & (desc::kRxL4Checked | desc::kRxL4Error | desc::kRxIpError), desc::kRxL4Checked);
  EXPECT_EQ(coalesced(), 7u);
  EXPECT_EQ(rig.nic().statistics(0).received_packets, 8u);
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
  EXPECT_TRUE(rig.driver(0).rx().canaries_hold());
}

TEST_F(CoalescingTest, OffItChangesNothing) {
  pf_write(vf_register(0, pf::kVfControl), pf_read(vf_register(0, pf::kVfControl)) & ~pf::kVfCoalesce);
  EXPECT_EQ(pass(train({}, 8)).size(), 8u);
  EXPECT_EQ(coalesced(), 0u);
}

TEST_F(CoalescingTest, AFrameHasSixteenBuffersAtMost) {
  const auto got = pass(train({.payload = 1448}, 40));
  ASSERT_GE(got.size(), 3u);
  for (const auto& frame : got) {
    EXPECT_LE(frame.buffers, 16u);
    EXPECT_LE(frame.bytes.size(), 16 * 1664u);
  }
}

TEST_F(CoalescingTest, PushEndsARun) {
  auto frames = train({.payload = 100}, 3);
  frames[1] = segment({.sequence = 100, .flags = kAck | kPush, .payload = 100});
  const auto got = pass(frames);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(View(got[0].bytes).flags(), kAck | kPush);
  EXPECT_EQ(View(got[0].bytes).payload().size(), 200u);
}

TEST_F(CoalescingTest, EveryTurnOfTheEngineEndsARun) {
  const auto frames = train({}, 2);
  EXPECT_EQ(pass({frames[0]}).size(), 1u);
  EXPECT_EQ(pass({frames[1]}).size(), 1u);
}

TEST_F(CoalescingTest, WithoutMemoryForAContextThereIsNone) {
  qos::ServiceLevel level = rig.nic().level(0);
  level.memory = {.guaranteed = 9728, .most = 9728};  // room for one context
  ASSERT_FALSE(rig.nic().set_level(0, level));
  EXPECT_EQ(pass(train({.payload = 500}, 4)).size(), 1u);
  // What is held counts: four segments of 1448 bytes and a context are more than the partition has.
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
  EXPECT_LE(pass(train({.payload = 1448}, 12)).size(), 1u);
  EXPECT_GT(rig.nic().drops(0)[VfDrop::rx_no_memory], 0u);
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
}

TEST_F(CoalescingTest, AResetForgetsARun) {
  rig.port(0).defer_to(&rig.nic());  // nothing can be written in its place: nothing is coalesced
  for (const Frame& frame : train({}, 4)) rig.wire().arriving.push_back(frame);
  rig.settle();
  vf_write(0, spec::ixgbevf::kControl, spec::ixgbevf::kControlReset);
  while (rig.port(0).complete()) {
  }
  rig.port(0).defer_to(nullptr);
  EXPECT_EQ(rig.nic().packet_memory().held(0), 0u);
  ASSERT_TRUE(up(0));
  EXPECT_EQ(pass(train({}, 4)).size(), 1u);
}

// ---- any segments

// Several flows, mostly in order, with everything that must not be coalesced in between.
std::vector<Frame> any_segments() {
  std::array<Shape, 3> flows = {Shape{.port = 1000}, Shape{.port = 1001, .stamp = 7},
                                Shape{.ipv6 = true, .port = 1002}};
  flows[0].sequence = 0xFFFF'F000;  // wraps
  std::vector<Frame> frames;
  const int count = *rc::gen::inRange(1, 60);
  std::size_t flow = 0;
  for (int i = 0; i < count; ++i) {
    if (*rc::gen::inRange(0, 6) == 0) flow = *rc::gen::inRange<std::size_t>(0, flows.size());
    Shape& shape = flows[flow];
    Shape now = shape;
    now.payload = *rc::gen::elementOf(std::vector<std::size_t>{0, 1, 6, 536, 1000, 1400});
    switch (*rc::gen::inRange(0, 24)) {
      case 0:
        now.sequence += *rc::gen::inRange<std::uint32_t>(1, 3000);  // a gap
        break;
      case 1:
        now.sequence -= *rc::gen::inRange<std::uint32_t>(1, 3000);  // again
        break;
      case 2:
        now.flags = *rc::gen::arbitrary<std::uint8_t>();
        break;
      case 3:
        now.flags = kAck | kPush;
        break;
      case 4:
        now.broken = true;
        break;
      case 5:
        now.stamp = now.stamp == 0 ? 9 : 0;
        break;
      case 6:
        now.acknowledged -= 5;
        break;
      case 7:
        now.hops = 63;
        break;
      case 8:
        frames.push_back(client::make_frame(from_to(9, 0)));  // UDP
        break;
      default:
        break;
    }
    frames.push_back(segment(now));
    shape.sequence = now.sequence + static_cast<std::uint32_t>(now.payload);
    shape.acknowledged += *rc::gen::inRange<std::uint32_t>(0, 3);
    shape.window = static_cast<std::uint16_t>(shape.window + 1);
    if (shape.stamp != 0) ++shape.stamp;
  }
  return frames;
}

// `got` is the frames from `next` on, as many as it says; `next` goes behind them.
void take_apart(const client::ReceivedFrame& got, const std::vector<Frame>& sent, std::size_t& next) {
  RC_ASSERT(next < sent.size());
  const std::size_t first = next++;
  if (got.bytes == sent[first]) return;
  const View whole(got.bytes), head(sent[first]);
  RC_ASSERT(whole.at.flaw == offload::FrameFlaw::none && whole.tcp() && head.tcp());
  RC_ASSERT(whole.at.network_end == got.bytes.size());
  RC_ASSERT((got.status & desc::kRxL4Checked) != 0u && (got.status & desc::kRxL4Error) == 0u);
  RC_ASSERT(whole.sequence() == head.sequence());
  if (whole.at.network == offload::Network::ipv4)
    RC_ASSERT(client::plain_sum(ConstBytes(got.bytes).subspan(14, 20)) == 0xFFFF);
  std::vector<std::byte> joined(head.payload().begin(), head.payload().end());
  for (std::size_t last = first;; last = next++) {
    const View one(sent[last]);
    RC_ASSERT(one.tcp() && client::checksums_hold(sent[last]));
    RC_ASSERT((one.flags() & ~kPush) == kAck);
    RC_ASSERT(std::ranges::equal(ConstBytes(sent[last]).first(14), ConstBytes(sent[first]).first(14)));
    RC_ASSERT(
        std::ranges::equal(ConstBytes(sent[last]).subspan(22, 1), ConstBytes(sent[first]).subspan(22, 1)));
    if (last != first) {
      RC_ASSERT(one.sequence() == static_cast<std::uint32_t>(head.sequence() + joined.size()));
      joined.insert(joined.end(), one.payload().begin(), one.payload().end());
    }
    if (joined.size() == whole.payload().size()) {
      RC_ASSERT(whole.acknowledged() == one.acknowledged());
      RC_ASSERT(whole.window() == one.window());
      RC_ASSERT(whole.flags() == one.flags());
      RC_ASSERT(std::ranges::equal(whole.options(), one.options()));
      break;
    }
    RC_ASSERT(joined.size() < whole.payload().size());
    RC_ASSERT(one.flags() == kAck);
    RC_ASSERT(next < sent.size());
  }
  RC_ASSERT(std::ranges::equal(joined, whole.payload()));
}

RC_GTEST_PROP(CoalescingProperty, TakenApartNothingIsLostAddedOrMoved, ()) {
  Coalescing device;
  device.prepare();
  std::uint64_t sent = 0;
  for (int turn = 0; turn < 3; ++turn) {
    const auto frames = any_segments();
    std::size_t next = 0;
    const auto received = device.pass(frames);
    RC_ASSERT(device.bench().nic().drops(0).total() == 0u);
    RC_ASSERT(device.bench().nic().wire_drops().total() == 0u);
    RC_ASSERT(device.bench().nic().faults(0).total() == 0u);
    for (const auto& got : received) take_apart(got, frames, next);
    RC_ASSERT(next == frames.size());
    sent += frames.size();
  }
  RC_ASSERT(device.bench().nic().statistics(0).received_packets == sent);
  RC_ASSERT(device.bench().nic().packet_memory().held(0) == 0u);
  RC_ASSERT(device.bench().driver(0).rx().canaries_hold());
  RC_CLASSIFY(device.coalesced() != 0, "coalesced");
}

}  // namespace
}  // namespace ladon::nic::testing
