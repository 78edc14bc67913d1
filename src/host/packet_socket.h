// One message a packet over a Unix SOCK_SEQPACKET socket, with at most one descriptor beside it. Shared by
// the client and the server of this room.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace ladon::host::detail {

enum class SocketStatus : std::uint8_t { done, would_block, closed };

// Sends the whole packet or nothing. `fd` -1: none.
[[nodiscard]] SocketStatus send_packet(int socket, ConstBytes bytes, int fd);

struct Packet {
  SocketStatus status = SocketStatus::closed;
  std::size_t length = 0;
  bool cut = false;  // longer than the buffer, or more descriptors than one: not a message of ours
  FileDescriptor fd;
};
// The next packet, into `buffer`. Never waits if the socket does not. Descriptors too many are closed.
[[nodiscard]] Packet receive_packet(int socket, Bytes buffer);

// Connected; not blocking. The error is a sentence for a person.
[[nodiscard]] std::expected<FileDescriptor, std::string> connect_to(const std::string& path);
[[nodiscard]] std::expected<FileDescriptor, std::string> listen_at(const std::string& path);

}  // namespace ladon::host::detail
