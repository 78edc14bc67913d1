// The control socket, asked by people who behave and by others.
#include "console/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>
#include <vector>

#include "fixture.h"

namespace ladon::console {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kDouble = "{\"verb\":\"double\",\"number\":4}\n";
constexpr std::string_view kEight = "{\"ok\":true,\"result\":{\"number\":8}}";

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST_F(ConsoleTest, AnswersAndTellsWhatItCanBeAsked) {
  expect_serving();
  const auto help = ask(path(), {{"verb", "help"}});
  ASSERT_TRUE(help) << help.error();
  EXPECT_EQ((*help)["verbs"], (Json{"double", "help", "large", "refuse"}));
}

TEST_F(ConsoleTest, IsItsOwnersAlone) {
  struct stat about{};
  ASSERT_EQ(::stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777u, 0600u);
}

TEST_F(ConsoleTest, AnswersSeveralRequestsOfOneConnectionInTheirOrder) {
  RawClient client(path());
  ASSERT_TRUE(client.send("{\"verb\":\"double\",\"number\":1}\n{\"verb\":\"double\",\"number\":2}\n"));
  EXPECT_EQ(client.line(), "{\"ok\":true,\"result\":{\"number\":2}}");
  EXPECT_EQ(client.line(), "{\"ok\":true,\"result\":{\"number\":4}}");
  ASSERT_TRUE(client.send(kDouble));
  EXPECT_EQ(client.line(), kEight);
}

TEST_F(ConsoleTest, TakesARequestByteByByte) {
  RawClient client(path());
  for (const char c : kDouble) ASSERT_TRUE(client.send({&c, 1}));
  EXPECT_EQ(client.line(), kEight);
}

TEST_F(ConsoleTest, AnswersWhoSendsNothingMore) {
  RawClient client(path());
  ASSERT_TRUE(client.send(kDouble));
  client.end();
  EXPECT_EQ(client.rest(), std::string(kEight) + "\n");
}

TEST_F(ConsoleTest, AVerbThatRefusesOrIsAskedWithOtherTypesIsAnswered) {
  RawClient client(path());
  ASSERT_TRUE(
      client.send("{\"verb\":\"refuse\"}\n{\"verb\":\"double\",\"number\":\"4\"}\n{\"verb\":\"none\"}\n"));
  EXPECT_THAT(client.line(), HasSubstr("today"));
  EXPECT_THAT(client.line(), HasSubstr("type must be number"));
  EXPECT_THAT(client.line(), HasSubstr("no such verb; there are: double, help"));
  ASSERT_TRUE(client.send(kDouble));
  EXPECT_EQ(client.line(), kEight);
  EXPECT_EQ(refused(Refusal::failed), 2u);
  EXPECT_EQ(refused(Refusal::unknown), 1u);
}

class HostileLine : public ConsoleTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(HostileLine, IsAnsweredOnceAndEndsItsConnection) {
  RawClient client(path());
  (void)client.send(GetParam() + "\n" + std::string(kDouble));
  const std::string said = client.rest();
  EXPECT_THAT(said, ::testing::StartsWith("{\"error\":"));
  EXPECT_EQ(std::ranges::count(said, '\n'), 1);
  EXPECT_EQ(refused(Refusal::malformed), 1u);
  expect_serving();
}

INSTANTIATE_TEST_SUITE_P(Each, HostileLine,
                         ::testing::Values("", "help", "[]", "null", "{}", "{\"verb\":1}",
                                           "{\"verb\":\"double\"", "{\"verb\":\"\xFF\"}",
                                           std::string(1000, '\0'), std::string(60'000, '['),
                                           "{\"verb\":\"double\",\"number\":" + std::string(30'000, '[') +
                                               std::string(30'000, ']') + "}"));

TEST_F(ConsoleTest, ARequestWithoutAnEndIsNotKept) {
  RawClient client(path());
  (void)client.send(std::string(kMaxRequest + 100'000, 'x'));
  // The rest of it is not read; the kernel may tell us so before we have the answer.
  const std::string said = client.rest();
  EXPECT_TRUE(said.empty() || said.find("at most 65536 bytes") != std::string::npos) << said;
  EXPECT_EQ(refused(Refusal::too_long), 1u);
  expect_serving();
}

TEST_F(ConsoleTest, DescriptorsThatCameWithARequestAreNotKept) {
  const std::size_t before = open_descriptors();
  {
    RawClient client(path());
    std::array<int, 8> sent{};
    sent.fill(client.fd());
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof sent)> control{};
    iovec part{.iov_base = const_cast<char*>(kDouble.data()), .iov_len = kDouble.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof sent);
    std::memcpy(CMSG_DATA(c), sent.data(), sizeof sent);
    ASSERT_GT(::sendmsg(client.fd(), &header, MSG_NOSIGNAL), 0);
    EXPECT_EQ(client.line(), kEight);
    EXPECT_LE(open_descriptors(), before + 2);  // both ends of this connection
  }
}

TEST_F(ConsoleTest, ReadersThatDoNotReadHoldUpNobody) {
  std::vector<std::unique_ptr<RawClient>> lazy;
  for (int i = 0; i < 4; ++i) {
    lazy.push_back(std::make_unique<RawClient>(path()));
    ASSERT_TRUE(lazy.back()->send("{\"verb\":\"large\",\"bytes\":8000000}\n"));
  }
  expect_serving();
  for (auto& client : lazy) EXPECT_GT(client->line().size(), 8'000'000u);
}

TEST_F(ConsoleTest, MoreConnectionsThanThereIsRoomForAreClosed) {
  std::vector<std::unique_ptr<RawClient>> held;
  for (int i = 0; i < 8; ++i) {
    held.push_back(std::make_unique<RawClient>(path()));
    ASSERT_TRUE(held.back()->send(kDouble));
    EXPECT_EQ(held.back()->line(), kEight);
  }
  RawClient surplus(path());
  EXPECT_EQ(surplus.rest(), "");
  EXPECT_EQ(refused(Refusal::too_many), 1u);
  ASSERT_TRUE(held[3]->send(kDouble));
  EXPECT_EQ(held[3]->line(), kEight);
  held.clear();
  // Their places are free as soon as the server has seen them go.
  bool served = false;
  for (int i = 0; i < 1000 && !served; ++i) served = ask(path(), {{"verb", "help"}}).has_value();
  EXPECT_TRUE(served);
}

class ImpatientConsole : public ConsoleTest {
 protected:
  ImpatientConsole() : ConsoleTest({.connections = 8, .idle = std::chrono::milliseconds(50)}) {}
};

TEST_F(ImpatientConsole, WhoSaysNothingOrDoesNotReadIsClosed) {
  RawClient silent(path()), half(path());
  ASSERT_TRUE(half.send("{\"verb\":"));
  EXPECT_EQ(silent.rest() + half.rest(), "");
  EXPECT_EQ(refused(Refusal::idle), 2u);
  expect_serving();
}

// Whoever is somebody else and got past the file's mode is recognized by the kernel's word for it.
TEST_F(ConsoleTest, AnotherUsersProcessIsTurnedAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  ASSERT_EQ(::chmod(folder_.c_str(), 0755) | ::chmod(path().c_str(), 0666), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path().copy(address.sun_path, sizeof address.sun_path - 1);
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    const int fd = ::setuid(kNobody) == 0 ? ::socket(AF_UNIX, SOCK_STREAM, 0) : -1;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) ::_exit(2);
    char byte = 0;
    ::_exit(::read(fd, &byte, 1) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(refused(Refusal::foreign), 1u);
  expect_serving();
}

RC_GTEST_FIXTURE_PROP(ConsoleTest, AnyBytesAreAnsweredOrRefused, (std::vector<std::string> pieces)) {
  RawClient client(path());
  for (const std::string& piece : pieces)
    if (!client.send(piece)) break;
  client.end();
  (void)client.rest();
  RC_ASSERT(ask(path(), {{"verb", "help"}}).has_value());
}

TEST(ConsoleClient, SaysWhyThereIsNoAnswer) {
  const auto nobody = ask("/no/such/control.sock", {{"verb", "help"}});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error(), "/no/such/control.sock: No such file or directory");
  EXPECT_THAT(ask(std::string(200, 'x'), {}).error(), HasSubstr("a socket's path has 1 to 107 bytes"));
}

TEST(ConsoleMessage, ARepliesErrorIsWhatIsHeard) {
  EXPECT_EQ(parse_reply(error_reply("no")).error(), "no");
  EXPECT_EQ(parse_reply(ok_reply({{"a", 1}})).value(), (Json{{"a", 1}}));
  for (const char* odd : {"", "1", "{}", "{\"ok\":true}", "{\"ok\":1,\"result\":2}", "{\"error\":3}"})
    EXPECT_THAT(parse_reply(odd).error(), HasSubstr("not one that a rack gives"));
}

}  // namespace
}  // namespace ladon::console
