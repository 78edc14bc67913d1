// One client's stream socket: whole messages in, whole messages out, never waiting.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/message_socket.h"
#include "vfio/codec.h"

namespace ladon::vfio {

class Connection {
 public:
  struct Limits {
    std::size_t output = 4U << 20;  // bytes of replies that may wait for the client to read them
  };

  // `socket` is a connected stream socket of AF_UNIX.
  Connection(FileDescriptor socket, const Limits& limits, Refusals& refusals);

  [[nodiscard]] int fd() const { return socket_.fd(); }

  enum class Input : std::uint8_t {
    message,  // header(), body() and descriptors() hold the next message, until the next receive()
    nothing,  // not yet
    closed,   // the client has gone, or the stream cannot be followed
  };
  [[nodiscard]] Input receive();

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] ConstBytes body() const { return ConstBytes(buffer_.get(), header_.size - kHeaderBytes); }
  // At most kMaxDescriptors; to be moved from, what is left there is closed.
  [[nodiscard]] std::vector<FileDescriptor>& descriptors() { return socket_.descriptors(); }
  // Some descriptors of this message are missing: it must not be acted on.
  [[nodiscard]] bool descriptors_incomplete() const { return socket_.descriptors_incomplete(); }

  // Sends one message, now or as soon as the client makes room; a copy of `descriptor` (if it is one) goes
  // along. False if the client has gone or too much waits for it already.
  [[nodiscard]] bool send(ConstBytes message, int descriptor = -1) {
    return socket_.send(message, descriptor);
  }
  // Sends what waits. False as above.
  [[nodiscard]] bool flush() { return socket_.flush(); }
  // The client has closed its end; there may be messages left to read.
  [[nodiscard]] bool hung_up() const { return socket_.hung_up(); }
  // Nothing more is sent or received: the loop sees a hang-up.
  void shut_down() { socket_.shut_down(); }
  [[nodiscard]] bool has_output() const { return socket_.has_output(); }

 private:
  MessageSocket socket_;
  Refusals& refusals_;

  std::array<std::byte, kHeaderBytes> header_bytes_{};
  Header header_;
  bool in_header_ = false, in_body_ = false;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
};

}  // namespace ladon::vfio
