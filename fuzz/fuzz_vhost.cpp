// A hostile vhost-user front end against the whole backend: stream, descriptors, protocol, rings that start.
//
// The input is a list of steps, each {control, length, `length` bytes}: the bytes are sent as they are.
// Control: bits 0-1 how many descriptors go along, bit 2 of them eventfds (else the memory file), bit 3 the
// backend gets its turns, bit 4 answers are read, bit 5 the front end hangs up and comes again, bit 6 the
// eventfd is signalled, bit 7 the port is busy from here on, or no longer. Seeds: corpus/vhost; words:
// vhost.dict.
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/event_loop.h"
#include "client/shared_memory.h"
#include "client/virtio_net.h"
#include "spec/virtio.h"
#include "vhost/backend.h"

namespace {

using namespace ladon;

void require(bool holds) {
  if (!holds) std::abort();
}

constexpr std::uint64_t kMemory = 1 << 20;

// One folder for the whole run.
const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    std::string name = "/tmp/ladon-fuzz-vhost-XXXXXX";
    require(::mkdtemp(name.data()) != nullptr);
    static const std::string made = name;
    std::atexit([] { std::filesystem::remove_all(made); });
    return std::filesystem::path(made);
  }();
  return path;
}

// Guest memory with a driver's rings at its beginning: if the front end says where they are, frames move.
class Memory {
 public:
  Memory()
      : driver_({.features = spec::virtio::kVersion1, .rx_size = 8, .tx_size = 8}, {Iova(0), file_.bytes()}) {
    static_cast<void>(driver_.fill());
    static constexpr std::array<std::byte, 60> kFrame{};
    while (driver_.send(kFrame)) {
    }
    static_cast<void>(driver_.publish());
  }
  [[nodiscard]] int fd() const { return file_.fd(); }

 private:
  client::SharedMemory file_{kMemory};
  client::VirtioNet driver_;
};

class Client {
 public:
  explicit Client(const std::filesystem::path& path) : path_(path) { connect(); }

  void connect() {
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
    static_cast<void>(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  void close() { socket_.reset(); }
  void signal() { event_.signal(); }

  void send(ConstBytes bytes, std::size_t descriptors, bool events) {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(3 * sizeof(int))> control{};
    iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (descriptors > 0) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
      const int fd = events ? event_.get() : memory_.fd();
      for (std::size_t i = 0; i < descriptors; ++i)
        std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
    }
    static_cast<void>(::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  void drain() {
    std::array<std::byte, 65536> answers;
    while (::recv(socket_.get(), answers.data(), answers.size(), MSG_DONTWAIT) > 0) {
    }
  }

 private:
  const std::filesystem::path& path_;
  FileDescriptor socket_;
  Memory memory_;
  EventFd event_ = EventFd::create().value();
};

// Sends everything back to its sender, which is the hardest that a port can do.
class Mirror final : public vhost::FramePort {
 public:
  vhost::Backend* backend = nullptr;
  bool busy = false;
  int links = 0;

  bool take(const vhost::Frame& frame) override {
    if (busy) return false;
    return backend->send(frame) != vhost::Delivery::busy;
  }
  void flush() override { backend->flush(); }
  void room() override { backend->resume(); }
  void link(bool up) override {
    links += up ? 1 : -1;
    require(links == 0 || links == 1);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = folder() / "vm.sock";
  ManualClock clock;
  EpollLoop loop(clock);
  Mirror port;
  auto backend = vhost::Backend::listen(path, loop, port, {});
  require(backend.has_value());
  port.backend = backend->get();
  const auto turns = [&loop](int count) {
    for (int i = 0; i < count; ++i) loop.run_once(Duration::zero());
  };
  Client client(path);

  ConstBytes input = std::as_bytes(std::span(data, size));
  while (input.size() >= 2) {
    const auto control = std::to_integer<unsigned>(input[0]);
    const std::size_t length =
        std::min<std::size_t>(std::to_integer<std::size_t>(input[1]), input.size() - 2);
    if (std::exchange(port.busy, (control & 0x80) != 0)) (*backend)->resume();
    client.send(input.subspan(2, length), control & 3, (control & 4) != 0);
    input = input.subspan(2 + length);
    if ((control & 0x40) != 0) client.signal();
    if ((control & 0x08) != 0) turns(3);
    if ((control & 0x10) != 0) client.drain();
    if ((control & 0x20) != 0) client.connect();
  }

  // However it went: the front end goes, and nothing of it is left.
  client.close();
  turns(64);
  require(!(*backend)->connected() && !(*backend)->link() && port.links == 0);
  return 0;
}
