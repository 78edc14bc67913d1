// A vhost-user-net backend for one guest: one socket, one front end at a time, driven by the loop it is
// given. QEMU is the front end:
//
//   -chardev socket,id=net0,path=/run/vm.sock -netdev vhost-user,id=net0,chardev=net0
//   -device virtio-net-pci,netdev=net0          (memory shared: memory-backend-memfd,share=on)
//
//   auto backend = Backend::listen("/run/vm.sock", loop, port, options);   // std::expected<..., std::string>
//   while (running) loop.run_once(longest);
//
// The guest's frames go to `port` (frame_port.h) in batches, so that no guest keeps the loop to itself;
// frames to the guest come by send(). Both are one copy at most: from the sender's memory into the
// receiver's. A front end that breaks the protocol is disconnected, a ring that its driver breaks stops;
// nothing here waits, and nothing allocates for a frame.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/listener.h"
#include "vhost/connection.h"
#include "vhost/frame_port.h"
#include "vhost/net_device.h"
#include "vhost/session.h"

namespace ladon::vhost {

class Backend final : private KickWatcher {
 public:
  struct Options {
    Offloads offloads;
    TransmitQueue::Budget budget;  // of one turn
    unsigned messages = 64;        // that the front end may have handled in one turn
    // The guest is never asked to kick: the owner calls poll() again and again.
    bool polling = false;
    Connection::Limits connection;
    GuestMemory::Limits memory;
  };

  // `loop` and `port` outlive the backend. The error is for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<Backend>, std::string> listen(
      const std::filesystem::path& path, EventLoop& loop, FramePort& port, const Options& options);
  ~Backend() override;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // A frame for the guest. After `busy`, the port is told room() once there are buffers again.
  [[nodiscard]] Delivery send(const Frame& frame);
  // The guest takes frames with this left to be done; others are dropped and counted.
  [[nodiscard]] bool takes(const Offload& offload) const { return device_.net().guest_takes(offload); }
  // The last frame of a batch has been sent: the guest is told, if it wants to be.
  void flush() { device_.flush(); }
  // The port, which had no room, has some again: the guest's frames come with the loop's next turn.
  void resume();
  // One turn of both queues, without waiting for a kick. True if there was anything to do.
  bool poll();

  [[nodiscard]] const std::filesystem::path& path() const { return listener_.path(); }
  [[nodiscard]] bool connected() const { return client_ != nullptr; }
  [[nodiscard]] bool link() const { return link_; }
  // Ends the front end's session as if it had gone by itself. From within the port it takes effect after it.
  void disconnect();

  // Since the backend was made.
  [[nodiscard]] const Refusals& refusals() const { return refusals_; }
  [[nodiscard]] RingFlaws flaws() const;
  [[nodiscard]] const Traffic& traffic() const { return device_.traffic(); }
  [[nodiscard]] std::uint64_t kicks() const { return kicks_; }
  [[nodiscard]] std::uint64_t signals() const;

 private:
  struct Client;

  Backend(Listener listener, EventFd again, EventLoop& loop, FramePort& port, const Options& options);

  void accept();
  void on_client(Events events);
  void read_messages();
  // False if the front end is to be disconnected.
  [[nodiscard]] bool deliver(Session::Next next);
  void watch_output();
  void drop();
  void drop_if_doomed();

  void watch_kick(unsigned queue, std::optional<EventFd> kick) override;
  void on_kick(unsigned queue);
  TransmitQueue::Turn transmit();
  void check_room();
  void update_link();

  Listener listener_;
  EventFd again_;  // ours: there is more to do in the next turn
  EventLoop& loop_;
  FramePort& port_;
  Options options_;
  Refusals refusals_;
  NetDevice device_;
  std::unique_ptr<Client> client_;
  std::array<std::optional<EventFd>, NetDevice::kQueues> kick_;
  std::uint64_t kicks_ = 0;
  bool link_ = false;
  bool port_busy_ = false;   // nothing is offered to the port until resume()
  bool wants_room_ = false;  // the port waits for the guest's buffers
  bool in_port_ = false;     // the port is on the stack
  bool doomed_ = false;      // and the front end is to be dropped as soon as it is not
};

}  // namespace ladon::vhost
