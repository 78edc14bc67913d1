// Messages cut and coalesced anywhere, and descriptors that do not fit them.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <numeric>

#include "fixture.h"

namespace ladon::vfio {
namespace {

Message operator+(Message left, const Message& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

TEST_F(ServerTest, TakesAMessageByteByByte) {
  VfioClient client = connect();
  for (const Message& message :
       {qemu_version_message(), write_message(0, 0, Message(8, std::byte{9})), info_message()}) {
    for (std::size_t i = 0; i + 1 < message.size(); ++i) {
      ASSERT_EQ(client.send_some(ConstBytes(message).subspan(i, 1)), 1u);
      turn();
    }
    const auto reply = client.call(ConstBytes(message).last(1));
    ASSERT_TRUE(reply && reply->ok());
  }
  EXPECT_EQ(device.bar[7], std::byte{9});
}

TEST_F(ServerTest, TakesManyMessagesInOneGo) {
  VfioClient client = attach();
  Message all;
  for (int i = 0; i < 200; ++i)
    all = std::move(all) + write_message(0, 0, Message(1, static_cast<std::byte>(i)), kNoReplyFlag) +
          read_message(0, 0, 1);
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 200; ++i) {
    const auto reply = client.receive();
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->at<std::uint8_t>(16), static_cast<std::uint8_t>(i)) << "in order";
  }
}

TEST_F(ServerTest, TakesTheLongestMessageAndNoLongerOne) {
  device.rom = {.size = 2U << 20, .readable = true, .areas = {}};
  VfioClient client = attach();
  // The device's memory is smaller than the write: refused by the region, but taken from the stream.
  const Message longest = write_message(0, 0, Message(kMaxTransfer));
  EXPECT_EQ(longest.size(), kMaxMessage);
  EXPECT_EQ(client.call(longest)->failure(), static_cast<std::uint32_t>(EINVAL));
  EXPECT_TRUE(client.call(info_message())->ok());
  EXPECT_FALSE(client.call(write_message(0, 0, Message(kMaxTransfer + 1))));
  EXPECT_FALSE(client.connected());
  EXPECT_EQ(refused(Refusal::message_too_long), 1u);
}

TEST_F(ServerTest, HangsUpOnAHeaderShorterThanItself) {
  VfioClient client = attach();
  Message message = info_message();
  const std::uint32_t size = 15;
  std::memcpy(message.data() + 4, &size, sizeof size);
  EXPECT_FALSE(client.call(message));
  EXPECT_FALSE(client.connected());
  EXPECT_EQ(refused(Refusal::message_too_short), 1u);
  EXPECT_EQ(device.log, "AD");
}

TEST_F(ServerTest, ABatchEndsButNothingIsLost) {
  options.batch = 3;
  restart();
  VfioClient client = attach();
  Message all;
  for (int i = 0; i < 10; ++i) all = std::move(all) + write_message(0, 0, Message(1), kNoReplyFlag);
  ASSERT_TRUE(client.send(all));
  turn();
  EXPECT_EQ(device.writes, 3u) << "others get their turn";
  for (int i = 0; i < 5; ++i) turn();
  EXPECT_EQ(device.writes, 10u);
}

TEST_F(ServerTest, GivesDescriptorsToTheMessageTheyCameWith) {
  VfioClient client = attach();
  const FileDescriptor first = make_memory(kPage), second = make_memory(kPage);
  // Everything is in the socket before the server reads: a message without, two with, one without.
  ASSERT_TRUE(client.send(info_message()));
  ASSERT_TRUE(client.send(dma_map_message(0, kPage), {first.get()}));
  ASSERT_TRUE(client.send(dma_map_message(kPage, kPage), {second.get()}));
  ASSERT_TRUE(client.send(info_message()));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(client.receive()->ok());
  ASSERT_EQ(device.mappings.size(), 2u);
  const auto identity = [](int fd) { return MemoryFile::describe(fd)->identity; };
  EXPECT_EQ(identity(device.mappings.at(Gpa(0)).file.get()), identity(first.get()));
  EXPECT_EQ(identity(device.mappings.at(Gpa(kPage)).file.get()), identity(second.get()));
  EXPECT_EQ(server->refusals().total(), 0u);
}

TEST_F(ServerTest, TakesDescriptorsThatComeWithTheBody) {
  VfioClient client = attach();
  const FileDescriptor memory = make_memory(kPage);
  const Message map = dma_map_message(0, kPage);
  ASSERT_TRUE(client.send(ConstBytes(map).first(20)));
  turn();
  EXPECT_TRUE(client.call(ConstBytes(map).subspan(20), {memory.get()})->ok());
  EXPECT_EQ(device.mappings.size(), 1u);
}

TEST_F(ServerTest, ClosesDescriptorsOnTheWrongMessage) {
  VfioClient client = attach();
  const FileDescriptor memory = make_memory(kPage), other = make_memory(kPage);
  const std::size_t before = open_descriptors();
  EXPECT_TRUE(client.call(info_message(), {memory.get(), other.get()})->ok());
  EXPECT_TRUE(client.call(write_message(0, 0, Message(4)), {memory.get()})->ok());
  EXPECT_EQ(client.call(MessageMaker().finish(4711), {memory.get()})->failure(),
            static_cast<std::uint32_t>(ENOTSUP));
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(refused(Refusal::descriptors_unexpected), 3u);
  EXPECT_TRUE(client.call(dma_map_message(0, kPage), {memory.get(), other.get()})->ok());
  EXPECT_EQ(open_descriptors(), before + 1) << "a map takes one";
  EXPECT_EQ(refused(Refusal::descriptors_unexpected), 4u);
}

TEST_F(ServerTest, ClosesTheDescriptorsOfAnUnfinishedMessage) {
  const FileDescriptor memory = make_memory(kPage);
  const std::size_t before = open_descriptors();
  {
    VfioClient client = attach();
    ASSERT_TRUE(client.send(ConstBytes(dma_map_message(0, kPage)).first(7), {memory.get()}));
    turn();
  }
  turn();
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_FALSE(server->connected());
}

TEST_F(ServerTest, RefusesAMessageThatLostDescriptors) {
  VfioClient client = attach();
  const FileDescriptor event(::eventfd(0, EFD_CLOEXEC));
  const std::size_t before = open_descriptors();
  const std::vector<int> twenty(20, event.get());
  EXPECT_EQ(client.call(set_irqs_message(0x24, 2, 0, 16), twenty)->failure(),
            static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::descriptors_lost), 1u);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(device.log, "A");
  EXPECT_TRUE(client.call(info_message())->ok()) << "the stream goes on";
}

