#include "vfio_client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>

namespace ladon::vfio {

namespace {

constexpr int kTurns = 50;  // without progress, before a reply is taken to be missing

}  // namespace

Message MessageMaker::finish(std::uint16_t command, std::uint16_t id, std::uint32_t flags) const {
  MessageMaker whole;
  whole.put(id)
      .put(command)
      .put(static_cast<std::uint32_t>(16 + body_.size()))
      .put(flags)
      .put(std::uint32_t{0});
  return whole.bytes(body_).body_;
}

Message version_message(std::string_view json, std::uint16_t major) {
  MessageMaker maker;
  maker.put(major).put(std::uint16_t{0});
  if (!json.empty()) maker.text(json).put('\0');
  return maker.finish(1);
}

Message qemu_version_message() {
  return version_message(
      R"({"capabilities": {"migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "max_msg_fds": 16, )"
      R"("max_data_xfer_size": 1048576, "pgsizes": 4096, "max_dma_maps": 65535, "write_multiple": true}})");
}

Message dma_map_message(std::uint64_t address, std::uint64_t size, std::uint64_t offset,
                        std::uint32_t flags) {
  return MessageMaker().put(std::uint32_t{32}).put(flags).put(offset).put(address).put(size).finish(2);
}

Message dma_unmap_message(std::uint64_t address, std::uint64_t size, std::uint32_t flags) {
  return MessageMaker().put(std::uint32_t{24}).put(flags).put(address).put(size).finish(3);
}

Message info_message(std::uint32_t argsz) {
  return MessageMaker().put(argsz).put(std::uint32_t{0}).put(std::uint64_t{0}).finish(4);
}

Message region_info_message(std::uint32_t index, std::uint32_t argsz) {
  const std::uint64_t zero = 0;
  return MessageMaker()
      .put(argsz)
      .put(std::uint32_t{0})
      .put(index)
      .put(std::uint32_t{0})
      .put(zero)
      .put(zero)
      .finish(5);
}

Message irq_info_message(std::uint32_t index, std::uint32_t argsz) {
  return MessageMaker().put(argsz).put(std::uint32_t{0}).put(index).put(std::uint32_t{0}).finish(7);
}

Message set_irqs_message(std::uint32_t flags, std::uint32_t index, std::uint32_t start, std::uint32_t count,
                         ConstBytes data) {
  const auto argsz = static_cast<std::uint32_t>(20 + data.size());
  return MessageMaker().put(argsz).put(flags).put(index).put(start).put(count).bytes(data).finish(8);
}

Message read_message(std::uint32_t region, std::uint64_t offset, std::uint32_t count) {
  return MessageMaker().put(offset).put(region).put(count).finish(9);
}

Message write_message(std::uint32_t region, std::uint64_t offset, ConstBytes data, std::uint32_t flags) {
  const auto count = static_cast<std::uint32_t>(data.size());
  return MessageMaker().put(offset).put(region).put(count).bytes(data).finish(10, 1, flags);
}

Message write_multi_message(const std::vector<OneWrite>& writes, std::uint32_t flags) {
  MessageMaker maker;
  maker.put(std::uint64_t{writes.size()});
  for (const OneWrite& one : writes) maker.put(one.offset).put(one.region).put(one.count).put(one.data);
  return maker.finish(15, 1, flags);
}

Message reset_message() {
  return MessageMaker().finish(13);
}

VfioClient::VfioClient(const std::filesystem::path& path, std::function<void()> turn)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), turn_(std::move(turn)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    socket_.reset();
}

bool VfioClient::connected() const {
  std::byte one{};
  for (int i = 0; i < kTurns; ++i) {
    const ssize_t got = ::recv(socket_.get(), &one, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got > 0) return true;
    turn_();
  }
  return true;
}

bool VfioClient::send(ConstBytes bytes, const std::vector<int>& descriptors) {
  std::size_t sent = 0;
  if (!descriptors.empty()) {
    std::vector<std::byte> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
    iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
    const ssize_t got = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got < 0) return false;
    sent = static_cast<std::size_t>(got);
  }
  for (int idle = 0; sent < bytes.size() && idle < kTurns; ++idle) {
    const std::size_t some = send_some(bytes.subspan(sent));
    if (some > 0) idle = 0;
    sent += some;
    if (some == 0) turn_();
  }
  return sent == bytes.size();
}

std::size_t VfioClient::send_some(ConstBytes bytes) {
  const ssize_t got = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

bool VfioClient::read_exactly(Bytes into, std::vector<FileDescriptor>& descriptors) {
  std::size_t filled = 0;
  for (int idle = 0; filled < into.size() && idle < kTurns; ++idle) {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(16 * sizeof(int))> control{};
    iovec room{into.data() + filled, into.size() - filled};
    msghdr message{};
    message.msg_iov = &room;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got < 0) {
      turn_();
      continue;
    }
    idle = 0;
    filled += static_cast<std::size_t>(got);
    const cmsghdr* part = CMSG_FIRSTHDR(&message);
    if (part == nullptr || part->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return filled == into.size();
}

std::optional<Reply> VfioClient::receive() {
  Reply reply;
  std::array<std::byte, 16> header{};
  if (!read_exactly(header, reply.descriptors)) return std::nullopt;
  reply.id = load_le<std::uint16_t>(header.data());
  reply.command = load_le<std::uint16_t>(header.data() + 2);
  reply.size = load_le<std::uint32_t>(header.data() + 4);
  reply.flags = load_le<std::uint32_t>(header.data() + 8);
  reply.error = load_le<std::uint32_t>(header.data() + 12);
  if (reply.size < 16) return std::nullopt;
  reply.body.resize(reply.size - 16);
  if (!read_exactly(reply.body, reply.descriptors)) return std::nullopt;
  return reply;
}

std::optional<Reply> VfioClient::call(ConstBytes message, const std::vector<int>& descriptors) {
  if (!send(message, descriptors)) return std::nullopt;
  return receive();
}

bool VfioClient::open() {
  const auto reply = call(qemu_version_message());
  return reply && reply->ok();
}

}  // namespace ladon::vfio
