#include "client/vhost_front_end.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

namespace ladon::client {

namespace {

namespace wire = spec::vhost_user;
using wire::Request;

constexpr int kTurns = 50;  // without progress, before an answer is taken to be missing

template <class... Values>
[[nodiscard]] VhostMessage make(Request request, std::uint32_t flags, Values... values) {
  VhostMessage message(wire::kHeaderBytes);
  [[maybe_unused]] const auto put = [&message](auto value) {
    message.resize(message.size() + sizeof value);
    std::memcpy(message.data() + message.size() - sizeof value, &value, sizeof value);
  };
  (put(values), ...);
  store_le(message.data(), static_cast<std::uint32_t>(request));
  store_le(message.data() + 4, flags);
  store_le(message.data() + 8, static_cast<std::uint32_t>(message.size() - wire::kHeaderBytes));
  return message;
}

[[nodiscard]] std::array<EventFd, 2> make_events() {
  return {EventFd::create().value(), EventFd::create().value()};
}

}  // namespace

VhostMessage vhost_message(Request request, std::uint32_t flags) {
  return make(request, flags);
}
VhostMessage vhost_u64(Request request, std::uint64_t value, std::uint32_t flags) {
  return make(request, flags, value);
}
VhostMessage vhost_state(Request request, std::uint32_t queue, std::uint32_t number, std::uint32_t flags) {
  return make(request, flags, queue, number);
}
VhostMessage vhost_addresses(std::uint32_t queue, std::uint64_t descriptors, std::uint64_t used,
                             std::uint64_t available, std::uint32_t flags) {
  return make(Request::set_vring_addr, flags, queue, std::uint32_t{0}, descriptors, used, available,
              std::uint64_t{0});
}
VhostMessage vhost_memory(const std::vector<VhostRegion>& regions, std::uint32_t flags) {
  VhostMessage message =
      make(Request::set_mem_table, flags, static_cast<std::uint32_t>(regions.size()), std::uint32_t{0});
  for (const VhostRegion& region : regions) {
    const VhostMessage one =
        make(Request::set_mem_table, flags, region.guest, region.size, region.user, region.offset);
    message.insert(message.end(), one.begin() + wire::kHeaderBytes, one.end());
  }
  store_le(message.data() + 8, static_cast<std::uint32_t>(message.size() - wire::kHeaderBytes));
  return message;
}

VhostFrontEnd::VhostFrontEnd(const std::filesystem::path& path, std::function<void()> turn)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
      turn_(std::move(turn)),
      kick_(make_events()),
      call_(make_events()),
      error_(make_events()) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    socket_.reset();
}

bool VhostFrontEnd::connected() {
  std::byte next{};
  for (int i = 0; i < kTurns && socket_; ++i) {
    const ssize_t got = ::recv(socket_.get(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) return true;
    if (got == 0 || errno != EAGAIN) return false;
    turn_();
  }
  return static_cast<bool>(socket_);
}

bool VhostFrontEnd::send(ConstBytes bytes, const std::vector<int>& descriptors) {
  std::vector<std::byte> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  for (std::size_t sent = 0; sent < bytes.size();) {
    iovec data{const_cast<std::byte*>(bytes.data()) + sent, bytes.size() - sent};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (sent == 0 && !descriptors.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* const part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
    }
    const ssize_t now = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now > 0)
      sent += static_cast<std::size_t>(now);
    else if (now < 0 && errno == EAGAIN)
      turn_();
    else
      return false;
  }
  return true;
}

bool VhostFrontEnd::read_exactly(Bytes into) {
  for (int idle = 0; !into.empty() && idle < kTurns;) {
    const ssize_t got = ::recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (got > 0) {
      into = into.subspan(static_cast<std::size_t>(got));
      continue;
    }
    if (got == 0 || errno != EAGAIN) return false;
    turn_();
    ++idle;
  }
  return into.empty();
}

std::optional<VhostFrontEnd::Reply> VhostFrontEnd::receive() {
  std::array<std::byte, wire::kHeaderBytes> header;
  if (!read_exactly(header)) return std::nullopt;
  Reply reply{load_le<std::uint32_t>(header.data()), load_le<std::uint32_t>(&header[4]), {}};
  reply.payload.resize(load_le<std::uint32_t>(&header[8]));
  if (!read_exactly(reply.payload)) return std::nullopt;
  return reply;
}

std::optional<VhostFrontEnd::Reply> VhostFrontEnd::call(ConstBytes message,
                                                        const std::vector<int>& descriptors) {
  if (!send(message, descriptors)) return std::nullopt;
  return receive();
}

std::uint64_t VhostFrontEnd::ask(VhostMessage message, const std::vector<int>& descriptors) {
  store_le(message.data() + 4, wire::kVersion | wire::kNeedReply);
  const auto reply = call(message, descriptors);
  return reply ? reply->value() : ~std::uint64_t{0};
}

bool VhostFrontEnd::open() {
  const auto features = call(vhost_message(Request::get_features));
  if (!features || (features->value() & wire::kProtocolFeatures) == 0) return false;
  offered_ = features->value();
  const auto protocol = call(vhost_message(Request::get_protocol_features));
  if (!protocol || (protocol->value() & wire::kReplyAck) == 0) return false;
  return send(vhost_u64(Request::set_protocol_features, protocol->value())) &&
         ask(vhost_message(Request::set_owner)) == 0;
}

bool VhostFrontEnd::set_features(std::uint64_t features) {
  return ask(vhost_u64(Request::set_features, features | wire::kProtocolFeatures)) == 0;
}

bool VhostFrontEnd::share(std::uint64_t guest, std::uint64_t size, int fd, std::uint64_t offset) {
  return ask(vhost_memory({{guest, size, guest + kUserOffset, offset}}), {fd}) == 0;
}

bool VhostFrontEnd::start(unsigned queue, const VirtioQueue& ring, std::uint16_t base) {
  const auto user = [](const GuestMemory& part) { return part.base.bits() + kUserOffset; };
  return ask(vhost_u64(Request::set_vring_call, queue), {call_[queue].get()}) == 0 &&
         ask(vhost_u64(Request::set_vring_err, queue), {error_[queue].get()}) == 0 &&
         ask(vhost_state(Request::set_vring_num, queue, ring.size())) == 0 &&
         ask(vhost_state(Request::set_vring_base, queue, base)) == 0 &&
         ask(vhost_addresses(queue, user(ring.descriptors()), user(ring.used()), user(ring.available()))) ==
             0 &&
         ask(vhost_u64(Request::set_vring_kick, queue), {kick_[queue].get()}) == 0 &&
         ask(vhost_state(Request::set_vring_enable, queue, 1)) == 0;
}

std::optional<std::uint16_t> VhostFrontEnd::stop(unsigned queue) {
  const auto reply = call(vhost_state(Request::get_vring_base, queue, 0));
  if (!reply || reply->payload.size() != 8 || load_le<std::uint32_t>(reply->payload.data()) != queue)
    return std::nullopt;
  return static_cast<std::uint16_t>(load_le<std::uint32_t>(reply->payload.data() + 4));
}

}  // namespace ladon::client
