// A vfio-user server for one PCI function: one socket, one client at a time, driven by the loop it is given.
//
//   auto server = Server::listen("/run/vf0.sock", loop, device);   // std::expected<..., std::string>
//   while (running) loop.run_once(longest);
//
// A client that breaks the protocol or does not read its replies is disconnected; whatever ends a client, the
// device is told detached() once, and the next client finds a clean state. Nothing here waits.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/listener.h"
#include "vfio/connection.h"
#include "vfio/device.h"
#include "vfio/dma_table.h"
#include "vfio/session.h"

namespace ladon::vfio {

class Server {
 public:
  struct Options {
    Connection::Limits connection;
    DmaTable::Limits dma;
    // Messages that one client may have handled before others get their turn.
    unsigned batch = 64;
  };

  // `loop` and `device` outlive the server. The error is for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> listen(
      const std::filesystem::path& path, EventLoop& loop, Device& device, const Options& options);
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> listen(
      const std::filesystem::path& path, EventLoop& loop, Device& device);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return listener_.path(); }
  [[nodiscard]] bool connected() const { return client_ != nullptr; }
  // Why clients were refused something, since the server was made.
  [[nodiscard]] const Refusals& refusals() const { return refusals_; }
  // Messages handled, since the server was made.
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  // Ends the client's session as if it had gone by itself. From a callback of the device it takes effect
  // after it.
  void disconnect();

 private:
  struct Client;
  struct Link;

  Server(Listener listener, EventLoop& loop, Device& device, const Options& options);

  void accept();
  void on_client(Events events);
  void read_messages();
  // False if the client is to be disconnected.
  [[nodiscard]] bool deliver(Session::Next next);
  void resume();
  void watch();
  void drop();
  void detached();

  Listener listener_;
  EventLoop& loop_;
  Device& device_;
  Options options_;
  Refusals refusals_;
  std::uint64_t messages_ = 0;
  std::unique_ptr<Client> client_;
  bool in_client_ = false;  // the client's session is on the stack
  bool doomed_ = false;     // and is to end as soon as it is not
  bool detaching_ = false;  // the device still lets go of the client before: the next one has to wait
  std::shared_ptr<Link> link_;
};

}  // namespace ladon::vfio
