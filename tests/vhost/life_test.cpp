// Front ends that come, go, crowd and do not listen.
#include <sys/socket.h>

#include "fixture.h"

namespace ladon::vhost {
namespace {

TEST_F(BackendTest, AGuestComesUpAndFramesGoBothWays) {
  const auto vm = started();
  EXPECT_EQ(port.log.find('u'), port.log.rfind('u'));
  EXPECT_TRUE(backend->link());
  const auto frame = frame_of(200);
  ASSERT_TRUE(vm->send(frame));
  turn();
  ASSERT_EQ(port.frames.size(), 1u);
  EXPECT_EQ(port.frames[0].bytes, frame);
  EXPECT_EQ(port.log.back(), 'f');

  EXPECT_EQ(backend->send(whole(frame)), Delivery::delivered);
  EXPECT_FALSE(vm->net.receive()) << "not before flush()";
  backend->flush();
  const auto received = vm->net.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, frame);
  EXPECT_EQ(received->header.buffers, 1u);
  EXPECT_FALSE(vm->net.broken());
  EXPECT_EQ(backend->refusals().total(), 0u);
  EXPECT_EQ(backend->flaws().total(), 0u);
  EXPECT_EQ(backend->traffic().drops.total(), 0u);
}

TEST_F(BackendTest, RefusesASecondFrontEndAndKeepsTheFirst) {
  const auto vm = started();
  auto second = connect();
  EXPECT_FALSE(second.connected());
  EXPECT_EQ(refused(Refusal::second_client), 1u);
  ASSERT_TRUE(vm->send(frame_of(60)));
  turn();
  EXPECT_EQ(port.frames.size(), 1u);
}

TEST_F(BackendTest, TheNextFrontEndFindsACleanState) {
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    {
      auto vm = started();
      EXPECT_TRUE(backend->link());
      vm->front_end.close();
      turn(2);
      EXPECT_FALSE(backend->connected());
      EXPECT_FALSE(backend->link());
    }
    EXPECT_EQ(open_descriptors(), before);
  }
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::dropped);
  EXPECT_EQ(dropped(FrameDrop::not_connected), 1u);
}

TEST_F(BackendTest, AFrontEndThatIsRestartedIsNoSecondOne) {
  auto first = started();
  first->front_end.close();
  const auto again = started();  // both are news to the backend
  EXPECT_TRUE(backend->link());
  EXPECT_EQ(refused(Refusal::second_client), 0u);
}

TEST_F(BackendTest, ADisconnectAtAnyByteLeavesACleanState) {
  const client::SharedMemory memory(1 << 20);
  const auto event = EventFd::create();
  client::VhostMessage stream = vhost_message(Kind::get_features);
  const std::size_t first = stream.size();
  for (const auto& message : {vhost_u64(Kind::set_features, kAllFeatures), vhost_memory({{0, 1 << 20, 0, 0}}),
                              vhost_state(Kind::set_vring_num, 0, 256),
                              vhost_addresses(0, 0x1000, 0x3000, 0x2000), vhost_u64(Kind::set_vring_kick, 0)})
    stream.insert(stream.end(), message.begin(), message.end());
  const std::size_t before = open_descriptors();
  for (std::size_t length = 0; length <= stream.size(); ++length) {
    auto client = std::make_unique<client::VhostFrontEnd>(path, turner());
    const ConstBytes part = ConstBytes(stream).first(length);
    // Descriptors go with the second message and with no other.
    ASSERT_TRUE(client->send(part.first(std::min(first, length))));
    if (length > first) {
      ASSERT_TRUE(client->send(part.subspan(first), {memory.fd(), event->get()}));
    }
    turn(2);
    client.reset();
    turn(3);
    ASSERT_FALSE(backend->connected()) << length;
    ASSERT_EQ(open_descriptors(), before) << length;
  }
  EXPECT_TRUE(started()->front_end.connected());
}

