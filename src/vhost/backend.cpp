#include "vhost/backend.h"

#include <fmt/format.h>

#include <utility>

namespace ladon::vhost {

struct Backend::Client {
  Client(FileDescriptor socket, Backend& backend)
      : connection(std::move(socket), backend.options_.connection, backend.refusals_),
        session(backend.device_, backend,
                {.memory = backend.options_.memory, .polling = backend.options_.polling}, backend.refusals_) {
  }

  Connection connection;
  Session session;
  Events watched = Events::readable;
};

std::expected<std::unique_ptr<Backend>, std::string> Backend::listen(const std::filesystem::path& path,
                                                                     EventLoop& loop, FramePort& port,
                                                                     const Options& options) {
  auto listener = Listener::open(path);
  if (!listener) return std::unexpected(listener.error());
  auto again = EventFd::create();
  if (!again) return std::unexpected(fmt::format("{}: no descriptor left", path.string()));
  return std::unique_ptr<Backend>(new Backend(std::move(*listener), std::move(*again), loop, port, options));
}

Backend::Backend(Listener listener, EventFd again, EventLoop& loop, FramePort& port, const Options& options)
    : listener_(std::move(listener)),
      again_(std::move(again)),
      loop_(loop),
      port_(port),
      options_(options),
      device_(options.offloads) {
  loop_.add(listener_.fd(), Events::readable, [this](Events) { accept(); });
  loop_.add(again_.get(), Events::readable, [this](Events) {
    again_.take();
    if (transmit() == TransmitQueue::Turn::more) again_.signal();
    drop_if_doomed();
  });
}

Backend::~Backend() {
  drop();
  loop_.remove(again_.get());
  loop_.remove(listener_.fd());
}

// ---- the front end

void Backend::accept() {
  // The loop may report the next front end before the end of the one before it.
  if (client_ != nullptr && client_->connection.socket().hung_up()) drop();
  auto socket = listener_.accept();
  if (!socket) return;
  if (client_ != nullptr) {
    refusals_.add(Refusal::second_client);
    return;
  }
  client_ = std::make_unique<Client>(std::move(*socket), *this);
  loop_.add(client_->connection.socket().fd(), Events::readable,
            [this](Events events) { on_client(events); });
}

void Backend::on_client(Events events) {
  if (has(events, Events::writable) && !client_->connection.socket().flush()) return drop();
  read_messages();
  if (client_ == nullptr) return;
  watch_output();
  update_link();
  again_.signal();  // whatever has changed, both queues are looked at
  check_room();
  drop_if_doomed();
}

void Backend::read_messages() {
  Client& client = *client_;
  MessageSocket& socket = client.connection.socket();
  for (unsigned i = 0; i < options_.messages; ++i) {
    const auto input = client.connection.receive();
    if (input == Connection::Input::nothing) return;
    if (input == Connection::Input::closed) return drop();
    const auto next = client.session.handle(client.connection.header(), client.connection.payload(),
                                            socket.descriptors(), socket.descriptors_incomplete());
    if (!deliver(next)) return drop();
  }
}

bool Backend::deliver(Session::Next next) {
  if (next == Session::Next::answer) return client_->connection.socket().send(client_->session.answer());
  return next == Session::Next::silence;
}

void Backend::watch_output() {
  Client& client = *client_;
  MessageSocket& socket = client.connection.socket();
  const Events wanted = socket.has_output() ? Events::readable | Events::writable : Events::readable;
  if (std::exchange(client.watched, wanted) != wanted) loop_.change(socket.fd(), wanted);
}

void Backend::disconnect() {
  doomed_ = client_ != nullptr;
  if (!in_port_) drop_if_doomed();
}

void Backend::drop_if_doomed() {
  if (std::exchange(doomed_, false)) drop();
}

void Backend::drop() {
  doomed_ = false;
  if (client_ == nullptr) return;
  loop_.remove(client_->connection.socket().fd());
  client_.reset();
  for (unsigned queue = 0; queue < NetDevice::kQueues; ++queue) watch_kick(queue, std::nullopt);
  device_.forget();
  port_busy_ = false;
  update_link();
  check_room();  // a frame that waits is not to wait for ever
}

void Backend::update_link() {
  const bool up = device_.link();
  if (std::exchange(link_, up) == up) return;
  const bool nested = std::exchange(in_port_, true);
  port_.link(up);
  in_port_ = nested;
  if (!up) check_room();
}

// ---- the rings

void Backend::watch_kick(unsigned queue, std::optional<EventFd> kick) {
  auto& watched = kick_[queue];
  if (watched && !options_.polling) loop_.remove(watched->get());
  watched = std::move(kick);
  if (watched && !options_.polling)
    loop_.add(watched->get(), Events::readable, [this, queue](Events) { on_kick(queue); });
}

void Backend::on_kick(unsigned queue) {
  ++kicks_;
  kick_[queue]->take();
  if (queue == spec::virtio::kReceiveQueue)
    check_room();
  else if (transmit() == TransmitQueue::Turn::more)
    again_.signal();
  drop_if_doomed();
}

TransmitQueue::Turn Backend::transmit() {
  using Turn = TransmitQueue::Turn;
  if (port_busy_) return Turn::busy;
  const bool nested = std::exchange(in_port_, true);
  const Turn turn = device_.transmit(port_, options_.budget, !options_.polling);
  port_busy_ = turn == Turn::busy;
  port_.flush();
  in_port_ = nested;
  update_link();  // the ring may have broken
  return turn;
}

void Backend::check_room() {
  if (!std::exchange(wants_room_, false)) return;
  device_.receive_queue().stop_waiting();
  const bool nested = std::exchange(in_port_, true);
  port_.room();
  in_port_ = nested;
}

Delivery Backend::send(const Frame& frame) {
  Delivery delivery = device_.send(frame);
  if (delivery == Delivery::busy && !wants_room_) {
    wants_room_ = true;
    // Buffers may have come while the guest was being asked to say so.
    while (delivery == Delivery::busy && !options_.polling && !device_.receive_queue().wait_for_room())
      delivery = device_.send(frame);
    if (delivery != Delivery::busy) {
      wants_room_ = false;
      device_.receive_queue().stop_waiting();
    }
  }
  // The ring may have broken. The port hears of it in the next turn, not within its own call.
  if (delivery == Delivery::dropped && link_ != device_.link()) again_.signal();
  return delivery;
}

void Backend::resume() {
  if (std::exchange(port_busy_, false)) again_.signal();
}

bool Backend::poll() {
  const std::uint64_t before = device_.traffic().from_guest_frames;
  bool worked = transmit() == TransmitQueue::Turn::more;
  if (wants_room_ && device_.receive_queue().has_changed()) {
    check_room();
    worked = true;
  }
  drop_if_doomed();
  return worked || device_.traffic().from_guest_frames != before;
}

RingFlaws Backend::flaws() const {
  RingFlaws all = device_.receive_vring().flaws();
  all += device_.transmit_vring().flaws();
  return all;
}

std::uint64_t Backend::signals() const {
  return device_.receive_vring().signals() + device_.transmit_vring().signals();
}

}  // namespace ladon::vhost
