// Memory that moves, shrinks and lies in pieces, while rings run.
#include <unistd.h>

#include "fixture.h"

namespace ladon::vhost {
namespace {

TEST(GuestMemory, FindsAddressesOfTheGuestAndOfTheFrontEnd) {
  const client::SharedMemory file(1 << 20);
  const auto open = [&] { return FileDescriptor(::dup(file.fd())); };
  std::array<FileDescriptor, 3> files = {open(), open(), open()};
  const std::array<MemoryRegion, 3> regions = {MemoryRegion{0x1000, 0x1000, 0x70'0000, 0},
                                               MemoryRegion{0x2000, 0x1000, 0x90'0000, 0x8000},
                                               MemoryRegion{0x10000, 0x800, 0xA0'0000, 0x1234}};
  const auto memory = GuestMemory::open(regions, files, {});
  ASSERT_TRUE(memory);
  EXPECT_TRUE(memory->mapped());
  file.bytes()[0x8010] = std::byte{42};
  for (int twice = 0; twice < 2; ++twice) {
    const auto first = memory->find(Gpa(0x1FFF));
    ASSERT_TRUE(first);
    EXPECT_EQ(first->offset, 0xFFFu);
    EXPECT_EQ(first->length, 1u);
    const auto second = memory->find(Gpa(0x2010));
    ASSERT_TRUE(second);
    EXPECT_EQ(second->offset, 0x8010u);
    EXPECT_EQ(second->length, 0xFF0u);
    EXPECT_EQ(*second->mapped, std::byte{42});
    const auto third = memory->find(Gpa(0x107FF));
    ASSERT_TRUE(third);
    EXPECT_EQ(third->length, 1u);
    for (const std::uint64_t nowhere : {0x0u, 0xFFFu, 0x3000u, 0xFFFFu, 0x10800u})
      EXPECT_FALSE(memory->find(Gpa(nowhere))) << nowhere;
    EXPECT_FALSE(memory->find(Gpa(~std::uint64_t{0})));
    EXPECT_EQ(memory->find(UserAddr(0x90'0010))->offset, 0x8010u);
    EXPECT_FALSE(memory->find(UserAddr(0x2010)));
  }
}

TEST_F(BackendTest, MemoryThatCouldShrinkIsServedAllTheSame) {
  const auto vm = started({.features = kAllFeatures}, false);
  for (const std::size_t payload : {18u, 300u, 1400u}) {
    const auto frame = frame_of(payload);
    const std::vector<std::uint32_t> cuts = {12, 100};
    ASSERT_TRUE(vm->send(frame, {}, cuts));
    turn();
    ASSERT_FALSE(port.frames.empty());
    EXPECT_EQ(port.frames.back().bytes, frame);
    ASSERT_EQ(backend->send(whole(frame)), Delivery::delivered);
    backend->flush();
    const auto received = vm->net.receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->bytes, frame);
  }
  EXPECT_FALSE(vm->net.broken());
}

TEST_F(BackendTest, MemoryThatShrinksStopsTheRingAndNothingElse) {
  for (const std::uint64_t left : {std::uint64_t{0}, std::uint64_t{0x20'0000}}) {
    const auto vm = started({.features = kAllFeatures}, false);
    const std::uint64_t before = backend->flaws().total();
    // The buffers lie behind the rings; a frame there is gone, or the rings are.
    ASSERT_TRUE(vm->net.send(frame_of(60)));
    static_cast<void>(vm->net.publish());
    vm->front_end.kick(virtio::kTransmitQueue);
    if (left != 0) {
      vm->net.tx().put_descriptor(0, Guest::kBase + left + 4096, 100, 0, 0);
      vm->net.tx().put_available(0);
      static_cast<void>(vm->net.tx().publish());
    }
    ASSERT_EQ(::ftruncate(vm->memory.fd(), static_cast<off_t>(left)), 0);
    turn(3);
    EXPECT_EQ(backend->flaws().total(), before + 1);
    EXPECT_EQ(backend->flaws()[RingFlaw::memory_gone], before + 1);
    if (left == 0) {
      EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::dropped);
      turn();
    }
    EXPECT_TRUE(vm->front_end.connected());
    port.frames.clear();
    vm->front_end.close();
    turn(3);
    // The driver's own mapping has holes now: nothing here may look at it any more.
  }
}

TEST_F(BackendTest, AMemoryTableMayChangeWhileFramesWait) {
  const auto vm = started();
  port.busy = true;
  const auto first = frame_of(100, 1), second = frame_of(200, 2);
  ASSERT_TRUE(vm->send(first));
  ASSERT_TRUE(vm->send(second));
  turn(2);
  EXPECT_TRUE(port.frames.empty());
  // A second region appears, as when memory is plugged in, and the first is the same memory in another file
  // descriptor.
  const client::SharedMemory more(1 << 20);
  ASSERT_EQ(vm->front_end.ask(vhost_memory({{Guest::kBase, vm->memory.bytes().size(),
                                             Guest::kBase + client::VhostFrontEnd::kUserOffset, 0},
                                            {std::uint64_t{1} << 32, 1 << 20, 0x5000'0000, 0}}),
                              {vm->memory.fd(), more.fd()}),
            0u);
  port.busy = false;
  backend->resume();
  turn(2);
  ASSERT_EQ(port.frames.size(), 2u);
  EXPECT_EQ(port.frames[0].bytes, first);
  EXPECT_EQ(port.frames[1].bytes, second);
  EXPECT_EQ(backend->flaws().total(), 0u);
}

TEST_F(BackendTest, AMemoryTableWithoutTheRingsStopsThem) {
  const auto vm = started();
  port.busy = true;
  ASSERT_TRUE(vm->send(frame_of(100)));
  turn(2);
  const client::SharedMemory other(1 << 20);
  ASSERT_TRUE(vm->front_end.share(std::uint64_t{1} << 40, 1 << 20, other.fd()));
  port.busy = false;
  backend->resume();
  turn(2);
  EXPECT_TRUE(port.frames.empty());
  EXPECT_EQ(flawed(RingFlaw::memory_gone), 2u);
  EXPECT_FALSE(backend->link());
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::dropped);
}

TEST_F(BackendTest, BuffersThatAreNotInTheNewTableStopTheRing) {
  const auto vm = started();
  port.busy = true;
  ASSERT_TRUE(vm->send(frame_of(100)));
  turn(2);
  // The rings stay, the buffers are elsewhere in the guest.
  const std::uint64_t rings = 0x20'0000 / 2;
  ASSERT_EQ(vm->front_end.ask(
                vhost_memory({{Guest::kBase, rings / 4, Guest::kBase + client::VhostFrontEnd::kUserOffset, 0},
                              {std::uint64_t{1} << 40, 4096,
                               Guest::kBase + client::VhostFrontEnd::kUserOffset + rings / 4, rings / 4}}),
                {vm->memory.fd(), vm->memory.fd()}),
            0u);
  port.busy = false;
  backend->resume();
  turn(2);
  EXPECT_TRUE(port.frames.empty());
  EXPECT_GE(backend->flaws().total(), 1u);
}

TEST_F(BackendTest, ARefusedTableLeavesTheOldOne) {
  const auto vm = started();
  EXPECT_EQ(vm->front_end.ask(vhost_memory({{0, 0, 0, 0}}), {vm->memory.fd()}), 1u);
  ASSERT_TRUE(vm->send(frame_of(60)));
  turn();
  EXPECT_EQ(port.frames.size(), 1u);
}

// One buffer, two regions that follow one another in the guest and nowhere else.
TEST_F(BackendTest, ABufferMayGoOnInTheNextRegion) {
  const auto vm = guest();
  const client::SharedMemory more(1 << 20);
  const std::uint64_t end = Guest::kBase + vm->memory.bytes().size();
  ASSERT_TRUE(vm->front_end.open());
  ASSERT_TRUE(vm->front_end.set_features(kAllFeatures));
  ASSERT_EQ(vm->front_end.ask(vhost_memory({{Guest::kBase, vm->memory.bytes().size(),
                                             Guest::kBase + client::VhostFrontEnd::kUserOffset, 0},
                                            {end, 1 << 20, 0x5000'0000, 0}}),
                              {vm->memory.fd(), more.fd()}),
            0u);
  ASSERT_TRUE(vm->front_end.start(virtio::kTransmitQueue, vm->net.tx()));
  const auto frame = frame_of(1000);
  std::vector<std::byte> bytes(12);
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  for (const std::size_t here : {std::size_t{5}, std::size_t{12}, std::size_t{100}, std::size_t{700}}) {
    std::ranges::copy(ConstBytes(bytes).first(here),
                      vm->memory.bytes().end() - static_cast<std::ptrdiff_t>(here));
    std::ranges::copy(ConstBytes(bytes).subspan(here), more.bytes().begin());
    vm->net.tx().put_descriptor(0, end - here, static_cast<std::uint32_t>(bytes.size()), 0, 0);
    vm->net.tx().put_available(0);
    static_cast<void>(vm->net.tx().publish());
    vm->front_end.kick(virtio::kTransmitQueue);
    turn(2);
    ASSERT_FALSE(port.frames.empty());
    EXPECT_EQ(port.frames.back().bytes, frame) << here;
  }
}

}  // namespace
}  // namespace ladon::vhost
