#include "vfio/server.h"

#include <utility>

namespace ladon::vfio {

struct Server::Client {
  Client(FileDescriptor socket, Server& server)
      : connection(std::move(socket), server.options_.connection, server.refusals_),
        session(server.device_, server.options_.dma, server.refusals_, [&server] { server.resume(); }) {}

  Connection connection;
  Session session;
  bool waiting = false;  // a message is under way: those behind it stay in the socket
  bool broken = false;   // to be dropped when the loop comes by
  Events watched = Events::readable;
};

// Lets the device's completions find out whether the server still lives.
struct Server::Link {
  Server* server;
};

std::expected<std::unique_ptr<Server>, std::string> Server::listen(const std::filesystem::path& path,
                                                                   EventLoop& loop, Device& device) {
  return listen(path, loop, device, Options{});
}

std::expected<std::unique_ptr<Server>, std::string> Server::listen(const std::filesystem::path& path,
                                                                   EventLoop& loop, Device& device,
                                                                   const Options& options) {
  auto listener = Listener::open(path);
  if (!listener) return std::unexpected(listener.error());
  return std::unique_ptr<Server>(new Server(std::move(*listener), loop, device, options));
}

Server::Server(Listener listener, EventLoop& loop, Device& device, const Options& options)
    : listener_(std::move(listener)),
      loop_(loop),
      device_(device),
      options_(options),
      link_(std::make_shared<Link>(this)) {
  loop_.add(listener_.fd(), Events::readable, [this](Events) { accept(); });
}

Server::~Server() {
  link_->server = nullptr;
  drop();
  loop_.remove(listener_.fd());
}

void Server::accept() {
  // The loop may report the next client before the end of the one before it.
  if (client_ != nullptr && client_->connection.hung_up()) drop();
  if (detaching_) return;
  auto socket = listener_.accept();
  if (!socket) return;
  if (client_ != nullptr) {
    refusals_.add(Refusal::second_client);
    return;
  }
  client_ = std::make_unique<Client>(std::move(*socket), *this);
  loop_.add(client_->connection.fd(), Events::readable, [this](Events events) { on_client(events); });
}

void Server::disconnect() {
  if (in_client_)
    doomed_ = true;
  else
    drop();
}

void Server::on_client(Events events) {
  Client& client = *client_;
  const bool gone = has(events, Events::hangup) || has(events, Events::error);
  // While a message is under way nothing is read, so the end of the stream would never be seen.
  if (client.broken || (gone && client.waiting)) return drop();
  if (has(events, Events::writable) && !client.connection.flush()) return drop();
  if (!client.waiting && (gone || has(events, Events::readable))) read_messages();
  if (client_ != nullptr) watch();
}

void Server::read_messages() {
  Client& client = *client_;
  for (unsigned i = 0; i < options_.batch && !client.waiting; ++i) {
    const auto input = client.connection.receive();
    if (input == Connection::Input::nothing) return;
    if (input == Connection::Input::closed) return drop();
    ++messages_;
    in_client_ = true;
    const auto next =
        client.session.handle(client.connection.header(), client.connection.body(),
                              client.connection.descriptors(), client.connection.descriptors_incomplete());
    in_client_ = false;
    if (!deliver(next) || std::exchange(doomed_, false)) return drop();
  }
}

bool Server::deliver(Session::Next next) {
  Client& client = *client_;
  client.waiting = next == Session::Next::later;
  switch (next) {
    case Session::Next::silence:
    case Session::Next::later:
      return true;
    case Session::Next::reply:
      return client.connection.send(client.session.reply(), client.session.reply_descriptor());
    case Session::Next::reply_and_close:
      static_cast<void>(client.connection.send(client.session.reply()));
      return false;
    case Session::Next::close:
      break;
  }
  return false;
}

// Runs inside the device's completion, so nothing here may call the device: the next message, and the end of
// a client that has not read its replies, wait for the loop.
void Server::resume() {
  client_->broken = !deliver(client_->session.finish());
  watch();
}

void Server::watch() {
  Client& client = *client_;
  Events wanted = client.waiting ? Events::none : Events::readable;
  if (client.connection.has_output()) wanted = wanted | Events::writable;
  if (client.broken) client.connection.shut_down();  // the loop reports that at once
  if (std::exchange(client.watched, wanted) != wanted) loop_.change(client.connection.fd(), wanted);
}

void Server::drop() {
  doomed_ = false;
  if (client_ == nullptr) return;
  loop_.remove(client_->connection.fd());
  const bool attached = client_->session.attached();
  client_.reset();
  if (!attached) return;
  // The next client waits in the socket's queue until the device has let go of this one.
  detaching_ = true;
  loop_.change(listener_.fd(), Events::none);
  device_.detached([link = std::weak_ptr(link_)](Status) {
    const auto alive = link.lock();
    if (alive && alive->server != nullptr) alive->server->detached();
  });
}

void Server::detached() {
  if (!std::exchange(detaching_, false)) return;
  loop_.change(listener_.fd(), Events::readable);
}

}  // namespace ladon::vfio
