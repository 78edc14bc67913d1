// The remote test host needs namespaces and /dev/net/tun; where the machine has none to give, these tests are
// skipped and say so.
#include "port/remote_host.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "frames.h"
#include "port/peer_stack.h"

namespace ladon::port {
namespace {

using namespace std::chrono_literals;
using namespace test;
using ::testing::HasSubstr;

const MacAddress kHostMac{{0x02, 0, 0, 0, 0, 0x77}};

class RemoteHostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started =
        RemoteHost::start({.interface = "eth0", .address = {kOurAddress, 24}, .mtu = 9000, .mac = kHostMac});
    if (!started) GTEST_SKIP() << started.error();
    host.emplace(std::move(*started));
    wire = host->take_wire();
    ASSERT_NE(wire, nullptr);
  }
  std::string output(const std::vector<std::string>& arguments) {
    const auto result = host->run(arguments, 20s);
    return result ? result->text : result.error();
  }

  std::optional<RemoteHost> host;
  std::unique_ptr<TapWire> wire;
};

TEST_F(RemoteHostTest, HasTheInterfaceAndNothingElseOfThisMachine) {
  const std::string devices = output({"cat", "/proc/self/net/dev"});
  EXPECT_THAT(devices, HasSubstr("eth0:"));
  EXPECT_EQ(std::ranges::count(devices, ':'), 2);  // and lo
  EXPECT_EQ(host->take_wire(), nullptr);
  EXPECT_TRUE(wire->carrier());
}

// A PeerStack at the near end: the kernel's own ARP and ICMP meet it over the tap.
TEST_F(RemoteHostTest, FramesPassBothWays) {
  PeerStack peer({.mac = kPeerMac, .address = {kPeerAddress, 24}, .mtu = 9000});
  std::atomic<std::uint64_t> closed = 0;
  std::jthread pump([&](const std::stop_token& stop) {
    std::array<std::byte, kMaxFrame> buffer;
    while (!stop.stop_requested()) {
      pollfd watched{wire->fd(), POLLIN, 0};
      ::poll(&watched, 1, 20);
      while (const std::size_t length = wire->receive(buffer)) {
        const ConstBytes answer = peer.handle(ConstBytes(buffer).first(length));
        if (!answer.empty()) (void)wire->send(answer);
      }
      for (ConstBytes ack = peer.next_ack(); !ack.empty(); ack = peer.next_ack()) (void)wire->send(ack);
      closed = peer.tcp().events()[TcpEvent::closed];
    }
  });
  const auto ping = host->run({"ping", "-c", "3", "-i", "0.2", "-s", "8000", "-W", "5", "10.10.0.1"}, 30s);
  if (ping && WEXITSTATUS(ping->status) == 127) GTEST_SKIP() << "there is no ping here";
  ASSERT_TRUE(ping) << ping.error();
  EXPECT_TRUE(WIFEXITED(ping->status) && WEXITSTATUS(ping->status) == 0) << ping->text;
  // The kernel's TCP pushes two megabytes into the sink and closes.
  const auto push =
      host->run({"bash", "-c", "exec 3<>/dev/tcp/10.10.0.1/5001 && head -c 2000000 /dev/zero >&3"}, 30s);
  ASSERT_TRUE(push) << push.error();
  EXPECT_EQ(push->status, 0) << push->text;
  for (int i = 0; i < 500 && closed == 0; ++i) std::this_thread::sleep_for(10ms);
  pump.request_stop();
  pump.join();
  EXPECT_EQ(peer.echoes(), 3u);
  EXPECT_EQ(peer.tcp().bytes(), 2'000'000u);
  EXPECT_EQ(peer.ignored()[PeerIgnored::bad_checksum], 0u);
}

TEST_F(RemoteHostTest, CommandsReportHowTheyEnded) {
  EXPECT_EQ(WEXITSTATUS(host->run({"sh", "-c", "echo out; echo err >&2; exit 3"}, 20s)->status), 3);
  EXPECT_EQ(WEXITSTATUS(host->run({"/no/such/program"}, 20s)->status), 127);
  EXPECT_THAT(output({"sh", "-c", "echo out; echo err >&2"}), HasSubstr("out\nerr\n"));
  const auto late = host->run({"sleep", "60"}, 100ms);
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error(), HasSubstr("sleep did not end"));
  EXPECT_FALSE(host->run({}, 1s));
  EXPECT_FALSE(host->run({std::string("a\0b", 3)}, 1s));
}

