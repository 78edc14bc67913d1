// A hostile vfio-user client against the whole server: stream, descriptors, protocol, device calls.
//
// The input is a list of steps, each {control, length, `length` bytes}: the bytes are sent as they are.
// Control: bits 0-2 how many descriptors go along (memory files and eventfds by turns), bit 3 the server gets
// its turn, bit 4 the device completes what it has put off, bit 5 replies are read, bit 6 the client hangs up
// and comes again, bit 7 the device puts off what it is asked from here on. Seeds: corpus/vfio; words:
// vfio.dict.
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/event_loop.h"
#include "vfio/fake_device.h"
#include "vfio/server.h"

namespace {

using namespace ladon;

void require(bool holds) {
  if (!holds) std::abort();
}

// One folder for the whole run.
const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    std::string name = "/tmp/ladon-fuzz-vfio-XXXXXX";
    require(::mkdtemp(name.data()) != nullptr);
    static const std::string made = name;
    std::atexit([] { std::filesystem::remove_all(made); });
    return std::filesystem::path(made);
  }();
  return path;
}

FileDescriptor make_memory() {
  FileDescriptor fd(::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  require(::ftruncate(fd.get(), 1 << 20) == 0);
  return fd;
}

class Client {
 public:
  explicit Client(const std::filesystem::path& path) : path_(path) { connect(); }

  void connect() {
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
    // Fails while the server keeps clients waiting and its queue is full: then there is nobody to talk to.
    static_cast<void>(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  void close() { socket_.reset(); }

  void send(ConstBytes bytes, std::size_t descriptors) {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(7 * sizeof(int))> control{};
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
      for (std::size_t i = 0; i < descriptors; ++i) {
        const int fd = (++given_ % 2 == 0 ? event_ : memory_).get();
        std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
      }
    }
    static_cast<void>(::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  void drain() {
    std::array<std::byte, 65536> replies;
    while (::recv(socket_.get(), replies.data(), replies.size(), MSG_DONTWAIT) > 0) {
    }
  }

 private:
  const std::filesystem::path& path_;
  FileDescriptor socket_, memory_ = make_memory(), event_{::eventfd(0, EFD_CLOEXEC)};
  unsigned given_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = folder() / "vf.sock";
  ManualClock clock;
  EpollLoop loop(clock);
  vfio::FakeDevice device;
  auto server = vfio::Server::listen(path, loop, device);
  require(server.has_value());
  const auto turn = [&loop] { loop.run_once(Duration::zero()); };
  Client client(path);

  ConstBytes input = std::as_bytes(std::span(data, size));
  while (input.size() >= 2) {
    const auto control = std::to_integer<unsigned>(input[0]);
    const std::size_t length =
        std::min<std::size_t>(std::to_integer<std::size_t>(input[1]), input.size() - 2);
    device.complete_at_once = (control & 0x80) == 0;
    client.send(input.subspan(2, length), control & 7);
    input = input.subspan(2 + length);
    if ((control & 0x08) != 0) turn();
    while ((control & 0x10) != 0 && !device.pending.empty()) device.complete();
    if ((control & 0x20) != 0) client.drain();
    if ((control & 0x40) != 0) client.connect();
  }

  // However it went: the client goes, the device completes, and nothing of the client is left.
  client.close();
  for (int i = 0; i < 8; ++i) {
    for (int turns = 0; turns < 16 && (*server)->connected(); ++turns) turn();
    turn();
    while (!device.pending.empty()) device.complete();
  }
  require(!(*server)->connected());
  require(device.mappings.empty());
  require(std::ranges::count(device.log, 'A') == std::ranges::count(device.log, 'D'));
  return 0;
}
