// What a front end may say, and what it is refused.
#include <fcntl.h>

#include "fixture.h"

namespace ladon::vhost {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

TEST_F(BackendTest, OffersWhatItsOptionsSay) {
  auto all = connect();
  ASSERT_TRUE(all.open());
  EXPECT_EQ(all.offered(), kAllFeatures | wire::kProtocolFeatures);
  EXPECT_EQ(all.call(vhost_message(Kind::get_queue_num))->value(), 1u);
  all.close();
  turn(2);
  options.offloads = {.checksum = false, .segmentation = true};
  restart();
  auto none = connect();
  ASSERT_TRUE(none.open());
  EXPECT_EQ(none.offered(), virtio::kVersion1 | virtio::kRingEventIdx | virtio::kRingIndirect |
                                virtio::kNetMergeable | wire::kProtocolFeatures);
}

TEST_F(BackendTest, RefusesFeaturesThatWereNotOffered) {
  auto client = connect();
  ASSERT_TRUE(client.open());
  EXPECT_EQ(client.ask(vhost_u64(Kind::set_features, std::uint64_t{1} << 34)), 1u);
  EXPECT_EQ(refused(Refusal::bad_features), 1u);
  EXPECT_EQ(client.ask(vhost_u64(Kind::set_protocol_features, wire::kReplyAck | 1u << 9)), 1u);
  EXPECT_EQ(refused(Refusal::bad_protocol_features), 1u);
}

TEST_F(BackendTest, AnswersOnlyWhenAskedTo) {
  auto client = connect();
  // Without REPLY_ACK the flag means nothing.
  EXPECT_FALSE(client.call(vhost_message(Kind::set_owner, wire::kVersion | wire::kNeedReply)));
  ASSERT_TRUE(client.open());
  EXPECT_FALSE(client.call(vhost_message(Kind::set_owner)));
  EXPECT_EQ(client.ask(vhost_message(Kind::set_owner)), 0u);
  EXPECT_EQ(client.ask(vhost_message(Kind::reset_owner)), 0u);
  EXPECT_FALSE(client.call(vhost_message(static_cast<Kind>(99))));
  EXPECT_EQ(client.ask(vhost_message(static_cast<Kind>(99))), 1u);
  EXPECT_EQ(refused(Refusal::request_unknown), 2u);
  EXPECT_EQ(client.ask(vhost_message(Kind::net_set_mtu)), 1u);
  EXPECT_EQ(refused(Refusal::request_unsupported), 1u);
  EXPECT_FALSE(client.call(vhost_message(Kind::set_owner, wire::kVersion | wire::kReply)));
  EXPECT_EQ(refused(Refusal::unsolicited_reply), 1u);
  EXPECT_TRUE(client.connected());
}

// Whatever came back would be taken for features.
TEST_F(BackendTest, DisconnectsWhoWaitsForAnAnswerThatCannotBeGiven) {
  const auto no_ring = vhost_state(Kind::get_vring_base, 7, 0);
  auto long_question = vhost_u64(Kind::get_features, 1);
  for (const auto& message : {no_ring, long_question, vhost_message(Kind::get_config)}) {
    auto client = connect();
    ASSERT_TRUE(client.open());
    EXPECT_FALSE(client.call(message));
    EXPECT_FALSE(client.connected());
  }
  EXPECT_EQ(refused(Refusal::no_answer), 3u);
}

TEST_F(BackendTest, PipelinedMessagesInPiecesAreAnsweredInOrder) {
  auto client = connect();
  ASSERT_TRUE(client.open());
  client::VhostMessage stream;
  for (int i = 0; i < 5; ++i)
    for (const auto& message : {vhost_message(Kind::get_features), vhost_message(Kind::get_queue_num)})
      stream.insert(stream.end(), message.begin(), message.end());
  for (std::size_t at = 0; at < stream.size(); at += 5) {
    ASSERT_TRUE(client.send(ConstBytes(stream).subspan(at, std::min<std::size_t>(5, stream.size() - at))));
    turn();
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client.receive()->request, 1u);
    EXPECT_EQ(client.receive()->request, 17u);
  }
}

