// A control conversation over real registers: the NTB's scratchpads and doorbells between two hosts, a page
// of memory and self-interrupts between two programs of one. Never blocks; every access is a HostBridge
// request.
#pragma once

#include <functional>
#include <memory>

#include "host/control.h"
#include "host/host_bridge.h"

namespace ladon::host::control {

enum class Side : std::uint8_t { management, part };  // management writes the lower half

// Where the words are. All addresses in the domain of the bridge.
class Port {
 public:
  virtual ~Port() = default;
  using HalfRead = std::move_only_function<void(std::optional<Half>)>;  // nullopt: not readable now
  virtual void read_half(Side side, HalfRead read) = 0;
  virtual void write(Side side, WordWrite write) = 0;
  virtual void ring_peer() = 0;
  // Takes back the peer's ring, before its words are read.
  virtual void clear_ring() = 0;
};

// `control_bar` is BAR 0 of this side's NTB function (spec/ntb.h).
[[nodiscard]] std::unique_ptr<Port> ntb_port(HostBridge& bridge, BusAddr control_bar);
// The management host and the part on the same host: 128 bytes at `page`; `peer_vector` rings the other
// program.
[[nodiscard]] std::unique_ptr<Port> page_port(HostBridge& bridge, BusAddr page, std::uint32_t peer_vector);
// The page that both use: at 4 KiB into the host's own memory.
[[nodiscard]] BusAddr local_page(const Description& host);

class Channel {
 public:
  using Received = std::move_only_function<void(const Message&)>;
  using PeerStarted = std::move_only_function<void()>;

  Channel(std::unique_ptr<Port> port, Side side);
  // Begins a new session; callbacks come from here and from poll().
  void start(PeerStarted peer_started, Received received);
  void send(const Message& message);
  // Reads the peer's words until nothing new is there. Call it when the peer has rung, and now and then.
  void poll();
  [[nodiscard]] std::size_t queued() const { return link_ ? link_->queued() : 0; }
  [[nodiscard]] std::uint64_t malformed() const { return link_ ? link_->malformed() : 0; }

 private:
  struct Alive {};
  void look();
  void took(const std::optional<Half>& half);
  void write_all(const std::vector<WordWrite>& writes);

  std::unique_ptr<Port> port_;
  Side side_;
  std::optional<Link> link_;
  std::vector<Message> early_;  // sent before the session was known
  PeerStarted peer_started_;
  Received received_;
  static constexpr int kBudget = 64;  // looks a poll
  bool looking_ = false, look_again_ = false;
  int budget_ = 0;
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

}  // namespace ladon::host::control
