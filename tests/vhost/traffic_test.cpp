// Frames of all shapes through running rings: buffers in pieces, merged buffers, offloads, waiting for room.
#include "fakes/count_allocations.h"
#include "fakes/vhost_cable.h"
#include "fixture.h"

namespace ladon::vhost {
namespace {

client::VirtioNetOptions options_for(std::uint64_t features) {
  return {.features = features};
}

struct Segment {
  client::Frame frame;
  client::VirtioNetHeader header;
};
// A long TCP segment, as a driver leaves it to the device.
Segment long_segment(bool ipv6, std::size_t payload) {
  client::FrameSpec spec;
  spec.ipv6 = ipv6;
  spec.carries = client::Carries::tcp;
  spec.payload = payload;
  spec.transport_checksum = false;
  const auto layout = client::layout_of(spec);
  return {client::make_frame(spec),
          {.flags = virtio::kHeaderNeedsChecksum,
           .gso_type = ipv6 ? virtio::kGsoTcp6 : virtio::kGsoTcp4,
           .header_length = static_cast<std::uint16_t>(layout.payload),
           .gso_size = 1448,
           .checksum_start = static_cast<std::uint16_t>(layout.transport),
           .checksum_offset = 16}};
}

TEST_F(BackendTest, FramesInPiecesOfAnySize) {
  for (const std::uint64_t features : {kAllFeatures, kAllFeatures & ~virtio::kRingIndirect,
                                       kAllFeatures & ~virtio::kRingEventIdx, std::uint64_t{0}}) {
    const auto vm = started(options_for(features));
    for (const std::vector<std::uint32_t>& cuts : std::vector<std::vector<std::uint32_t>>{
             {}, {12}, {1, 1, 1}, {10, 4}, {11, 20}, {13, 255, 1}, std::vector<std::uint32_t>(50, 7)}) {
      const auto frame = frame_of(700, static_cast<std::uint32_t>(cuts.size()));
      ASSERT_TRUE(vm->send(frame, {}, cuts));
      turn();
      ASSERT_FALSE(port.frames.empty());
      EXPECT_EQ(port.frames.back().bytes, frame);
    }
    EXPECT_FALSE(vm->net.broken());
    vm->front_end.close();
    turn(3);
  }
  EXPECT_EQ(backend->flaws().total(), 0u);
}

TEST_F(BackendTest, FramesThatAreNoneAreDroppedAndTheirBuffersGivenBack) {
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.tx_size = 4;
  net.tx_buffer = 128 * 1024;
  const auto vm = started(net);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(vm->send(client::Frame(13)));
    ASSERT_TRUE(vm->send(client::Frame(kMaxFrame + 1)));
    ASSERT_TRUE(vm->send(frame_of(60), {.flags = 1, .checksum_start = 5000, .checksum_offset = 16}));
    ASSERT_TRUE(vm->send(frame_of(60), {.gso_type = 3, .gso_size = 100}));
    turn(2);
  }
  EXPECT_EQ(dropped(FrameDrop::too_short), 3u);
  EXPECT_EQ(dropped(FrameDrop::too_long), 3u);
  EXPECT_EQ(dropped(FrameDrop::bad_checksum_request), 3u);
  EXPECT_EQ(dropped(FrameDrop::bad_segmentation), 3u);
  ASSERT_TRUE(vm->send(client::Frame(kMaxFrame)));
  ASSERT_TRUE(vm->send(client::Frame(14)));
  turn(2);
  EXPECT_EQ(port.frames.size(), 2u);
  vm->net.reclaim();
  EXPECT_EQ(vm->net.free_tx_buffers(), 4u);
}

TEST_F(BackendTest, LongFramesUseSeveralBuffers) {
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.rx_buffer = 1536;
  net.rx_pieces = 3;
  const auto vm = started(net);
  for (const std::size_t length : {1524u, 1525u, 3060u, 3061u, 9000u, 65000u}) {
    client::Frame frame(length);
    for (std::size_t i = 0; i < length; ++i) frame[i] = static_cast<std::byte>(i * 7 + length);
    ASSERT_EQ(backend->send(whole(frame)), Delivery::delivered);
    backend->flush();
    const auto received = vm->net.receive();
    ASSERT_TRUE(received) << length;
    EXPECT_EQ(received->bytes, frame);
    EXPECT_EQ(received->header.buffers, (length + 12 + 1535) / 1536);
    vm->fill();
  }
  EXPECT_FALSE(vm->net.broken());
}

TEST_F(BackendTest, WithoutMergingAFrameFitsOneBufferOrIsDropped) {
  client::VirtioNetOptions net = options_for(kAllFeatures & ~virtio::kNetMergeable);
  net.rx_buffer = 1536;
  const auto vm = started(net);
  EXPECT_EQ(backend->send(whole(client::Frame(1524))), Delivery::delivered);
  EXPECT_EQ(backend->send(whole(client::Frame(1525))), Delivery::dropped);
  EXPECT_EQ(dropped(FrameDrop::buffer_too_small), 1u);
  EXPECT_EQ(backend->send(whole(client::Frame(1524))), Delivery::delivered);
  backend->flush();
  EXPECT_EQ(vm->net.receive()->bytes.size(), 1524u);
  EXPECT_EQ(vm->net.receive()->bytes.size(), 1524u);
  EXPECT_FALSE(vm->net.receive());
}

TEST_F(BackendTest, BuffersThatAreTooSmallAreNotCountedForEver) {
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.rx_size = 512;
  net.rx_buffer = 16;
  const auto vm = started(net);
  EXPECT_EQ(backend->send(whole(client::Frame(1000))), Delivery::delivered);
  EXPECT_EQ(backend->send(whole(client::Frame(5000))), Delivery::dropped);
  EXPECT_EQ(dropped(FrameDrop::too_many_buffers), 1u);
  EXPECT_EQ(backend->flaws().total(), 0u);
}

TEST_F(BackendTest, RefusesItsConsumersMistakes) {
  const auto vm = started();
  const client::Frame bytes(100);
  Frame frame = whole(bytes);
  frame.length = 101;
  EXPECT_EQ(backend->send(frame), Delivery::dropped);
  frame.length = 99;
  EXPECT_EQ(backend->send(frame), Delivery::dropped);
  EXPECT_EQ(backend->send(whole(bytes, {.checksum = true, .checksum_start = 90, .checksum_offset = 10})),
            Delivery::dropped);
  EXPECT_EQ(dropped(FrameDrop::inconsistent), 3u);
  EXPECT_EQ(backend->send(whole(ConstBytes(bytes).first(13))), Delivery::dropped);
  EXPECT_EQ(backend->send(whole(client::Frame(kMaxFrame + 1))), Delivery::dropped);
}

TEST_F(BackendTest, WhatADriverDoesNotTakeIsRefused) {
  const auto vm = started(options_for(kAllFeatures & ~(virtio::kNetGuestTso6 | virtio::kNetGuestTso4)));
  const Offload checksum{.checksum = true, .checksum_start = 34, .checksum_offset = 16};
  Offload segments = checksum;
  segments.segmentation = Segmentation::tcp4;
  segments.segment_size = 1448;
  segments.header_length = 54;
  EXPECT_TRUE(backend->takes(checksum));
  EXPECT_FALSE(backend->takes(segments));
  EXPECT_EQ(backend->send(whole(frame_of(1000), checksum)), Delivery::delivered);
  EXPECT_EQ(backend->send(whole(frame_of(1000), segments)), Delivery::dropped);
  EXPECT_EQ(dropped(FrameDrop::offload_not_negotiated), 1u);
}

TEST_F(BackendTest, ABusyPortGetsTheFrameAgainAndInOrder) {
  const auto vm = started();
  port.busy = true;
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(vm->send(frame_of(60 + i, i)));
  turn(5);
  EXPECT_TRUE(port.frames.empty());
  EXPECT_EQ(backend->traffic().port_busy, 1u) << "it is not asked again and again";
  vm->net.reclaim();
  EXPECT_EQ(vm->net.free_tx_buffers(), 251u);
  port.busy = false;
  turn(3);
  EXPECT_TRUE(port.frames.empty());
  backend->resume();
  turn();
  ASSERT_EQ(port.frames.size(), 5u);
  for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(port.frames[i].bytes, frame_of(60 + i, i));
}

TEST_F(BackendTest, AGuestWithoutBuffersSaysWhenItHasSome) {
  for (const std::uint64_t features : {kAllFeatures, kAllFeatures & ~virtio::kRingEventIdx}) {
    client::VirtioNetOptions net = options_for(features);
    net.rx_size = 4;
    const auto vm = started(net);
    const auto frame = frame_of(100);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(backend->send(whole(frame)), Delivery::delivered);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(backend->send(whole(frame)), Delivery::busy);
    backend->flush();
    port.log.clear();
    turn(3);
    EXPECT_EQ(port.log.find('r'), std::string::npos);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(vm->net.receive());
    vm->fill();
    turn();
    EXPECT_NE(port.log.find('r'), std::string::npos);
    EXPECT_EQ(backend->send(whole(frame)), Delivery::delivered);
    // Buffers that nobody waits for are nothing to be told of.
    backend->flush();
    ASSERT_TRUE(vm->net.receive());
    const std::uint64_t kicks = backend->kicks();
    vm->fill();
    turn();
    EXPECT_EQ(backend->kicks(), kicks);
    vm->front_end.close();
    turn(3);
  }
}

TEST_F(BackendTest, APolledBackendNoticesNewBuffersItself) {
  options.polling = true;
  restart();
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.rx_size = 2;
  const auto vm = started(net);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::delivered);
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::busy);
  backend->flush();
  port.log.clear();
  EXPECT_FALSE(backend->poll());
  EXPECT_EQ(port.log.find('r'), std::string::npos);
  ASSERT_TRUE(vm->net.receive());
  static_cast<void>(vm->net.fill());
  EXPECT_TRUE(backend->poll());
  EXPECT_NE(port.log.find('r'), std::string::npos);
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::delivered);
}

