#include "port/tap_wire.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ladon::port {

// Called in a process that may not allocate: see remote_helper.h.
std::expected<FileDescriptor, int> open_tap(const char* interface) {
  FileDescriptor tap(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tap) return std::unexpected(errno);
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (std::strlen(interface) >= sizeof request.ifr_name) return std::unexpected(ENAMETOOLONG);
  std::strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) return std::unexpected(errno);
  return tap;
}

WireDrop TapWire::reason_of(int error) {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return WireDrop::queue_full;
    case EIO:
      return WireDrop::interface_down;
    case EBADFD:  // detached: the device has been deleted
    case ENODEV:
      removed_ = true;
      return WireDrop::no_carrier;
    default:
      return WireDrop::system_error;
  }
}

bool TapWire::send(ConstBytes frame) {
  if (removed_) return count_refused(WireDrop::no_carrier);
  if (frame.size() > kMaxFrame) return count_refused(WireDrop::too_long);
  if (frame.size() < kMinFrame) return count_refused(WireDrop::too_short);
  ssize_t written = 0;
  do written = ::write(tap_.get(), frame.data(), frame.size());
  while (written < 0 && errno == EINTR);
  if (written < 0) return count_refused(reason_of(errno));
  return count_sent(frame.size());
}

std::size_t TapWire::receive(Bytes into) {
  while (!removed_) {
    // A frame that is longer than its buffers is cut without a word; one spare byte tells.
    std::byte spare{};
    const std::array<iovec, 2> buffers = {iovec{into.data(), into.size()}, iovec{&spare, 1}};
    const ssize_t length = ::readv(tap_.get(), buffers.data(), buffers.size());
    if (length < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) count_dropped(reason_of(errno));
      return 0;
    }
    const auto bytes = static_cast<std::size_t>(length);
    if (bytes > into.size())
      count_dropped(WireDrop::too_long);
    else if (bytes < kMinFrame)
      count_dropped(WireDrop::too_short);
    else
      return count_received(bytes);
  }
  return 0;
}

}  // namespace ladon::port
