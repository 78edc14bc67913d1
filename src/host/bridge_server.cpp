#include "host/bridge_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "host/packet_socket.h"

namespace ladon::host {

struct BridgeServer::Connection {
  FileDescriptor socket;
  Epoch epoch{0};  // 0: has not said hello
  std::deque<std::vector<std::byte>> outbox;
  bool closing = false, watching_writes = false;
};

std::expected<std::unique_ptr<BridgeServer>, std::string> BridgeServer::listen(HostBridge& served,
                                                                               const std::string& path) {
  auto listening = detail::listen_at(path);
  if (!listening) return std::unexpected(listening.error());
  FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event interest{.events = EPOLLIN, .data = {.fd = listening->get()}};
  if (!epoll || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listening->get(), &interest) < 0)
    return std::unexpected(path + ": no epoll descriptor");
  return std::unique_ptr<BridgeServer>(
      new BridgeServer(served, std::move(*listening), std::move(epoll), path));
}

BridgeServer::BridgeServer(HostBridge& served, FileDescriptor listening, FileDescriptor epoll,
                           std::string path)
    : served_(served), listening_(std::move(listening)), epoll_(std::move(epoll)), path_(std::move(path)) {
  served_.listen([this](const Event& event) { publish(event); });
}

BridgeServer::~BridgeServer() {
  served_.listen({});
  ::unlink(path_.c_str());
}

void BridgeServer::on_ready() {
  std::array<epoll_event, 16> ready{};
  const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 0);
  for (int i = 0; i < count; ++i) {
    const int fd = ready[static_cast<std::size_t>(i)].data.fd;
    if (fd == listening_.get()) {
      accept_all();
      continue;
    }
    const auto found =
        std::ranges::find_if(connections_, [fd](const auto& c) { return c->socket.get() == fd; });
    if (found == connections_.end()) continue;
    const auto connection = *found;  // outlives its removal below; NOLINT(performance-unnecessary-copy-*)
    flush(*connection);
    if (!connection->closing) read_from(connection);
  }
  std::erase_if(connections_, [](const auto& c) { return c->closing; });
}

void BridgeServer::accept_all() {
  for (;;) {
    FileDescriptor socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (connections_.size() >= kMaxConnections && !drop_one_without_power()) {
      refusals_.add(ServerRefusal::too_many);
      continue;
    }
    epoll_event interest{.events = EPOLLIN, .data = {.fd = socket.get()}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &interest) < 0) continue;
    connections_.push_back(std::make_shared<Connection>(std::move(socket)));
  }
}

// Room for a newcomer, who may be the one that takes over.
bool BridgeServer::drop_one_without_power() {
  const auto idle =
      std::ranges::find_if(connections_, [this](const auto& c) { return !fence_.allows(c->epoch); });
  if (idle == connections_.end()) return false;
  connections_.erase(idle);
  return true;
}

void BridgeServer::read_from(const std::shared_ptr<Connection>& connection) {
  std::vector<std::byte> buffer(kMaxMessage);
  // One busy client must not hold the engine: what is left is ready again in the next round.
  for (std::size_t i = 0; i < kMaxBatch && !connection->closing; ++i) {
    const detail::Packet packet = detail::receive_packet(connection->socket.get(), buffer);
    if (packet.status == detail::SocketStatus::would_block) return;
    if (packet.status == detail::SocketStatus::closed) {
      connection->closing = true;
      return;
    }
    auto message = decode(std::span(buffer).first(packet.length), packet.fd.get());
    if (packet.cut || !message) {
      refusals_.add(ServerRefusal::malformed);
      connection->closing = true;
      return;
    }
    take(connection, std::move(*message));
  }
}

void BridgeServer::take(const std::shared_ptr<Connection>& connection, Message message) {
  if (const auto* hello = std::get_if<Hello>(&message)) {
    const bool accepted = fence_.take_over(hello->epoch);
    if (accepted)
      connection->epoch = hello->epoch;
    else
      refusals_.add(ServerRefusal::stale_epoch);
    return send(*connection, Welcome{fence_.newest(), accepted});
  }
  auto* request = std::get_if<RequestMessage>(&message);
  if (request == nullptr) {
    refusals_.add(ServerRefusal::malformed);
    connection->closing = true;
    return;
  }
  if (!fence_.allows(request->epoch) || request->epoch != connection->epoch) {
    refusals_.add(ServerRefusal::stale_epoch);
    return send(*connection, ResponseMessage{request->id, std::unexpected(Error::stale_epoch)});
  }
  // The answer may come after the connection, or after this server.
  served_.submit(std::move(request->request),
                 [this, weak = std::weak_ptr(connection), id = request->id](Result result) {
                   if (const auto still = weak.lock()) send(*still, ResponseMessage{id, std::move(result)});
                 });
}

void BridgeServer::send(Connection& connection, const Message& message) {
  if (connection.closing) return;
  // An event can be missed, an answer cannot.
  if (std::holds_alternative<EventMessage>(message) && connection.outbox.size() >= kMaxEvents)
    return refusals_.add(ServerRefusal::event_dropped);
  if (connection.outbox.size() >= kMaxOutbox) {
    refusals_.add(ServerRefusal::too_many);
    connection.closing = true;
    return;
  }
  connection.outbox.push_back(encode(message));
  flush(connection);
}

void BridgeServer::flush(Connection& connection) {
  while (!connection.outbox.empty()) {
    const auto status = detail::send_packet(connection.socket.get(), connection.outbox.front(), -1);
    if (status == detail::SocketStatus::closed) {
      connection.closing = true;
      return;
    }
    if (status == detail::SocketStatus::would_block) break;
    connection.outbox.pop_front();
  }
  watch(connection, !connection.outbox.empty());
}

void BridgeServer::watch(Connection& connection, bool writable) {
  if (connection.watching_writes == writable) return;
  connection.watching_writes = writable;
  epoll_event interest{.events = writable ? EPOLLIN | EPOLLOUT : EPOLLIN,
                       .data = {.fd = connection.socket.get()}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &interest);
}

void BridgeServer::publish(const Event& event) {
  for (const auto& connection : connections_)
    if (fence_.allows(connection->epoch)) send(*connection, EventMessage{event});
}

}  // namespace ladon::host
