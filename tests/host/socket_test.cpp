#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "fakes/fake_host.h"
#include "host/blocking_host.h"
#include "host/bridge_server.h"
#include "host/packet_socket.h"
#include "host/socket_bridge.h"

namespace ladon::host {
namespace {

// Keeps a reply for later, and what was asked.
class SlowHost final : public HostBridge {
 public:
  void submit(Request request, Reply reply) override {
    // The descriptor is open only while the host is asked.
    struct stat about{};
    if (const auto* pin = std::get_if<PinMemory>(&request); pin && ::fstat(pin->fd, &about) == 0)
      pinned_files.push_back(about.st_ino);
    asked.push_back(std::move(request));
    replies.push_back(std::move(reply));
  }
  void listen(Listener l) override { listener = std::move(l); }
  std::vector<Request> asked;
  std::vector<Reply> replies;
  Listener listener;
  std::vector<ino_t> pinned_files;
};

class SocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "ladon-host-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ + "/bridge";
    auto listening = BridgeServer::listen(fake_, path_);
    ASSERT_TRUE(listening.has_value()) << listening.error();
    server_ = std::move(*listening);
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  // connect() waits for the server's answer, so it runs beside it.
  std::expected<std::unique_ptr<SocketBridge>, ConnectError> connect(std::uint64_t epoch) {
    std::expected<std::unique_ptr<SocketBridge>, ConnectError> result;
    std::atomic<bool> over = false;
    std::thread client([&] {
      result = SocketBridge::connect(path_, Epoch{epoch});
      over = true;
    });
    while (!over) server_->on_ready();
    client.join();
    return result;
  }
  BlockingHost::Pump pump(SocketBridge& bridge) {
    return [this, &bridge] {
      server_->on_ready();
      return bridge.wait(0);
    };
  }

  void serve_slowly() {
    server_.reset();
    server_ = std::move(*BridgeServer::listen(slow_, path_));
  }

  fakes::FakeHost fake_;
  SlowHost slow_;
  std::string directory_, path_;
  std::unique_ptr<BridgeServer> server_;
};

TEST_F(SocketTest, RequestsAndAnswersCross) {
  auto bridge = connect(1);
  ASSERT_TRUE(bridge.has_value()) << bridge.error().message;
  BlockingHost host(**bridge, pump(**bridge));
  ASSERT_TRUE(host.store32(BusAddr(64), 0xDEAD).has_value());
  EXPECT_EQ(host.load32(BusAddr(64)), 0xDEADu);
  const std::vector<std::byte> bulk(kMaxBulk, std::byte{9});
  ASSERT_TRUE(host.write_memory(BusAddr(4096), bulk).has_value());
  EXPECT_EQ(host.read_memory(BusAddr(4096), kMaxBulk), bulk);
  EXPECT_EQ(host.describe()->own_memory, fake_.description.own_memory);
  EXPECT_EQ(host.unpin(Pin{77}).error(), Error::no_such_object);
}

TEST_F(SocketTest, ADescriptorArrivesAsTheSameFile) {
  serve_slowly();
  auto bridge = connect(1);
  ASSERT_TRUE(bridge.has_value());
  FileDescriptor file(::memfd_create("test", MFD_CLOEXEC));
  struct stat ours{};
  ASSERT_EQ(::fstat(file.get(), &ours), 0);
  (*bridge)->submit(PinMemory{file.get(), 0, 4096, {}}, [](Result) {});
  file.reset();
  server_->on_ready();
  EXPECT_THAT(slow_.pinned_files, testing::ElementsAre(ours.st_ino));
}

TEST_F(SocketTest, EventsCrossToTheNewestOnly) {
  auto old = connect(1), now = connect(2);
  ASSERT_TRUE(old && now);
  BlockingHost first(**old, pump(**old)), second(**now, pump(**now));
  fake_.raise(33);
  fake_.tell(Fault{{}, 0x1000, pcie::Access::read, "here"});
  (*old)->wait(0);
  (*now)->wait(0);
  EXPECT_FALSE(first.next_event().has_value());
  const auto interrupt = second.next_event(), fault = second.next_event();
  ASSERT_TRUE(interrupt && fault);
  EXPECT_EQ(std::get<Interrupt>(*interrupt).vector, 33u);
  EXPECT_EQ(std::get<Fault>(*fault).reason, "here");
}

TEST_F(SocketTest, AnOlderEpochCannotTakeOver) {
  ASSERT_TRUE(connect(5).has_value());
  for (const std::uint64_t late : {5, 4, 0}) {
    const auto refused = connect(late);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().newest, Epoch{5});
  }
  EXPECT_EQ(server_->refusals()[ServerRefusal::stale_epoch], 3u);
}