// A port may send a guest's frame back to it, and its buffers may be any of its memory: the frame's own, too.
TEST_F(BackendTest, BuffersMayLieInTheFrameThatComesBack) {
  const auto vm = started({.features = kAllFeatures, .rx_size = 4});
  auto& ring = vm->net.rx();
  const std::uint64_t at = Guest::kBase + (3 << 20);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(backend->send(whole(frame_of(60))), Delivery::delivered);
  ring.put_descriptor(0, at + 500, 3000, virtio::kDescWrite, 0);
  ring.put_available(0);
  static_cast<void>(ring.publish());
  const std::array<ConstBytes, 1> rest = {vm->memory.bytes().subspan(3 << 20, 2000)};
  const client::Frame head(100);
  EXPECT_EQ(backend->send({.head = head, .rest = rest, .length = 2100, .offload = {}}), Delivery::delivered);
}

TEST_F(BackendTest, AFrameThatWaitsForAGuestThatGoesIsNotForgotten) {
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.rx_size = 1;
  const auto vm = started(net);
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::delivered);
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::busy);
  port.log.clear();
  vm->front_end.close();
  turn(3);
  EXPECT_NE(port.log.find('r'), std::string::npos);
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::dropped);
}

TEST_F(BackendTest, NorIsOneForAGuestThatNeverSent) {
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.rx_size = 1;
  const auto vm = guest(net);
  ASSERT_TRUE(vm->front_end.open());
  ASSERT_TRUE(vm->front_end.set_features(kAllFeatures));
  ASSERT_TRUE(vm->front_end.share(Guest::kBase, vm->memory.bytes().size(), vm->memory.fd()));
  ASSERT_TRUE(vm->front_end.start(virtio::kReceiveQueue, vm->net.rx()));
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::busy);
  EXPECT_FALSE(backend->link());
  port.log.clear();
  vm->front_end.close();
  turn(3);
  EXPECT_EQ(port.log.find('r'), port.log.rfind('r'));
  EXPECT_NE(port.log.find('r'), std::string::npos);
}

