#include "host/socket_bridge.h"

#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>

#include "host/packet_socket.h"

namespace ladon::host {

namespace {

bool wait_for(int fd, short events, int milliseconds) {
  pollfd one{.fd = fd, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&one, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// The answer to Hello; nullopt if something else came, or nothing.
std::optional<Welcome> await_welcome(int fd) {
  constexpr int kPatience = 10'000;  // milliseconds
  if (!wait_for(fd, POLLIN, kPatience)) return std::nullopt;
  std::array<std::byte, 256> buffer{};
  const detail::Packet packet = detail::receive_packet(fd, buffer);
  if (packet.status != detail::SocketStatus::done || packet.cut) return std::nullopt;
  const auto message = decode(std::span(buffer).first(packet.length), packet.fd.get());
  if (!message) return std::nullopt;
  const auto* welcome = std::get_if<Welcome>(&*message);
  return welcome ? std::optional(*welcome) : std::nullopt;
}

}  // namespace

std::expected<std::unique_ptr<SocketBridge>, ConnectError> SocketBridge::connect(const std::string& path,
                                                                                 Epoch epoch) {
  auto socket = detail::connect_to(path);
  if (!socket) return std::unexpected(ConnectError{socket.error(), std::nullopt});
  if (detail::send_packet(socket->get(), encode(Hello{epoch}), -1) != detail::SocketStatus::done)
    return std::unexpected(ConnectError{path + ": the host does not listen", std::nullopt});
  const auto welcome = await_welcome(socket->get());
  if (!welcome) return std::unexpected(ConnectError{path + ": the host does not answer", std::nullopt});
  if (!welcome->accepted)
    return std::unexpected(
        ConnectError{path + ": epoch " + std::to_string(static_cast<std::uint64_t>(epoch)) +
                         " is not newer than " + std::to_string(static_cast<std::uint64_t>(welcome->newest)),
                     welcome->newest});
  return std::unique_ptr<SocketBridge>(new SocketBridge(std::move(*socket), epoch));
}

SocketBridge::~SocketBridge() {
  disconnect();
}

void SocketBridge::submit(Request request, Reply reply) {
  if (!connected()) return reply(std::unexpected(Error::disconnected));
  RequestMessage message{next_id_++, epoch_, std::move(request)};
  if (const auto* bulk = std::get_if<WriteMemory>(&message.request); bulk && bulk->bytes.size() > kMaxBulk)
    return reply(std::unexpected(Error::bad_argument));
  open_.emplace(message.id, std::move(reply));
  const Message whole(std::move(message));
  const int fd = descriptor_of(whole);
  // The caller may close its descriptor when submit returns.
  outbox_.push_back({encode(whole), FileDescriptor(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0))});
  on_writable();
}

void SocketBridge::on_writable() {
  while (connected() && wants_write()) {
    const Outgoing& next = outbox_.front();
    switch (detail::send_packet(socket_.get(), next.bytes, next.fd.get())) {
      case detail::SocketStatus::done:
        outbox_.pop_front();
        break;
      case detail::SocketStatus::would_block:
        return;
      case detail::SocketStatus::closed:
        return disconnect();
    }
  }
}

void SocketBridge::on_readable() {
  while (receive_one()) {
  }
}

bool SocketBridge::receive_one() {
  if (!connected()) return false;
  std::vector<std::byte> buffer(kMaxMessage);
  const detail::Packet packet = detail::receive_packet(socket_.get(), buffer);
  if (packet.status == detail::SocketStatus::would_block) return false;
  if (packet.status == detail::SocketStatus::closed || packet.cut) return disconnect(), false;
  auto message = decode(std::span(buffer).first(packet.length), packet.fd.get());
  if (!message) return disconnect(), false;
  take(std::move(*message));
  return true;
}

void SocketBridge::take(Message message) {
  if (auto* response = std::get_if<ResponseMessage>(&message)) {
    // Taken out first: the reply may submit, and wait for the answer.
    auto open = open_.extract(response->id);
    if (!open) return disconnect();
    open.mapped()(std::move(response->result));
    on_writable();
  } else if (const auto* event = std::get_if<EventMessage>(&message)) {
    if (listener_) listener_(event->event);
  } else {
    disconnect();
  }
}

bool SocketBridge::wait(int milliseconds) {
  if (!connected()) return false;
  const short events = wants_write() ? POLLIN | POLLOUT : POLLIN;
  if (wait_for(socket_.get(), events, milliseconds)) {
    on_writable();
    on_readable();
  }
  return connected();
}

void SocketBridge::disconnect() {
  socket_.reset();
  outbox_.clear();
  while (!open_.empty()) {
    auto open = open_.extract(open_.begin());
    open.mapped()(std::unexpected(Error::disconnected));
  }
}

}  // namespace ladon::host