TEST_F(ServerTest, RefusesAMessageThatGathersTooManyDescriptors) {
  VfioClient client = attach();
  const FileDescriptor event(::eventfd(0, EFD_CLOEXEC));
  const std::size_t before = open_descriptors();
  const Message set = set_irqs_message(0x24, 2, 0, 16);
  const std::vector<int> ten(10, event.get());
  ASSERT_TRUE(client.send(ConstBytes(set).first(16), ten));
  EXPECT_EQ(client.call(ConstBytes(set).subspan(16), ten)->failure(), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::too_many_descriptors), 1u);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(device.log, "A");
}

TEST_F(ServerTest, SurvivesHavingNoDescriptorsLeft) {
  VfioClient client = attach();
  const FileDescriptor memory = make_memory(kPage);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit tight{open_descriptors() - 1, limit.rlim_max};
  const FileDescriptor probe(::dup(memory.get()));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const auto reply = client.call(dma_map_message(0, kPage), {memory.get()});
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->failure(), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::descriptors_lost), 1u);
}

// ---- cut anywhere, coalesced anyhow: the same replies and the same device

struct Outcome {
  std::vector<std::byte> replies;
  std::array<std::byte, FakeDevice::kBarBytes> bar{};
  std::string log;
  std::uint64_t refusals = 0;

  bool operator==(const Outcome&) const = default;
};

// Sends `stream` in pieces of these lengths (the last repeats), turning the loop after each, and reads
// everything.
Outcome run(const Message& stream, const std::vector<std::size_t>& pieces) {
  ScratchFolder folder;
  ManualClock clock;
  EpollLoop loop(clock);
  FakeDevice device;
  auto server = Server::listen(folder / "s", loop, device);
  RC_ASSERT(server.has_value());
  VfioClient client(folder / "s", [&loop] { loop.run_once(Duration::zero()); });
  RC_ASSERT(client.open());
  Outcome outcome;
  for (std::size_t at = 0, i = 0; at < stream.size(); ++i) {
    const std::size_t length = std::min(pieces[std::min(i, pieces.size() - 1)], stream.size() - at);
    RC_ASSERT(client.send(ConstBytes(stream).subspan(at, length)));
    at += length;
    loop.run_once(Duration::zero());
  }
  while (auto reply = client.receive()) {
    outcome.replies.push_back(static_cast<std::byte>(reply->command));
    outcome.replies.push_back(static_cast<std::byte>(reply->error));
    outcome.replies.insert(outcome.replies.end(), reply->body.begin(), reply->body.end());
  }
  outcome.bar = device.bar;
  outcome.log = device.log;
  outcome.refusals = (*server)->refusals().total();
  return outcome;
}

rc::Gen<Message> any_message() {
  return rc::gen::exec([] {
    const auto small = [] { return *rc::gen::inRange<std::uint32_t>(0, 12); };
    const auto offset = *rc::gen::inRange<std::uint64_t>(0, FakeDevice::kBarBytes + 8);
    const std::uint32_t flags = *rc::gen::element(0U, kNoReplyFlag);
    switch (*rc::gen::inRange(0, 12)) {
      case 0:
        return info_message(small() + 10);
      case 1:
        return region_info_message(small(), 24 + small());
      case 2:
        return irq_info_message(small());
      case 3:
      case 4:
        return read_message(small(), offset, small());
      case 5:
      case 6:
        return write_message(0, offset, Message(small(), std::byte{0x5A}), flags);
      case 7:
        return write_multi_message({{offset, small(), small(), offset}, {offset / 2, 0, small() % 9, 77}},
                                   flags);
      case 8:
        return dma_map_message(small() * kPage, small() * kPage, 0, small() % 4);
      case 9:
        return dma_unmap_message(small() * kPage, small() * kPage, small() % 3);
      case 10:
        return set_irqs_message(*rc::gen::element(0x21U, 0x24U, 0x09U, 0x11U), small() % 6, small(), small());
      default: {
        const auto body = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
        return MessageMaker()
            .bytes(std::as_bytes(std::span(body)))
            .finish(*rc::gen::inRange<std::uint16_t>(0, 20), 7, *rc::gen::inRange<std::uint32_t>(0, 64));
      }
    }
  });
}

RC_GTEST_PROP(Stream, CutsAndCoalescingChangeNothing, ()) {
  const auto messages = *rc::gen::container<std::vector<Message>>(any_message());
  const Message stream = std::accumulate(messages.begin(), messages.end(), Message{}, operator+);
  std::vector<std::size_t> whole;
  for (const Message& message : messages) whole.push_back(message.size());
  if (whole.empty()) return;
  const auto pieces =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 100)));
  const Outcome expected = run(stream, whole);
  RC_ASSERT(run(stream, pieces) == expected);
  RC_ASSERT(run(stream, {stream.size()}) == expected);
}

}  // namespace
}  // namespace ladon::vfio
