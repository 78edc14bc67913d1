// Serves a HostBridge to other processes over a Unix socket (SOCK_SEQPACKET). Never blocks: an outer loop
// calls poll() with what is ready. A connection first announces its epoch; the newest epoch alone may act,
// and everything that comes from an older one is answered with Error::stale_epoch.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "base/descriptor.h"
#include "host/codec.h"
#include "host/fencing.h"
#include "host/host_bridge.h"

namespace ladon::host {

enum class ServerRefusal : std::uint8_t {
  malformed,      // bytes that are no message, or no client's message: the connection is closed
  stale_epoch,    // request or hello of an older epoch
  too_many,       // connections, or messages a client does not read: closed
  event_dropped,  // an event for a client that does not read
  count_
};
[[nodiscard]] std::string_view name(ServerRefusal refusal);

class BridgeServer {
 public:
  static constexpr std::size_t kMaxConnections = 8, kMaxBatch = 64;
  // Messages that a client has not read. Events leave room for the answers to all it may have asked.
  static constexpr std::size_t kMaxOutbox = 1024, kMaxEvents = kMaxOutbox - kMaxOpen;

  // Listens at `path` (an existing socket file there is replaced; mode 0600). `served` outlives the server,
  // which takes its events.
  [[nodiscard]] static std::expected<std::unique_ptr<BridgeServer>, std::string> listen(
      HostBridge& served, const std::string& path);
  ~BridgeServer();  // removes the socket file
  BridgeServer(const BridgeServer&) = delete;
  BridgeServer& operator=(const BridgeServer&) = delete;

  // An epoll descriptor that is readable whenever there is something to do: put this one fd into the outer
  // loop and call on_ready().
  [[nodiscard]] int fd() const { return epoll_.get(); }
  void on_ready();

  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  [[nodiscard]] Epoch epoch() const { return fence_.newest(); }
  [[nodiscard]] const Counters<ServerRefusal>& refusals() const { return refusals_; }

 private:
  struct Connection;
  BridgeServer(HostBridge& served, FileDescriptor listening, FileDescriptor epoll, std::string path);
  void accept_all();
  bool drop_one_without_power();
  void read_from(const std::shared_ptr<Connection>& connection);
  void take(const std::shared_ptr<Connection>& connection, Message message);
  void send(Connection& connection, const Message& message);
  void flush(Connection& connection);
  void watch(Connection& connection, bool writable);
  void publish(const Event& event);

  HostBridge& served_;
  FileDescriptor listening_, epoll_;
  std::string path_;
  Fence fence_;
  std::list<std::shared_ptr<Connection>> connections_;
  Counters<ServerRefusal> refusals_;
};

}  // namespace ladon::host
