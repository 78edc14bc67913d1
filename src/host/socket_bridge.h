// A host at the other end of a Unix socket (SOCK_SEQPACKET: one message a packet, a descriptor stays with its
// message). The owner watches fd() and calls on_readable() / on_writable(), or waits in wait().
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/descriptor.h"
#include "host/codec.h"
#include "host/host_bridge.h"

namespace ladon::host {

struct ConnectError {
  std::string message;          // for a person
  std::optional<Epoch> newest;  // set if a newer or equal epoch holds the host
};

class SocketBridge final : public HostBridge {
 public:
  // Connects, announces `epoch` and waits for the answer: the only call here that blocks besides wait().
  [[nodiscard]] static std::expected<std::unique_ptr<SocketBridge>, ConnectError> connect(
      const std::string& path, Epoch epoch);
  ~SocketBridge() override;

  void submit(Request request, Reply reply) override;
  void listen(Listener listener) override { listener_ = std::move(listener); }

  [[nodiscard]] int fd() const { return socket_.get(); }  // -1 once disconnected
  [[nodiscard]] bool connected() const { return static_cast<bool>(socket_); }
  [[nodiscard]] bool wants_write() const { return !outbox_.empty() && asked() < kMaxOpen; }
  // Takes what has arrived: calls replies and the listener. They may submit.
  void on_readable();
  void on_writable();
  // Waits until something arrives or `milliseconds` have passed (-1: for ever), and takes it. False once
  // disconnected.
  bool wait(int milliseconds = -1);

 private:
  SocketBridge(FileDescriptor socket, Epoch epoch) : socket_(std::move(socket)), epoch_(epoch) {}
  bool receive_one();
  // Requests that the host has and has not answered.
  [[nodiscard]] std::size_t asked() const { return open_.size() - outbox_.size(); }
  void take(Message message);
  // Every open request is answered with Error::disconnected.
  void disconnect();

  struct Outgoing {
    std::vector<std::byte> bytes;
    FileDescriptor fd;
  };
  FileDescriptor socket_;
  Epoch epoch_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Reply> open_;
  std::deque<Outgoing> outbox_;
  Listener listener_;
};

}  // namespace ladon::host
