// The control socket of a running rack: answers the requests of its owner, on a thread of its own, one after
// the other. Whoever connects is somebody else's program: what it sends is bounded and may be anything.
//
//   auto server = console::Server::start(path, {{"audit", [](const Json& arguments) { ... }}}, log);
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/counters.h"
#include "base/event_loop.h"
#include "base/listener.h"
#include "base/log.h"
#include "console/message.h"

namespace ladon::console {

// Called on the server's thread; may take its time, and whoever asks next waits. The error is a sentence for
// the asker. May throw Json::exception for arguments of another type than it wants.
using Verb = std::move_only_function<std::expected<Json, std::string>(const Json& arguments)>;
using Verbs = std::map<std::string, Verb, std::less<>>;

enum class Refusal : std::uint8_t {
  foreign,    // another user's process, by SO_PEERCRED (unix(7)): closed without a word
  too_many,   // connections: closed without a word
  too_long,   // a request of more than kMaxRequest bytes: answered, then closed
  malformed,  // no request: answered, then closed
  unknown,    // verb: answered
  failed,     // the verb itself refused: answered
  idle,       // neither sent nor took a byte for too long: closed
  count_
};
[[nodiscard]] std::string_view name(Refusal refusal);

struct ServerLimits {
  std::size_t connections = 8;
  Duration idle = std::chrono::seconds(10);
};

class Server {
 public:
  // A verb "help" that lists the others is always there. The error is a sentence for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> start(
      const std::string& path, Verbs verbs, const Log& log, const ServerLimits& limits = {});
  // Ends the thread, after the request that it answers just now, and removes the socket.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::string path() const { return listener_.path().string(); }
  // From any thread.
  [[nodiscard]] Counters<Refusal> refusals() const;

 private:
  struct Connection;
  Server(Listener listener, Verbs verbs, Log log, const ServerLimits& limits);
  void run();
  void accept_all();
  void on_ready(Connection& connection, Events events);
  void read_from(Connection& connection);
  // Answers the lines that have come, one at a time: the next only when the last answer is away.
  void serve(Connection& connection);
  [[nodiscard]] std::string answer(Connection& connection, std::string_view line);
  void flush(Connection& connection);
  void close_idle();
  void refuse(Refusal why);

  Listener listener_;
  Verbs verbs_;
  Log log_;
  ServerLimits limits_;
  SteadyClock clock_;
  EpollLoop loop_{clock_};
  std::list<Connection> connections_;
  mutable std::mutex counting_;
  Counters<Refusal> refusals_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace ladon::console