TEST_F(RemoteHostTest, ACommandIsKilledWhenItIsLetGo) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  {
    auto command = host->spawn({"sh", "-c", "sleep 60 | sleep 60"}, {.in = -1, .out = pipe[1], .error = -1});
    ASSERT_TRUE(command) << command.error();
    ::close(pipe[1]);
    EXPECT_EQ(command->ended(), std::nullopt);
  }
  // Its whole process group held the pipe: the end comes when the last of it is gone.
  pollfd watched{pipe[0], POLLIN, 0};
  EXPECT_EQ(::poll(&watched, 1, 20'000), 1);
  char byte;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0);
  ::close(pipe[0]);
}

TEST_F(RemoteHostTest, AWireThatDisappearsLosesItsCarrier) {
  const auto removed = host->run({"ip", "link", "del", "eth0"}, 20s);
  if (removed && WEXITSTATUS(removed->status) == 127) GTEST_SKIP() << "there is no ip here";
  std::array<std::byte, kMaxFrame> buffer;
  EXPECT_EQ(wire->receive(buffer), 0u);
  EXPECT_FALSE(wire->carrier());
  EXPECT_FALSE(wire->send(arp_request(kPeerAddress)));
  EXPECT_GE(wire->stats().drops[WireDrop::no_carrier], 1u);
}

TEST_F(RemoteHostTest, AnInterfaceThatIsDownRefusesFrames) {
  const auto down = host->run({"ip", "link", "set", "eth0", "down"}, 20s);
  if (down && WEXITSTATUS(down->status) == 127) GTEST_SKIP() << "there is no ip here";
  EXPECT_FALSE(wire->send(arp_request(kPeerAddress)));
  EXPECT_EQ(wire->stats().drops[WireDrop::interface_down], 1u);
  EXPECT_TRUE(wire->carrier());
}

TEST_F(RemoteHostTest, FramesLongerThanTheBufferAreCountedNotCut) {
  std::array<std::byte, 30> small;
  ASSERT_TRUE(host->run({"ping", "-c", "1", "-W", "1", "10.10.0.1"}, 20s));  // at least an ARP request
  EXPECT_EQ(wire->receive(small), 0u);
  EXPECT_GE(wire->stats().drops[WireDrop::too_long], 1u);
}

// The program that started the host is killed: no process of the host may be left.
TEST(RemoteHostAlone, DiesWithTheProgramEvenOfKill9) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const pid_t program = ::fork();
  if (program == 0) {
    auto host = RemoteHost::start({.address = {kOurAddress, 24}});
    char sign = 'n';
    if (!host) {
      (void)!::write(pipe[1], &sign, 1);
      ::_exit(0);
    }
    // A grandchild in a session of its own holds the pipe open for as long as it lives.
    auto command = host->spawn({"sh", "-c", "setsid sleep 300 & echo y; sleep 300"},
                               {.in = -1, .out = pipe[1], .error = -1});
    for (;;) ::pause();
  }
  ::close(pipe[1]);
  char sign = 0;
  ASSERT_EQ(::read(pipe[0], &sign, 1), 1);
  ::kill(program, SIGKILL);
  ::waitpid(program, nullptr, 0);
  if (sign == 'n') GTEST_SKIP() << "no remote host can be made here";
  pollfd watched{pipe[0], POLLIN, 0};
  char rest[8];
  ssize_t length = 1;
  while (length > 0 && ::poll(&watched, 1, 20'000) == 1) length = ::read(pipe[0], rest, sizeof rest);
  EXPECT_EQ(length, 0) << "a process of the remote host outlived the program";
  ::close(pipe[0]);
}

TEST(RemoteHostAlone, RefusesANameThatNoInterfaceCanHave) {
  EXPECT_THAT(RemoteHost::start({.interface = "a-name-of-16-char", .address = {kOurAddress, 24}}).error(),
              HasSubstr("15 characters"));
}

}  // namespace
}  // namespace ladon::port