TEST_F(BackendTest, DisconnectsAFrontEndThatDoesNotReadItsAnswers) {
  options.connection.output = 16 * 1024;
  restart();
  auto slow = connect();
  const auto ask = vhost_message(Kind::get_features);
  for (int i = 0; i < 200'000 && slow.send(ask); ++i)
    if (i % 64 == 0) turn();  // never waits
  EXPECT_FALSE(backend->connected());
  EXPECT_EQ(refused(Refusal::output_overflow), 1u);
}

TEST_F(BackendTest, DisconnectsAStreamThatCannotBeFollowed) {
  for (const auto& bad :
       {client::VhostMessage(64, std::byte{0xFD}), client::VhostMessage(64, std::byte{0})}) {
    auto client = connect();
    ASSERT_TRUE(client.send(bad));
    EXPECT_FALSE(client.connected());
  }
  EXPECT_EQ(refused(Refusal::bad_version), 1u);
  EXPECT_EQ(refused(Refusal::message_too_long), 1u);
}

TEST_F(BackendTest, ThePortMayDisconnectItsGuestFromWithinACall) {
  const auto vm = started();
  port.on_take = [this] { backend->disconnect(); };
  ASSERT_TRUE(vm->send(frame_of(60)));
  turn(2);
  EXPECT_FALSE(backend->connected());
  EXPECT_EQ(port.log.back(), 'd');
  port.on_take = {};
  EXPECT_TRUE(started()->front_end.connected());
}

TEST_F(BackendTest, AnotherGuestIsNotDisturbed) {
  RecordingPort other_port;
  auto other = Backend::listen(folder / "other", loop, other_port, {});
  ASSERT_TRUE(other);
  Guest neighbour(folder / "other", turner(), {.features = kAllFeatures});
  ASSERT_TRUE(neighbour.start());
  auto client = connect();
  ASSERT_TRUE(client.send(client::VhostMessage(64, std::byte{0xFF})));
  EXPECT_FALSE(client.connected());
  ASSERT_TRUE(neighbour.send(frame_of(60)));
  turn(2);
  EXPECT_EQ(other_port.frames.size(), 1u);
}

// QEMU's own order when a guest's driver lets go of the device and takes it again.
TEST_F(BackendTest, RingsStopAndStartOnOneConnection) {
  const auto vm = started();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(vm->send(frame_of(60)));
      turn();
    }
    ASSERT_EQ(port.frames.size(), 10u * (2u * static_cast<unsigned>(round) + 1));
    const auto receive = vm->front_end.stop(virtio::kReceiveQueue);
    const auto transmit = vm->front_end.stop(virtio::kTransmitQueue);
    ASSERT_TRUE(receive && transmit);
    EXPECT_EQ(*transmit, vm->net.tx().available_index());
    EXPECT_FALSE(backend->link());

    const std::size_t before = port.frames.size();
    ASSERT_TRUE(vm->send(frame_of(60)));
    vm->front_end.kick(virtio::kTransmitQueue);
    turn(3);
    EXPECT_EQ(port.frames.size(), before) << "a stopped ring is not looked at";
    ASSERT_TRUE(vm->front_end.start(virtio::kReceiveQueue, vm->net.rx(), *receive));
    ASSERT_TRUE(vm->front_end.start(virtio::kTransmitQueue, vm->net.tx(), *transmit));
    turn();
    EXPECT_EQ(port.frames.size(), before + 1) << "what has waited needs no kick";
    EXPECT_TRUE(backend->link());
    for (int i = 0; i < 9; ++i) {
      ASSERT_TRUE(vm->send(frame_of(60)));
      turn();
    }
  }
  EXPECT_FALSE(vm->net.broken());
  EXPECT_EQ(backend->flaws().total(), 0u);
}

