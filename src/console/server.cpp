#include "console/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace ladon::console {

struct Server::Connection {
  FileDescriptor socket;
  std::string inbox, outbox;
  std::size_t sent = 0;  // of the outbox
  Instant last_byte;     // that came or went
  bool no_more = false;  // the other side sends nothing any more, or is not listened to
  bool closing = false;
};

namespace {

bool is_ours(int socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

std::string_view name(Refusal refusal) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Refusal::count_)> kNames = {
      "of another user",
      "too many connections",
      "request too long",
      "no request",
      "unknown verb",
      "verb failed",
      "idle"};
  return kNames[static_cast<std::size_t>(refusal)];
}

std::expected<std::unique_ptr<Server>, std::string> Server::start(const std::string& path, Verbs verbs,
                                                                  const Log& log,
                                                                  const ServerLimits& limits) {
  auto listener = Listener::open(path);
  if (!listener) return std::unexpected(listener.error());
  std::unique_ptr<Server> server(new Server(std::move(*listener), std::move(verbs), log, limits));
  server->thread_ = std::thread([raw = server.get()] { raw->run(); });
  return server;
}

Server::Server(Listener listener, Verbs verbs, Log log, const ServerLimits& limits)
    : listener_(std::move(listener)), verbs_(std::move(verbs)), log_(std::move(log)), limits_(limits) {
  verbs_["help"] = [this](const Json&) -> std::expected<Json, std::string> {
    Json names = Json::array();
    for (const auto& [verb, does] : verbs_) names.push_back(verb);
    return Json{{"verbs", std::move(names)}};
  };
  loop_.add(listener_.fd(), Events::readable, [this](Events) { accept_all(); });
}

Server::~Server() {
  stopped_ = true;
  loop_.wake();
  if (thread_.joinable()) thread_.join();
}

Counters<Refusal> Server::refusals() const {
  const std::scoped_lock lock(counting_);
  return refusals_;
}

void Server::refuse(Refusal why) {
  const std::scoped_lock lock(counting_);
  refusals_.add(why);
}

void Server::run() {
  constexpr Duration kSweep = std::chrono::seconds(1);
  while (!stopped_.load()) {
    loop_.run_once(std::min(kSweep, limits_.idle));
    close_idle();
    for (const Connection& connection : connections_)
      if (connection.closing) loop_.remove(connection.socket.get());
    std::erase_if(connections_, [](const Connection& c) { return c.closing; });
  }
}

void Server::accept_all() {
  while (auto socket = listener_.accept()) {
    if (!is_ours(socket->get())) {
      log_.warning("control socket: a process of another user was turned away");
      refuse(Refusal::foreign);
      continue;
    }
    if (connections_.size() >= limits_.connections) {
      refuse(Refusal::too_many);
      continue;
    }
    Connection& made = connections_.emplace_back(std::move(*socket));
    made.last_byte = clock_.now();
    loop_.add(made.socket.get(), Events::readable, [this, &made](Events events) { on_ready(made, events); });
  }
}

void Server::on_ready(Connection& connection, Events events) {
  if (connection.closing) return;
  if (has(events, Events::error)) {
    connection.closing = true;
    return;
  }
  flush(connection);
  if (!connection.no_more && connection.outbox.empty()) read_from(connection);
  serve(connection);
  if (connection.closing) return;
  const bool answering = !connection.outbox.empty();
  if (connection.no_more && !answering)
    connection.closing = true;
  else
    loop_.change(connection.socket.get(), answering ? Events::writable : Events::readable);
}

// Never more than one request and what follows its end in the same piece.
void Server::read_from(Connection& connection) {
  std::array<char, 16384> buffer{};
  while (connection.inbox.size() <= kMaxRequest && connection.inbox.find('\n') == std::string::npos) {
    const ssize_t got = ::recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      connection.no_more = true;
      connection.closing = got < 0;
      return;
    }
    connection.inbox.append(buffer.data(), static_cast<std::size_t>(got));
    connection.last_byte = clock_.now();
  }
}

void Server::serve(Connection& connection) {
  while (!connection.closing && connection.outbox.empty()) {
    const std::size_t end = connection.inbox.find('\n');
    if (std::min(end, connection.inbox.size()) > kMaxRequest) {
      refuse(Refusal::too_long);
      connection.outbox = error_reply(fmt::format("a request has at most {} bytes", kMaxRequest));
      connection.inbox.clear();
      connection.no_more = true;
    } else if (end == std::string::npos) {
      return;
    } else {
      connection.outbox = answer(connection, std::string_view(connection.inbox).substr(0, end));
      connection.inbox.erase(0, connection.no_more ? std::string::npos : end + 1);
    }
    flush(connection);
  }
}

std::string Server::answer(Connection& connection, std::string_view line) {
  const auto request = parse_request(line);
  if (!request) {
    refuse(Refusal::malformed);
    connection.no_more = true;
    return error_reply(request.error());
  }
  const auto verb = verbs_.find(request->verb);
  if (verb == verbs_.end()) {
    refuse(Refusal::unknown);
    std::vector<std::string_view> known;
    for (const auto& [called, does] : verbs_) known.push_back(called);
    return error_reply(fmt::format("no such verb; there are: {}", fmt::join(known, ", ")));
  }
  std::expected<Json, std::string> result;
  try {
    result = verb->second(request->arguments);
  } catch (const std::exception& exception) {
    result = std::unexpected(fmt::format("{}: {}", request->verb, exception.what()));
  }
  std::string reply = result ? ok_reply(std::move(*result)) : error_reply(result.error());
  if (result && reply.size() <= kMaxReply) return reply;
  refuse(Refusal::failed);
  return result ? error_reply("the answer is too long") : reply;
}

void Server::flush(Connection& connection) {
  while (connection.sent < connection.outbox.size()) {
    const ssize_t done = ::send(connection.socket.get(), connection.outbox.data() + connection.sent,
                                connection.outbox.size() - connection.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      connection.closing = errno != EAGAIN && errno != EWOULDBLOCK;
      return;
    }
    connection.sent += static_cast<std::size_t>(done);
    connection.last_byte = clock_.now();
  }
  connection.sent = 0;
  connection.outbox.clear();
}

void Server::close_idle() {
  const Instant now = clock_.now();
  for (Connection& connection : connections_)
    if (!connection.closing && now - connection.last_byte >= limits_.idle) {
      refuse(Refusal::idle);
      connection.closing = true;
    }
}

}  // namespace ladon::console