TEST_F(BackendTest, RefusesMemoryThatIsNone) {
  auto client = connect();
  ASSERT_TRUE(client.open());
  const client::SharedMemory memory(kMiB);
  const int fd = memory.fd();
  const FileDescriptor device(::open("/dev/zero", 0));
  const auto refuse = [&](const std::vector<client::VhostRegion>& regions, const std::vector<int>& fds,
                          Refusal reason) {
    const std::uint64_t before = refused(reason);
    EXPECT_EQ(client.ask(vhost_memory(regions), fds), 1u) << name(reason);
    EXPECT_EQ(refused(reason), before + 1) << name(reason);
  };
  refuse({}, {}, Refusal::memory_regions);
  refuse({{0, kMiB, 0, 0}}, {}, Refusal::memory_regions);
  refuse({{0, kMiB, 0, 0}}, {fd, fd}, Refusal::memory_regions);
  refuse({{0, 0, 0, 0}}, {fd}, Refusal::memory_empty);
  refuse({{~std::uint64_t{0}, 2, 0, 0}}, {fd}, Refusal::memory_wraps);
  refuse({{0, 2, ~std::uint64_t{0}, 0}}, {fd}, Refusal::memory_wraps);
  refuse({{0, kMiB + 1, 0, 0}}, {fd}, Refusal::memory_outside_file);
  refuse({{0, kMiB, 0, 1}}, {fd}, Refusal::memory_outside_file);
  refuse({{0, 1, 0, ~std::uint64_t{0}}}, {fd}, Refusal::memory_outside_file);
  refuse({{0, 100, 0, 0}, {99, 100, kMiB, 0}}, {fd, fd}, Refusal::memory_overlap);
  refuse({{0, 100, 0, 0}, {kMiB, 100, 99, 0}}, {fd, fd}, Refusal::memory_overlap);
  refuse({{0, 100, 0, 0}}, {device.get()}, Refusal::memory_bad_file);
  refuse({{0, 100, 0, 0}}, {EventFd::create()->get()}, Refusal::memory_bad_file);
  EXPECT_EQ(client.ask(vhost_memory({{0, 100, 0, 0}, {100, 100, 100, 0}}), {fd, fd}), 0u)
      << "two regions of one file may show the same bytes";
}

TEST_F(BackendTest, RefusesMoreMemoryThanItsShare) {
  options.memory.bytes = kMiB;
  restart();
  auto client = connect();
  ASSERT_TRUE(client.open());
  const client::SharedMemory one(kMiB), two(kMiB);
  EXPECT_EQ(client.ask(vhost_memory({{0, 1, 0, 0}, {1, 1, 1, 0}}), {one.fd(), one.fd()}), 0u);
  EXPECT_EQ(client.ask(vhost_memory({{0, 1, 0, 0}, {1, 1, 1, 0}}), {one.fd(), two.fd()}), 1u);
  EXPECT_EQ(refused(Refusal::memory_too_large), 1u);
}

TEST_F(BackendTest, RefusesMemoryThatCannotBeWritten) {
  auto client = connect();
  ASSERT_TRUE(client.open());
  const client::SharedMemory memory(kMiB);
  const std::string path_of = "/proc/self/fd/" + std::to_string(memory.fd());
  const FileDescriptor read_only(::open(path_of.c_str(), 0));
  EXPECT_EQ(client.ask(vhost_memory({{0, 1, 0, 0}}), {read_only.get()}), 1u);
  EXPECT_EQ(refused(Refusal::memory_not_writable), 1u);
}