TEST_F(BackendTest, NoGuestKeepsTheLoopToItself) {
  options.budget = {.frames = 16, .bytes = 1 << 20};
  restart();
  const auto vm = started();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(vm->net.send(frame_of(60)));
  static_cast<void>(vm->net.publish());
  vm->front_end.kick(virtio::kTransmitQueue);
  std::size_t before = 0;
  for (int i = 0; i < 7; ++i) {
    turn();
    // The kick and the backend's own event may come in one turn.
    EXPECT_LE(port.frames.size() - before, 32u);
    before = port.frames.size();
  }
  EXPECT_EQ(port.frames.size(), 100u) << "and all comes without another kick";
}

TEST_F(BackendTest, BytesCountAsWellAsFrames) {
  options.budget = {.frames = 64, .bytes = 100'000};
  restart();
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.tx_size = 16;
  net.tx_buffer = 66'000;
  const auto vm = started(net);
  for (int i = 0; i < 16; ++i) {
    const Segment segment = long_segment(false, 60'000);
    ASSERT_TRUE(vm->net.send(segment.frame, segment.header));
  }
  static_cast<void>(vm->net.publish());
  vm->front_end.kick(virtio::kTransmitQueue);
  turn();
  EXPECT_EQ(port.frames.size(), 2u);
  turn(20);
  EXPECT_EQ(port.frames.size(), 16u);
}

TEST_F(BackendTest, SignalsOnlyADriverThatWantsThem) {
  for (const std::uint64_t features : {kAllFeatures, kAllFeatures & ~virtio::kRingEventIdx}) {
    const auto vm = started(options_for(features));
    static_cast<void>(vm->front_end.calls(virtio::kReceiveQueue));
    vm->net.rx().want_signal(false);
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(backend->send(whole(frame_of(60))), Delivery::delivered);
      backend->flush();
    }
    EXPECT_EQ(vm->front_end.calls(virtio::kReceiveQueue), 0u);
    while (vm->net.receive()) {
    }
    vm->net.rx().want_signal(true);
    for (int i = 0; i < 10; ++i) ASSERT_EQ(backend->send(whole(frame_of(60))), Delivery::delivered);
    backend->flush();
    EXPECT_EQ(vm->front_end.calls(virtio::kReceiveQueue), 1u) << "one for a batch";
    vm->front_end.close();
    turn(3);
  }
}

// ---- two guests

class CableTest : public testing::Test {
 protected:
  fakes::ScratchFolder folder;
  ManualClock clock;
  EpollLoop loop{clock};
  fakes::VhostCable cable{loop, {folder / "a", folder / "b"}, {}};

  void turn(int times = 1) {
    for (int i = 0; i < times; ++i) loop.run_once(Duration::zero());
  }
  [[nodiscard]] std::unique_ptr<Guest> started(const char* name, client::VirtioNetOptions net) {
    auto vm = std::make_unique<Guest>(folder / name, [this] { turn(); }, net);
    EXPECT_TRUE(vm->start());
    vm->fill();
    turn(3);
    return vm;
  }
};

TEST_F(CableTest, LongSegmentsGoThroughAsTheyAre) {
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.tx_size = 16;
  net.tx_buffer = 66'000;
  const auto a = started("a", net), b = started("b", net);
  for (const bool ipv6 : {false, true}) {
    for (const std::size_t payload : {1000u, 20'000u, 65'000u}) {
      const Segment segment = long_segment(ipv6, payload);
      const std::vector<std::uint32_t> cuts = {12, 60, 4096, 4096, 16384};
      ASSERT_TRUE(a->send(segment.frame, segment.header, cuts));
      turn(2);
      const auto received = b->net.receive();
      ASSERT_TRUE(received) << payload;
      EXPECT_EQ(received->bytes, segment.frame);
      client::VirtioNetHeader expected = segment.header;
      expected.buffers = received->header.buffers;
      EXPECT_EQ(received->header, expected);
      b->fill();
    }
  }
}

TEST_F(CableTest, NothingIsLostBetweenAFastSenderAndASlowReceiver) {
  client::VirtioNetOptions net = options_for(kAllFeatures);
  net.rx_size = 16;
  const auto a = started("a", net), b = started("b", net);
  std::uint32_t sent = 0, received = 0;
  for (int round = 0; received < 2000 && round < 100'000; ++round) {
    while (sent < 2000 && a->send(frame_of(60 + sent % 900, sent))) ++sent;
    turn();
    if (round % 3 != 0) continue;
    for (int i = 0; i < 5; ++i) {
      const auto frame = b->net.receive();
      if (!frame) break;
      ASSERT_EQ(frame->bytes, frame_of(60 + received % 900, received));
      ++received;
    }
    b->fill();
  }
  EXPECT_EQ(received, 2000u);
  EXPECT_GT(cable.backend(1).traffic().guest_busy, 0u);
  EXPECT_EQ(cable.backend(0).traffic().drops.total() + cable.backend(1).traffic().drops.total(), 0u);
  EXPECT_FALSE(a->net.broken() || b->net.broken());
}

TEST_F(CableTest, FramesAllocateNothing) {
  const auto a = started("a", options_for(kAllFeatures)), b = started("b", options_for(kAllFeatures));
  a->net.preload(frame_of(1400));
  for (int round = 0; round < 20; ++round) {
    ASSERT_GT(a->net.transmit_batch(64), 0u);
    a->front_end.kick(virtio::kTransmitQueue);
    const std::size_t before = fakes::allocations;
    turn(3);
    EXPECT_EQ(fakes::allocations, before) << round;
    b->net.receive_batch(64);
  }
  EXPECT_GE(cable.backend(1).traffic().to_guest_frames, 20u * 64u);
}

}  // namespace
}  // namespace ladon::vhost
