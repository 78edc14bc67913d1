// Clients that come, go, crowd and do not listen; and the socket itself.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include "fixture.h"

namespace ladon::vfio {
namespace {

TEST_F(ServerTest, RefusesASecondClientAndKeepsTheFirst) {
  VfioClient first = attach();
  VfioClient second = connect();
  EXPECT_FALSE(second.connected());
  EXPECT_FALSE(second.open());
  EXPECT_EQ(refused(Refusal::second_client), 1u);
  EXPECT_TRUE(first.call(info_message())->ok());
  EXPECT_EQ(device.log, "A");
}

TEST_F(ServerTest, TheNextClientFindsACleanState) {
  const FileDescriptor memory = make_memory(kPage), event(::eventfd(0, EFD_CLOEXEC));
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    VfioClient client = attach();
    EXPECT_TRUE(client.call(dma_map_message(0, kPage), {memory.get()})->ok());
    EXPECT_TRUE(client.call(set_irqs_message(0x24, 2, 0, 1), {event.get()})->ok());
    client.close();
    turn();
    EXPECT_FALSE(server->connected());
    EXPECT_EQ(open_descriptors(), before);
  }
  EXPECT_EQ(device.log, "AmsDAmsDAmsD");
}

TEST_F(ServerTest, ADisconnectAtAnyByteLeavesACleanState) {
  const FileDescriptor memory = make_memory(kPage);
  const std::size_t before = open_descriptors();
  Message stream = qemu_version_message();
  const std::size_t version = stream.size();
  for (const Message& message : {dma_map_message(0, kPage), write_message(0, 0, Message(3)), reset_message()})
    stream.insert(stream.end(), message.begin(), message.end());
  for (std::size_t length = 0; length <= stream.size(); ++length) {
    device.log.clear();
    VfioClient client = connect();
    ASSERT_TRUE(client.send(ConstBytes(stream).first(length),
                            length > 0 ? std::vector{memory.get()} : std::vector<int>{}));
    turn();
    client.close();
    for (int i = 0; i < 3; ++i) turn();
    ASSERT_FALSE(server->connected()) << length;
    ASSERT_EQ(open_descriptors(), before) << length;
    ASSERT_EQ(device.log.starts_with('A') && device.log.ends_with('D'), length >= version) << length;
  }
  EXPECT_TRUE(connect().open());
}

TEST_F(ServerTest, AClientThatGoesWhileItsUnmapIsUnderWay) {
  VfioClient client = attach();
  const FileDescriptor memory = make_memory(kPage);
  ASSERT_TRUE(client.call(dma_map_message(0, kPage), {memory.get()})->ok());
  device.complete_at_once = false;
  ASSERT_TRUE(client.send(dma_unmap_message(0, kPage)));
  turn();
  client.close();
  turn();
  EXPECT_EQ(device.log, "AmuD");
  ASSERT_EQ(device.pending.size(), 2u);

  // The device has not let go yet: the next client waits, unanswered but not refused.
  VfioClient next = connect();
  ASSERT_TRUE(next.send(qemu_version_message()));
  EXPECT_FALSE(next.receive());
  EXPECT_EQ(device.attachments, 1);
  device.complete();  // the unmap of a client that has gone: says nothing to anybody
  EXPECT_FALSE(next.receive());
  device.complete();
  EXPECT_TRUE(next.receive()->ok());
  EXPECT_EQ(device.attachments, 2);
  EXPECT_TRUE(next.call(info_message())->ok());
}

TEST_F(ServerTest, CompletionsMayOutliveTheServer) {
  VfioClient client = attach();
  device.complete_at_once = false;
  ASSERT_TRUE(client.send(reset_message()));
  turn();
  server.reset();
  EXPECT_EQ(device.log, "ArD");
  device.complete();
  device.complete();
  EXPECT_FALSE(client.connected());
}

TEST_F(ServerTest, DisconnectsAClientThatDoesNotReadItsReplies) {
  options.connection.output = 64 * 1024;
  restart();
  VfioClient slow = attach();
  const Message read = read_message(0, 0, 4000);
  for (int i = 0; i < 2000 && server->connected(); ++i) {
    slow.send_some(read);
    turn();  // never waits
  }
  EXPECT_FALSE(server->connected());
  EXPECT_EQ(refused(Refusal::output_overflow), 1u);
  EXPECT_EQ(device.log, "AD");
  EXPECT_TRUE(connect().open());
}

TEST_F(ServerTest, ASlowReaderGetsEverythingInOrder) {
  VfioClient slow = attach();
  const int small = 1;
  ASSERT_EQ(::setsockopt(slow.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  constexpr int kReads = 300;
  for (int i = 0; i < kReads; ++i) {
    ASSERT_TRUE(slow.send(write_message(0, 0, Message(1, static_cast<std::byte>(i)), kNoReplyFlag)));
    ASSERT_TRUE(slow.send(read_message(0, 0, 4000)));
  }
  for (int i = 0; i < kReads; ++i) {
    const auto reply = slow.receive();
    ASSERT_TRUE(reply) << i;
    ASSERT_EQ(reply->body.size(), 4016u);
    ASSERT_EQ(reply->at<std::uint8_t>(16), static_cast<std::uint8_t>(i));
  }
  EXPECT_TRUE(server->connected());
}

TEST_F(ServerTest, ALongReplyGoesOutInPieces) {
  device.rom = {.size = kMaxTransfer, .readable = true, .areas = {}};
  device.fail.reset();
  struct Long final : Device {
    explicit Long(FakeDevice& fake) : fake_(fake) {}
    DeviceInfo device_info() const override { return fake_.device_info(); }
    RegionInfo region_info(std::uint32_t index) const override { return fake_.region_info(index); }
    IrqInfo irq_info(std::uint32_t index) const override { return fake_.irq_info(index); }
    Status region_read(std::uint32_t, std::uint64_t, Bytes into) override {
      for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<std::byte>(i >> 8);
      return {};
    }
    Status region_write(std::uint32_t, std::uint64_t, ConstBytes) override { return {}; }
    Status dma_map(DmaMapping) override { return {}; }
    void dma_unmap(Range<Gpa>, Completion done) override { done({}); }
    Status set_irqs(std::uint32_t, std::uint32_t, std::vector<FileDescriptor>) override { return {}; }
    Status clear_irqs(std::uint32_t, std::uint32_t, std::uint32_t) override { return {}; }
    Status mask_irqs(std::uint32_t, std::uint32_t, std::uint32_t) override { return {}; }
    Status unmask_irqs(std::uint32_t, std::uint32_t, std::uint32_t) override { return {}; }
    Status trigger_irqs(std::uint32_t, std::uint32_t, std::uint32_t) override { return {}; }
    void reset(Completion done) override { done({}); }
    void attached() override {}
    void detached(Completion done) override { done({}); }
    FakeDevice& fake_;
  } large(device);
  auto other = Server::listen(folder / "large", loop, large);
  ASSERT_TRUE(other);
  VfioClient client(folder / "large", [this] { turn(); });
  ASSERT_TRUE(client.open());
  const auto reply = client.call(read_message(kRomRegion, 0, kMaxTransfer));
  ASSERT_TRUE(reply && reply->ok());
  ASSERT_EQ(reply->body.size(), 16 + kMaxTransfer);
  for (std::size_t i = 0; i < kMaxTransfer; i += 4099)
    ASSERT_EQ(reply->body[16 + i], static_cast<std::byte>(i >> 8));
}

TEST_F(ServerTest, AClientThatIsRestartedIsNoSecondClient) {
  VfioClient first = attach();
  first.close();
  VfioClient again = connect();  // both are news to the server
  EXPECT_TRUE(again.open());
  EXPECT_EQ(refused(Refusal::second_client), 0u);
  EXPECT_EQ(device.log, "ADA");
}

TEST_F(ServerTest, ARestartedClientWaitsUntilTheDeviceHasLetGo) {
  VfioClient first = attach();
  device.complete_at_once = false;
  first.close();
  VfioClient again = connect();
  ASSERT_TRUE(again.send(qemu_version_message()));
  EXPECT_FALSE(again.receive());
  EXPECT_EQ(device.log, "AD");
  device.complete();
  EXPECT_TRUE(again.receive()->ok());
}

TEST_F(ServerTest, TheDeviceMayDisconnectItsClientFromWithinACall) {
  VfioClient client = attach();
  device.on_write = [this] { server->disconnect(); };
  EXPECT_FALSE(client.call(write_message(0, 0, Message(4))).has_value() && client.connected());
  EXPECT_FALSE(server->connected());
  EXPECT_EQ(device.log, "AD");
  EXPECT_TRUE(connect().open());
  server->disconnect();
  EXPECT_EQ(device.log, "ADAD");
}

TEST_F(ServerTest, AnotherSocketIsNotDisturbed) {
  FakeDevice other_device;
  auto other = Server::listen(folder / "other", loop, other_device);
  ASSERT_TRUE(other);
  VfioClient client = attach();
  VfioClient neighbour(folder / "other", [this] { turn(); });
  ASSERT_TRUE(neighbour.open());
  ASSERT_TRUE(client.send(Message(64, std::byte{0xFF})));
  EXPECT_FALSE(client.connected());
  EXPECT_TRUE(neighbour.call(info_message())->ok());
  EXPECT_EQ(other_device.log, "A");
}

// ---- the socket

TEST_F(ServerTest, TheSocketIsItsOwnersAlone) {
  struct stat file{};
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_TRUE(S_ISSOCK(file.st_mode));
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  server.reset();
  EXPECT_NE(::stat(path.c_str(), &file), 0) << "taken away at the end";
}

TEST_F(ServerTest, TakesThePlaceOfASocketThatNobodyServes) {
  server.reset();
  {
    const FileDescriptor dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  server = start();
  EXPECT_TRUE(connect().open());
}

TEST_F(ServerTest, TakesNobodysPlaceOtherwise) {
  const auto busy = Server::listen(path, loop, device);
  ASSERT_FALSE(busy);
  EXPECT_NE(busy.error().find("in use"), std::string::npos) << busy.error();
  turn();
  EXPECT_TRUE(connect().open()) << "the first goes on";

  const auto file = folder / "file";
  std::ofstream(file) << "precious";
  const auto refused_file = Server::listen(file, loop, device);
  ASSERT_FALSE(refused_file);
  EXPECT_NE(refused_file.error().find(file.string()), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(file));

  EXPECT_FALSE(Server::listen(folder / std::string(200, 'x').c_str(), loop, device));
  EXPECT_FALSE(Server::listen(folder / "no/such/folder", loop, device));
  EXPECT_FALSE(Server::listen("", loop, device));
}

TEST_F(ServerTest, LeavesASocketThatHasTakenItsPlace) {
  std::filesystem::remove(path);
  auto successor = Server::listen(path, loop, device);
  ASSERT_TRUE(successor);
  server.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace ladon::vfio
