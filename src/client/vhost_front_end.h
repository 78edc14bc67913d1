// The front end's side of vhost-user, as QEMU is one: makes messages byte by byte (with no codec under test),
// sends them whole or in pieces, reads answers, and sets a driver's rings up. The backend's loop runs on the
// same thread, so a call that waits turns it. QEMU, docs/interop/vhost-user.rst.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/event_fd.h"
#include "client/virtio_net.h"
#include "spec/vhost_user.h"

namespace ladon::client {

using VhostMessage = std::vector<std::byte>;

// One message with the integers behind one another for a payload.
[[nodiscard]] VhostMessage vhost_message(spec::vhost_user::Request request, std::uint32_t flags = 1);
[[nodiscard]] VhostMessage vhost_u64(spec::vhost_user::Request request, std::uint64_t value,
                                     std::uint32_t flags = 1);
[[nodiscard]] VhostMessage vhost_state(spec::vhost_user::Request request, std::uint32_t queue,
                                       std::uint32_t number, std::uint32_t flags = 1);
[[nodiscard]] VhostMessage vhost_addresses(std::uint32_t queue, std::uint64_t descriptors, std::uint64_t used,
                                           std::uint64_t available, std::uint32_t flags = 1);
struct VhostRegion {
  std::uint64_t guest = 0, size = 0, user = 0, offset = 0;
};
[[nodiscard]] VhostMessage vhost_memory(const std::vector<VhostRegion>& regions, std::uint32_t flags = 1);

class VhostFrontEnd {
 public:
  struct Reply {
    std::uint32_t request = 0, flags = 0;
    std::vector<std::byte> payload;
    [[nodiscard]] std::uint64_t value() const {
      return payload.size() == 8 ? load_le<std::uint64_t>(payload.data()) : ~std::uint64_t{0};
    }
  };

  // `turn` lets the backend run for a moment.
  VhostFrontEnd(const std::filesystem::path& path, std::function<void()> turn);

  [[nodiscard]] bool connected();  // false once the backend has hung up and everything is read
  [[nodiscard]] int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

  // Sends all of it (with the descriptors, if any, on the first byte), turning the backend while there is no
  // room.
  bool send(ConstBytes bytes, const std::vector<int>& descriptors = {});
  // The next answer; nullopt if there is none after the backend has had many turns, or it has hung up.
  [[nodiscard]] std::optional<Reply> receive();
  // Both.
  [[nodiscard]] std::optional<Reply> call(ConstBytes message, const std::vector<int>& descriptors = {});
  // Sends a message with NEED_REPLY; the value of its answer: 0 if it was accepted.
  [[nodiscard]] std::uint64_t ask(VhostMessage message, const std::vector<int>& descriptors = {});

  // ---- what QEMU does, in its order. False as soon as something is refused.
  [[nodiscard]] bool open();
  // What the backend offers, after open().
  [[nodiscard]] std::uint64_t offered() const { return offered_; }
  [[nodiscard]] bool set_features(std::uint64_t features);
  // The driver's memory, at its guest addresses; the front end itself has it kUserOffset further up.
  static constexpr std::uint64_t kUserOffset = 0x7F00'0000'0000;
  [[nodiscard]] bool share(std::uint64_t guest, std::uint64_t size, int fd, std::uint64_t offset = 0);
  [[nodiscard]] bool start(unsigned queue, const VirtioQueue& ring, std::uint16_t base = 0);
  // Where the ring stands; nullopt if there is no answer.
  [[nodiscard]] std::optional<std::uint16_t> stop(unsigned queue);

  void kick(unsigned queue) { kick_[queue].signal(); }
  // How often the backend has signalled since the last call.
  [[nodiscard]] std::uint64_t calls(unsigned queue) { return call_[queue].take(); }
  [[nodiscard]] std::uint64_t errors(unsigned queue) { return error_[queue].take(); }
  [[nodiscard]] const EventFd& kick_event(unsigned queue) const { return kick_[queue]; }
  [[nodiscard]] const EventFd& call_event(unsigned queue) const { return call_[queue]; }

 private:
  [[nodiscard]] bool read_exactly(Bytes into);

  FileDescriptor socket_;
  std::function<void()> turn_;
  std::uint64_t offered_ = 0;
  std::array<EventFd, 2> kick_, call_, error_;
};

}  // namespace ladon::client