TEST_F(SocketTest, ATakenOverConnectionCanDoNothingMore) {
  auto old = connect(1);
  ASSERT_TRUE(old.has_value());
  BlockingHost first(**old, pump(**old));
  ASSERT_TRUE(first.store32(BusAddr(64), 1).has_value());
  auto now = connect(2);
  ASSERT_TRUE(now.has_value());
  EXPECT_EQ(first.store32(BusAddr(64), 2).error(), Error::stale_epoch);
  EXPECT_EQ(fake_.memory[64], 1);
}

TEST_F(SocketTest, WhoIsNotWelcomeCannotSpeakInANewersName) {
  ASSERT_TRUE(connect(3).has_value());
  auto raw = detail::connect_to(path_);
  ASSERT_TRUE(raw.has_value());
  ASSERT_EQ(
      detail::send_packet(raw->get(), encode(RequestMessage{1, Epoch{3}, Store{BusAddr(64), 4, 7}}), -1),
      detail::SocketStatus::done);
  server_->on_ready();
  server_->on_ready();
  EXPECT_EQ(fake_.memory[64], 0);
  EXPECT_EQ(server_->refusals()[ServerRefusal::stale_epoch], 1u);
}

TEST_F(SocketTest, NonsenseClosesThatConnectionAlone) {
  auto good = connect(1);
  auto raw = detail::connect_to(path_);
  ASSERT_TRUE(good && raw);
  const std::array<std::byte, 40> nonsense{};
  (void)detail::send_packet(raw->get(), nonsense, -1);
  for (int i = 0; i < 3; ++i) server_->on_ready();
  EXPECT_EQ(server_->refusals()[ServerRefusal::malformed], 1u);
  EXPECT_EQ(server_->connections(), 1u);
  BlockingHost host(**good, pump(**good));
  EXPECT_TRUE(host.load32(BusAddr(0)).has_value());
}

TEST_F(SocketTest, WhenTheServerGoesEveryRequestIsAnswered) {
  serve_slowly();
  auto bridge = connect(1);
  ASSERT_TRUE(bridge.has_value());
  std::vector<Error> answers;
  for (int i = 0; i < 3; ++i) (*bridge)->submit(Describe{}, [&](Result r) { answers.push_back(r.error()); });
  server_->on_ready();
  EXPECT_EQ(slow_.asked.size(), 3u);
  server_.reset();
  EXPECT_FALSE((*bridge)->wait(1000));
  EXPECT_THAT(answers, testing::ElementsAre(Error::disconnected, Error::disconnected, Error::disconnected));
  // Answers that come later find nobody.
  for (auto& reply : slow_.replies) reply(Done{});
  (*bridge)->submit(Describe{}, [&](Result r) { answers.push_back(r.error()); });
  EXPECT_EQ(answers.size(), 4u);
}

TEST_F(SocketTest, AnswersForAClientThatIsGoneAreDropped) {
  serve_slowly();
  auto bridge = connect(1);
  ASSERT_TRUE(bridge.has_value());
  (*bridge)->submit(Describe{}, [](Result) {});
  server_->on_ready();
  bridge->reset();
  for (int i = 0; i < 3; ++i) server_->on_ready();
  EXPECT_EQ(server_->connections(), 0u);
  slow_.replies[0](Done{});
}

