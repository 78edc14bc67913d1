// One client's stream socket: whole messages in, whole messages out, never waiting.
//
// A message is read as its header, then exactly its body, because the kernel hands out descriptors with the
// bytes they were sent with: one long read could span two messages and give the second's descriptors to the
// first.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "vfio/codec.h"

namespace ladon::vfio {

class Connection {
 public:
  struct Limits {
    std::size_t output = 4U << 20;  // bytes of replies that may wait for the client to read them
  };

  // `socket` is a connected stream socket of AF_UNIX.
  Connection(FileDescriptor socket, const Limits& limits, Refusals& refusals);

  [[nodiscard]] int fd() const { return socket_.get(); }

  enum class Input : std::uint8_t {
    message,  // header(), body() and descriptors() hold the next message, until the next receive()
    nothing,  // not yet
    closed,   // the client has gone, or the stream cannot be followed
  };
  [[nodiscard]] Input receive();

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] ConstBytes body() const { return ConstBytes(buffer_.get(), header_.size - kHeaderBytes); }
  // At most kMaxDescriptors; to be moved from, what is left there is closed.
  [[nodiscard]] std::vector<FileDescriptor>& descriptors() { return descriptors_; }
  // Some descriptors of this message are missing: it must not be acted on.
  [[nodiscard]] bool descriptors_incomplete() const { return incomplete_; }

  // Sends one message, now or as soon as the client makes room; a copy of `descriptor` (if it is one) goes
  // along. False if the client has gone or too much waits for it already.
  [[nodiscard]] bool send(ConstBytes message, int descriptor = -1);
  // Sends what waits. False as above.
  [[nodiscard]] bool flush();
  // The client has closed its end; there may be messages left to read.
  [[nodiscard]] bool hung_up() const;
  // Nothing more is sent or received: the loop sees a hang-up.
  void shut_down() { ::shutdown(socket_.get(), SHUT_RDWR); }
  [[nodiscard]] bool has_output() const { return !output_.empty(); }

 private:
  struct Waiting {
    std::vector<std::byte> bytes;
    std::size_t sent = 0;
    FileDescriptor descriptor;  // goes with the first byte
  };
  enum class Fill : std::uint8_t { full, partial, closed };
  [[nodiscard]] Fill fill(Bytes into);
  void take_descriptors(msghdr& message);
  // Bytes sent, 0 if there is no room; nullopt if the client has gone.
  [[nodiscard]] std::optional<std::size_t> send_some(ConstBytes bytes, int descriptor);

  FileDescriptor socket_;
  Limits limits_;
  Refusals& refusals_;

  std::array<std::byte, kHeaderBytes> header_bytes_{};
  Header header_;
  std::size_t filled_ = 0;  // bytes of the header, or with in_body_ of the body
  bool in_body_ = false, incomplete_ = false;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::vector<FileDescriptor> descriptors_;

  std::deque<Waiting> output_;
  std::size_t output_bytes_ = 0;
};

}  // namespace ladon::vfio