TEST_F(BackendTest, RefusesRingsThatCannotBe) {
  const auto vm = guest();
  auto& client = vm->front_end;
  ASSERT_TRUE(client.open());
  ASSERT_TRUE(client.set_features(kAllFeatures));
  const auto refuse = [&](const client::VhostMessage& message, Refusal reason, std::vector<int> fds = {}) {
    const std::uint64_t before = refused(reason);
    EXPECT_EQ(client.ask(message, fds), 1u) << name(reason);
    EXPECT_EQ(refused(reason), before + 1) << name(reason);
  };
  const auto event = EventFd::create();
  for (const Kind kind : {Kind::set_vring_num, Kind::set_vring_base, Kind::set_vring_enable})
    refuse(vhost_state(kind, 2, 1), Refusal::ring_unknown);
  refuse(vhost_addresses(2, 0, 0, 0), Refusal::ring_unknown);
  refuse(vhost_u64(Kind::set_vring_kick, 2), Refusal::ring_unknown);
  for (const std::uint32_t size : {0u, 3u, 255u, 65536u, 0x8000'0000u, ~0u})
    refuse(vhost_state(Kind::set_vring_num, 0, size), Refusal::ring_size);
  refuse(vhost_u64(Kind::set_vring_kick, 0), Refusal::ring_not_ready, {event->get()});
  refuse(vhost_u64(Kind::set_vring_kick, 0), Refusal::descriptors_missing);
  refuse(vhost_u64(Kind::set_vring_kick, 0x100), Refusal::ring_no_kick);
  refuse(vhost_u64(Kind::set_vring_call, 0), Refusal::ring_not_an_eventfd, {vm->memory.fd()});

  ASSERT_TRUE(client.share(Guest::kBase, vm->memory.bytes().size(), vm->memory.fd()));
  ASSERT_EQ(client.ask(vhost_state(Kind::set_vring_num, 0, 256)), 0u);
  const std::uint64_t user = Guest::kBase + client::VhostFrontEnd::kUserOffset;
  const std::uint64_t end = user + vm->memory.bytes().size();
  for (const auto& [descriptors, used, available] : std::vector<std::array<std::uint64_t, 3>>{
           {user + 8, user + 0x3000, user + 0x2000},         // unaligned
           {user, user + 0x3002, user + 0x2000},             // unaligned
           {user, user + 0x3000, user + 0x2001},             // unaligned
           {end - 4096 + 16, user + 0x3000, user + 0x2000},  // its end is outside
           {user, end - 0x800, user + 0x2000},
           {user, user + 0x3000, end - 0x200},
           {user - 4096, user + 0x3000, user + 0x2000},
           {0, user + 0x3000, user + 0x2000},
           {Guest::kBase, user + 0x3000, user + 0x2000}})  // the guest's address, not the front end's
    refuse(vhost_addresses(0, descriptors, used, available), Refusal::ring_address);
  auto logged = vhost_addresses(0, user, user + 0x3000, user + 0x2000);
  store_le(&logged[wire::kHeaderBytes + 4], wire::kVringLog);
  refuse(logged, Refusal::ring_logging);

  ASSERT_TRUE(client.start(0, vm->net.rx()));
  refuse(vhost_state(Kind::set_vring_num, 0, 128), Refusal::ring_started);
  refuse(vhost_state(Kind::set_vring_base, 0, 0), Refusal::ring_started);
}

TEST_F(BackendTest, ClosesDescriptorsThatNobodyAskedFor) {
  auto client = connect();
  ASSERT_TRUE(client.open());
  const auto event = EventFd::create();
  const std::size_t before = open_descriptors();
  EXPECT_EQ(client.ask(vhost_message(Kind::set_owner), {event->get()}), 0u);
  EXPECT_EQ(client.ask(vhost_u64(Kind::set_vring_call, 0x100), {event->get()}), 0u);
  EXPECT_EQ(refused(Refusal::descriptors_unexpected), 2u);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(client.ask(vhost_message(Kind::set_owner), std::vector<int>(20, event->get())), 1u);
  EXPECT_GE(refused(Refusal::descriptors_lost) + refused(Refusal::too_many_descriptors), 1u);
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace ladon::vhost
