// A control socket in a fresh folder, and whoever connects to it, who may send anything.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "console/client.h"
#include "console/server.h"

namespace ladon::console {

class RawClient {
 public:
  explicit RawClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int fd() const { return socket_.get(); }

  // False if the other side is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (done <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(done));
    }
    return true;
  }
  void end() { ::shutdown(socket_.get(), SHUT_WR); }
  // Up to the next line's end, or what came before the other side closed.
  std::string line() {
    while (received_.find('\n') == std::string::npos && receive()) {
    }
    const std::size_t end = received_.find('\n');
    const std::string line = received_.substr(0, end);
    received_.erase(0, end == std::string::npos ? end : end + 1);
    return line;
  }
  // Everything until the other side closes.
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }

 private:
  bool receive() {
    constexpr int kMilliseconds = 30'000;
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, kMilliseconds) <= 0) {
      ADD_FAILURE() << "no answer";
      return false;
    }
    std::array<char, 65536> piece{};
    const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    if (got > 0) received_.append(piece.data(), static_cast<std::size_t>(got));
    return got > 0;
  }

  FileDescriptor socket_;
  bool connected_ = false;
  std::string received_;
};

class ConsoleTest : public testing::Test {
 protected:
  explicit ConsoleTest(const ServerLimits& limits = {}) {
    std::string pattern = (std::filesystem::temp_directory_path() / "ladon-console-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    Verbs verbs;
    verbs["double"] = [](const Json& arguments) -> std::expected<Json, std::string> {
      return Json{{"number", 2 * arguments.at("number").get<int>()}};
    };
    verbs["large"] = [](const Json& arguments) -> std::expected<Json, std::string> {
      return Json(std::string(arguments.at("bytes").get<std::size_t>(), 'x'));
    };
    verbs["refuse"] = [](const Json&) -> std::expected<Json, std::string> {
      return std::unexpected("not \xFF today");
    };
    auto started = Server::start(path(), std::move(verbs), Log::silent(), limits);
    if (!started) throw std::runtime_error(started.error());
    server_ = std::move(*started);
  }
  ~ConsoleTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  [[nodiscard]] std::string path() const { return folder_ + "/control.sock"; }
  // Someone who behaves is served.
  void expect_serving() {
    const auto answer = ask(path(), {{"verb", "double"}, {"number", 21}});
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ((*answer)["number"], 42);
  }
  [[nodiscard]] std::uint64_t refused(Refusal why) const { return server_->refusals()[why]; }

  std::string folder_;
  std::unique_ptr<Server> server_;
};

}  // namespace ladon::console