TEST_F(SocketTest, IdleStrangersMakeRoomForWhoTakesOver) {
  std::vector<FileDescriptor> strangers;
  for (std::size_t i = 0; i < BridgeServer::kMaxConnections; ++i) {
    strangers.push_back(std::move(*detail::connect_to(path_)));
    server_->on_ready();
  }
  EXPECT_EQ(server_->connections(), BridgeServer::kMaxConnections);
  EXPECT_TRUE(connect(1).has_value());
}

TEST_F(SocketTest, AClientThatDoesNotReadLosesEventsNotTheServer) {
  auto bridge = connect(1);
  ASSERT_TRUE(bridge.has_value());
  for (std::size_t i = 0; i < 20'000; ++i) fake_.raise(1);
  EXPECT_GT(server_->refusals()[ServerRefusal::event_dropped], 0u);
  EXPECT_EQ(server_->connections(), 1u);
}

// What waits for answers waits at the client, in the order in which it was asked, however much it is.
TEST_F(SocketTest, AClientMayAskForMoreThanTheServerHolds) {
  auto bridge = connect(1);
  ASSERT_TRUE(bridge.has_value());
  constexpr std::uint64_t kAsked = 4 * BridgeServer::kMaxOutbox;
  for (std::size_t i = 0; i < 20'000; ++i) fake_.raise(1);  // and events have taken what room they may
  std::vector<std::uint64_t> answered;
  for (std::uint64_t i = 0; i < kAsked; ++i) {
    (*bridge)->submit(Store{BusAddr(64), 4, i}, [](Result) {});
    (*bridge)->submit(Load{BusAddr(64), 4}, [&](Result result) {
      ASSERT_TRUE(result.has_value());
      answered.push_back(std::get<Value>(*result).value);
    });
    if (i % 64 == 0) server_->on_ready();
  }
  for (int round = 0; round < 100'000 && answered.size() < kAsked; ++round) {
    server_->on_ready();
    ASSERT_TRUE((*bridge)->wait(0));
  }
  ASSERT_EQ(answered.size(), kAsked);
  for (std::uint64_t i = 0; i < kAsked; ++i) ASSERT_EQ(answered[i], i);
  EXPECT_EQ(server_->refusals()[ServerRefusal::too_many], 0u);
}

TEST(SocketPaths, AreCheckedAndNamed) {
  fakes::FakeHost fake;
  const auto refused = BridgeServer::listen(fake, std::string(200, 'x'));
  ASSERT_FALSE(refused.has_value());
  const auto nobody = SocketBridge::connect("/nonexistent/bridge", Epoch{1});
  ASSERT_FALSE(nobody.has_value());
  EXPECT_THAT(nobody.error().message, testing::HasSubstr("/nonexistent/bridge"));
}

TEST(BlockingHostTest, WithoutAPumpALateAnswerIsADisconnect) {
  SlowHost slow;
  BlockingHost host(slow);
  EXPECT_EQ(host.load32(BusAddr(0)).error(), Error::disconnected);
  slow.replies[0](Value{1});  // finds nobody
}

TEST(BlockingHostTest, AnAnswerOfAnotherKindIsRefused) {
  SlowHost slow;
  BlockingHost host(slow, [&] { return slow.replies.back()(Done{}), true; });
  EXPECT_EQ(host.load32(BusAddr(0)).error(), Error::bad_argument);
}

TEST(Fencing, OnlyTheNewestActs) {
  Fence fence;
  EXPECT_FALSE(fence.allows(Epoch{0}));
  EXPECT_TRUE(fence.take_over(Epoch{2}));
  EXPECT_TRUE(fence.allows(Epoch{2}));
  EXPECT_FALSE(fence.take_over(Epoch{2}));
  EXPECT_TRUE(fence.take_over(Epoch{3}));
  EXPECT_FALSE(fence.allows(Epoch{2}));
}

}  // namespace
}  // namespace ladon::host
