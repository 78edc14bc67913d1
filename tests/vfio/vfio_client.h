// The client's side of vfio-user, for tests: makes messages byte by byte (not with the codec under test),
// sends them whole or in pieces, and reads replies. The server's loop runs on the same thread, so a call that
// waits turns it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace ladon::vfio {

using Message = std::vector<std::byte>;

// Appends little-endian integers and bytes to a message's body; `finish` puts the header in front.
class MessageMaker {
 public:
  template <class T>
  MessageMaker& put(T value) {
    const std::size_t at = body_.size();
    body_.resize(at + sizeof value);
    std::memcpy(body_.data() + at, &value, sizeof value);
    return *this;
  }
  MessageMaker& bytes(ConstBytes from) { return body_.insert(body_.end(), from.begin(), from.end()), *this; }
  MessageMaker& text(std::string_view from) { return bytes(std::as_bytes(std::span(from))); }
  [[nodiscard]] Message finish(std::uint16_t command, std::uint16_t id = 1, std::uint32_t flags = 0) const;

 private:
  Message body_;
};

// The messages of a well-behaved client. Sizes in bytes.
inline constexpr std::uint32_t kNoReplyFlag = 0x10;
[[nodiscard]] Message version_message(std::string_view json, std::uint16_t major = 0);
[[nodiscard]] Message qemu_version_message();  // what QEMU 11 sends
[[nodiscard]] Message dma_map_message(std::uint64_t address, std::uint64_t size, std::uint64_t offset = 0,
                                      std::uint32_t flags = 3);
[[nodiscard]] Message dma_unmap_message(std::uint64_t address, std::uint64_t size, std::uint32_t flags = 0);
[[nodiscard]] Message info_message(std::uint32_t argsz = 16);
[[nodiscard]] Message region_info_message(std::uint32_t index, std::uint32_t argsz = 32);
[[nodiscard]] Message irq_info_message(std::uint32_t index, std::uint32_t argsz = 16);
[[nodiscard]] Message set_irqs_message(std::uint32_t flags, std::uint32_t index, std::uint32_t start,
                                       std::uint32_t count, ConstBytes data = {});
[[nodiscard]] Message read_message(std::uint32_t region, std::uint64_t offset, std::uint32_t count);
[[nodiscard]] Message write_message(std::uint32_t region, std::uint64_t offset, ConstBytes data,
                                    std::uint32_t flags = 0);
struct OneWrite {
  std::uint64_t offset = 0;
  std::uint32_t region = 0, count = 0;
  std::uint64_t data = 0;
};
[[nodiscard]] Message write_multi_message(const std::vector<OneWrite>& writes, std::uint32_t flags = 0);
[[nodiscard]] Message reset_message();

struct Reply {
  std::uint16_t id = 0, command = 0;
  std::uint32_t size = 0, flags = 0, error = 0;
  std::vector<std::byte> body;
  std::vector<FileDescriptor> descriptors;

  [[nodiscard]] bool ok() const { return flags == 1; }
  // The errno of an error reply, which has no body; 0 if it is none.
  [[nodiscard]] std::uint32_t failure() const { return flags == 0x21 && body.empty() ? error : 0; }
  template <class T>
  [[nodiscard]] T at(std::size_t offset) const {
    T value{};
    if (offset + sizeof value <= body.size()) std::memcpy(&value, body.data() + offset, sizeof value);
    return value;
  }
};

class VfioClient {
 public:
  // `turn` lets the server run for a moment.
  VfioClient(const std::filesystem::path& path, std::function<void()> turn);

  [[nodiscard]] bool connected() const;  // false once the server has hung up and everything is read
  [[nodiscard]] int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

  // Sends all of it (with the descriptors, if any, on the first byte), turning the server while there is no
  // room.
  bool send(ConstBytes bytes, const std::vector<int>& descriptors = {});
  // Sends what fits now.
  std::size_t send_some(ConstBytes bytes);
  // The next reply; nullopt if there is none after the server has had many turns, or it has hung up.
  [[nodiscard]] std::optional<Reply> receive();
  // Both. A message without reply gives nullopt.
  [[nodiscard]] std::optional<Reply> call(ConstBytes message, const std::vector<int>& descriptors = {});
  // Sends QEMU's version; true if it was accepted.
  bool open();

 private:
  [[nodiscard]] bool read_exactly(Bytes into, std::vector<FileDescriptor>& descriptors);

  FileDescriptor socket_;
  std::function<void()> turn_;
};

}  // namespace ladon::vfio
