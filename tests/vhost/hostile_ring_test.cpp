// Drivers that write into their rings what no driver may: the ring stops, with a reason, and nothing else
// does.
#include "fixture.h"

namespace ladon::vhost {
namespace {

struct Mistake {
  const char* name;
  RingFlaw flaw;
  // Writes the mistake into the transmit ring (or the receive ring), whose memory begins at kBase.
  void (*make)(client::VirtioQueue& ring, std::uint64_t buffer);
  std::uint64_t features = kAllFeatures;
  bool receive = false;
};

constexpr std::uint64_t kNowhere = 0x9'0000'0000;
using Ring = client::VirtioQueue;

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> all = {
      {"IndexFarAhead", RingFlaw::available_index,
       [](Ring& ring, std::uint64_t) { ring.set_available_index(257); }},
      {"IndexMovesBack", RingFlaw::available_index,
       [](Ring& ring, std::uint64_t) { ring.set_available_index(0xFFFF); }},
      {"HeadOutside", RingFlaw::head_index, [](Ring& ring, std::uint64_t) { ring.put_available(256); }},
      {"HeadFarOutside", RingFlaw::head_index, [](Ring& ring, std::uint64_t) { ring.put_available(0xFFFF); }},
      {"NextOutside", RingFlaw::next_index,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 12, virtio::kDescNext, 256);
         ring.put_available(0);
       }},
      {"LoopOfOne", RingFlaw::chain_too_long,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 12, virtio::kDescNext, 0);
         ring.put_available(0);
       }},
      {"LoopOfMany", RingFlaw::chain_too_long,
       [](Ring& ring, std::uint64_t at) {
         for (std::uint16_t i = 0; i < 256; ++i)
           ring.put_descriptor(i, at, 1, virtio::kDescNext, static_cast<std::uint16_t>((i + 1) % 256));
         ring.put_available(0);
       }},
      {"BufferNowhere", RingFlaw::outside_memory,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, kNowhere, 100, 0, 0);
         ring.put_available(0);
       }},
      {"BufferReachesOut", RingFlaw::outside_memory,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, Guest::kBase + (4 << 20) - 50, 100, 0, 0);
         ring.put_available(0);
       }},
      {"BufferBeginsBefore", RingFlaw::outside_memory,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, Guest::kBase - 1, 100, 0, 0);
         ring.put_available(0);
       }},
      {"BufferWrapsAround", RingFlaw::outside_memory,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, ~std::uint64_t{0} - 10, 0xFFFF'FFFF, 0, 0);
         ring.put_available(0);
       }},
      {"EmptyBuffer", RingFlaw::empty_buffer,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 0, 0, 0);
         ring.put_available(0);
       }},
      {"WritableInTransmit", RingFlaw::wrong_direction,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 100, virtio::kDescWrite, 0);
         ring.put_available(0);
       }},
      {"NoHeader", RingFlaw::no_room_for_header,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 11, 0, 0);
         ring.put_available(0);
       }},
      {"IndirectNotNegotiated", RingFlaw::indirect_not_negotiated,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 16, virtio::kDescIndirect, 0);
         ring.put_available(0);
       },
       kAllFeatures & ~virtio::kRingIndirect},
      {"IndirectWithNext", RingFlaw::indirect_with_next,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 16, virtio::kDescIndirect | virtio::kDescNext, 1);
         ring.put_available(0);
       }},
      {"IndirectEmpty", RingFlaw::indirect_size,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 0, virtio::kDescIndirect, 0);
         ring.put_available(0);
       }},
      {"IndirectOdd", RingFlaw::indirect_size,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 17, virtio::kDescIndirect, 0);
         ring.put_available(0);
       }},
      {"IndirectHuge", RingFlaw::indirect_size,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 0xFFFF'FFF0, virtio::kDescIndirect, 0);
         ring.put_available(0);
       }},
      {"IndirectNowhere", RingFlaw::outside_memory,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, kNowhere, 16, virtio::kDescIndirect, 0);
         ring.put_available(0);
       }},
      {"IndirectReachesOut", RingFlaw::outside_memory,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, Guest::kBase + (4 << 20) - 16, 32, virtio::kDescIndirect, 0);
         ring.put_available(0);
       }},
      // The ring's own table, of which the first entry says that it is indirect, for an indirect table.
      {"IndirectNested", RingFlaw::indirect_nested,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, ring.descriptors().base.bits(), 16, virtio::kDescIndirect, 0);
         ring.put_available(0);
       }},
      {"IndirectNextOutside", RingFlaw::next_index,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(1, at, 12, virtio::kDescNext, 1);
         ring.put_descriptor(0, ring.descriptors().base.bits() + 16, 16, virtio::kDescIndirect, 0);
         ring.put_available(0);
       }},
      {"ReadableInReceive", RingFlaw::wrong_direction,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 2048, 0, 0);
         ring.put_available(0);
       },
       kAllFeatures, true},
      {"TooShortInReceive", RingFlaw::no_room_for_header,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 11, virtio::kDescWrite, 0);
         ring.put_available(0);
       },
       kAllFeatures, true},
      {"LoopInReceive", RingFlaw::chain_too_long,
       [](Ring& ring, std::uint64_t at) {
         ring.put_descriptor(0, at, 1, virtio::kDescWrite | virtio::kDescNext, 0);
         ring.put_available(0);
       },
       kAllFeatures, true},
      {"IndexInReceive", RingFlaw::available_index,
       [](Ring& ring, std::uint64_t) { ring.set_available_index(40'000); }, kAllFeatures, true},
      {"NowhereInReceive", RingFlaw::outside_memory,
       [](Ring& ring, std::uint64_t) {
         ring.put_descriptor(0, kNowhere, 2048, virtio::kDescWrite, 0);
         ring.put_available(0);
       },
       kAllFeatures, true},
  };
  return all;
}

class HostileRing : public BackendTest, public testing::WithParamInterface<Mistake> {};

TEST_P(HostileRing, StopsWithAReasonUntilItIsStartedAnew) {
  const Mistake& mistake = GetParam();
  for (const bool sealed : {true, false}) {
    const auto vm = guest({.features = mistake.features}, sealed);
    ASSERT_TRUE(vm->start());
    turn(2);
    const std::uint64_t flaws_before = flawed(mistake.flaw);
    const unsigned queue = mistake.receive ? virtio::kReceiveQueue : virtio::kTransmitQueue;
    Ring& ring = mistake.receive ? vm->net.rx() : vm->net.tx();
    mistake.make(ring, Guest::kBase + (1 << 20));
    static_cast<void>(ring.publish());
    vm->front_end.kick(queue);
    turn(3);
    const auto frame = frame_of(60);
    if (mistake.receive) {
      EXPECT_EQ(backend->send(whole(frame)), Delivery::dropped);
    }
    turn(3);
    EXPECT_EQ(flawed(mistake.flaw), flaws_before + 1);
    EXPECT_EQ(vm->front_end.errors(queue), 1u) << "the front end is told";
    EXPECT_FALSE(backend->link());
    EXPECT_EQ(port.log.back(), 'd');
    EXPECT_EQ(ring.used_index(), 0u);

    // It has stopped, and is not looked at again.
    for (int i = 0; i < 3; ++i) {
      vm->front_end.kick(queue);
      turn();
      static_cast<void>(backend->send(whole(frame)));
    }
    turn();
    EXPECT_EQ(backend->flaws().total(), flaws_before + 1);
    EXPECT_TRUE(port.frames.empty());

    // The other ring goes on, and a new driver starts this one anew.
    ASSERT_TRUE(vm->front_end.stop(queue));
    client::VirtioNet fresh({.features = mistake.features}, {Iova(Guest::kBase), vm->memory.bytes()});
    ASSERT_TRUE(vm->front_end.stop(1 - queue));
    ASSERT_TRUE(vm->front_end.start(virtio::kReceiveQueue, fresh.rx()));
    ASSERT_TRUE(vm->front_end.start(virtio::kTransmitQueue, fresh.tx()));
    EXPECT_TRUE(backend->link());
    fresh.fill();
    ASSERT_TRUE(fresh.send(frame));
    static_cast<void>(fresh.publish());
    vm->front_end.kick(virtio::kTransmitQueue);
    turn(2);
    EXPECT_EQ(port.frames.size(), 1u);
    EXPECT_EQ(backend->send(whole(frame)), Delivery::delivered);
    port.frames.clear();
    vm->front_end.close();
    turn(3);
  }
}

INSTANTIATE_TEST_SUITE_P(Vhost, HostileRing, testing::ValuesIn(mistakes()),
                         [](const auto& mistake) { return mistake.param.name; });

// Section 2.7.5.3.2: normal descriptors may come before an indirect one.
TEST_F(BackendTest, AnIndirectTableMayFollowNormalDescriptors) {
  const auto vm = started();
  auto& ring = vm->net.tx();
  const auto frame = frame_of(100);
  const std::uint64_t at = Guest::kBase + (3 << 20);
  const Bytes memory = vm->memory.bytes().subspan(3 << 20);
  std::ranges::fill(memory.first(12), std::byte{0});
  std::ranges::copy(frame, memory.begin() + 12);
  const auto split = static_cast<std::uint32_t>(frame.size() / 2);
  // The table itself lies in the ring's last descriptors.
  ring.put_descriptor(200, at + 12, split, virtio::kDescNext, 1);
  ring.put_descriptor(201, at + 12 + split, static_cast<std::uint32_t>(frame.size()) - split, 0, 0);
  ring.put_descriptor(0, at, 12, virtio::kDescNext, 1);
  ring.put_descriptor(1, ring.descriptors().base.bits() + 200 * 16, 32, virtio::kDescIndirect, 0);
  ring.put_available(0);
  static_cast<void>(ring.publish());
  vm->front_end.kick(virtio::kTransmitQueue);
  turn();
  ASSERT_EQ(port.frames.size(), 1u);
  EXPECT_EQ(port.frames[0].bytes, frame);
}

}  // namespace
}  // namespace ladon::vhost