TEST_F(BackendTest, ADisabledRingDiscardsWhatIsSentAndDeliversNothing) {
  const auto vm = started();
  ASSERT_EQ(vm->front_end.ask(vhost_state(Kind::set_vring_enable, virtio::kTransmitQueue, 0)), 0u);
  ASSERT_EQ(vm->front_end.ask(vhost_state(Kind::set_vring_enable, virtio::kReceiveQueue, 0)), 0u);
  ASSERT_TRUE(vm->send(frame_of(60)));
  turn(2);
  EXPECT_TRUE(port.frames.empty());
  EXPECT_EQ(dropped(FrameDrop::ring_disabled), 1u);
  vm->net.reclaim();
  EXPECT_EQ(vm->net.free_tx_buffers(), 256u) << "its buffer is given back";
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::dropped);
  EXPECT_NE(port.log.find('d'), std::string::npos);
}

TEST_F(BackendTest, WithoutProtocolFeaturesARingIsEnabledFromTheStart) {
  const auto vm = guest();
  ASSERT_TRUE(vm->front_end.open());
  ASSERT_EQ(vm->front_end.ask(vhost_u64(Kind::set_features, kAllFeatures)), 0u);
  ASSERT_TRUE(vm->front_end.share(Guest::kBase, vm->memory.bytes().size(), vm->memory.fd()));
  const auto& ring = vm->net.tx();
  const auto user = [](const client::GuestMemory& part) {
    return part.base.bits() + client::VhostFrontEnd::kUserOffset;
  };
  EXPECT_EQ(vm->front_end.ask(vhost_state(Kind::set_vring_num, 1, ring.size())), 0u);
  EXPECT_EQ(vm->front_end.ask(
                vhost_addresses(1, user(ring.descriptors()), user(ring.used()), user(ring.available()))),
            0u);
  EXPECT_EQ(vm->front_end.ask(vhost_u64(Kind::set_vring_kick, 1), {vm->front_end.kick_event(1).get()}), 0u);
  ASSERT_TRUE(vm->send(frame_of(60)));
  turn(2);
  EXPECT_EQ(port.frames.size(), 1u);
}

TEST_F(BackendTest, AResetStopsTheRingsAndKeepsTheConnection) {
  for (const bool by_status : {false, true}) {
    const auto vm = started();
    ASSERT_EQ(vm->front_end.ask(vhost_u64(Kind::set_status, 15)), 0u);
    EXPECT_EQ(vm->front_end.call(vhost_message(Kind::get_status))->value(), 15u);
    ASSERT_EQ(
        vm->front_end.ask(by_status ? vhost_u64(Kind::set_status, 0) : vhost_message(Kind::reset_device)),
        0u);
    EXPECT_FALSE(backend->link());
    EXPECT_EQ(vm->front_end.call(vhost_message(Kind::get_status))->value(), 0u);
    ASSERT_TRUE(vm->front_end.set_features(kAllFeatures));
    ASSERT_TRUE(vm->front_end.start(virtio::kReceiveQueue, vm->net.rx(), *vm->front_end.stop(0)));
    ASSERT_TRUE(vm->front_end.start(virtio::kTransmitQueue, vm->net.tx(), *vm->front_end.stop(1)));
    EXPECT_TRUE(backend->link());
    vm->front_end.close();
    turn(3);
  }
}

TEST_F(BackendTest, APolledBackendNeedsNoKicks) {
  options.polling = true;
  restart();
  const auto vm = started();
  ASSERT_TRUE(vm->net.send(frame_of(60)));
  static_cast<void>(vm->net.publish());
  turn(3);
  while (backend->poll()) {
  }
  EXPECT_EQ(port.frames.size(), 1u);
  EXPECT_EQ(backend->kicks(), 0u);
  EXPECT_EQ(vm->front_end.ask(vhost_u64(Kind::set_vring_kick, 0x101)), 0u) << "nor descriptors for them";
}

TEST_F(BackendTest, EventfdsThatAreFullBlockNobody) {
  const auto vm = started();
  const std::uint64_t full = ~std::uint64_t{0} - 1;
  ASSERT_EQ(::write(vm->front_end.call_event(0).get(), &full, sizeof full), 8);
  EXPECT_EQ(backend->send(whole(frame_of(60))), Delivery::delivered);
  backend->flush();
  EXPECT_TRUE(vm->net.receive());
}

}  // namespace
}  // namespace ladon::vhost
