// Messages with descriptors over one stream socket of AF_UNIX: bytes in, whole messages out, never waiting.
//
// A protocol reads a message as its header, then exactly its body, because the kernel hands out descriptors
// with the bytes they were sent with: one long read could span two messages and give the second's descriptors
// to the first.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace ladon {

class MessageSocket {
 public:
  enum class Trouble : std::uint8_t {
    descriptors_lost,      // more than the control buffer holds, or than this process may open
    too_many_descriptors,  // more than one message may have
    output_overflow,       // the other end does not read
  };
  struct Limits {
    std::size_t descriptors = 16;   // of one message
    std::size_t output = 4U << 20;  // bytes that may wait for the other end to read them
  };

  // `socket` is a connected stream socket of AF_UNIX. `report` is told each trouble once.
  MessageSocket(FileDescriptor socket, const Limits& limits, std::move_only_function<void(Trouble)> report);

  [[nodiscard]] int fd() const { return socket_.get(); }

  // The next bytes belong to a new message, whose descriptors are to come.
  void begin();
  enum class Fill : std::uint8_t { full, partial, closed };
  // Reads until `into` is full. After `partial`, call it again with the same bytes: it goes on where it was.
  [[nodiscard]] Fill fill(Bytes into);
  // Those of the message since begin(), at most the limit; to be moved from, what is left there is closed.
  [[nodiscard]] std::vector<FileDescriptor>& descriptors() { return descriptors_; }
  // Some descriptors of this message are missing: it must not be acted on.
  [[nodiscard]] bool descriptors_incomplete() const { return incomplete_; }

  // Sends one message, now or as soon as there is room; a copy of `descriptor` (if it is one) goes along.
  // False if the other end has gone or too much waits for it already.
  [[nodiscard]] bool send(ConstBytes message, int descriptor = -1);
  // Sends what waits. False as above.
  [[nodiscard]] bool flush();
  [[nodiscard]] bool has_output() const { return !output_.empty(); }
  // The other end has closed; there may be messages left to read.
  [[nodiscard]] bool hung_up() const;
  // Nothing more is sent or received: the loop sees a hang-up.
  void shut_down() { ::shutdown(socket_.get(), SHUT_RDWR); }

 private:
  struct Waiting {
    std::vector<std::byte> bytes;
    std::size_t sent = 0;
    FileDescriptor descriptor;  // goes with the first byte
  };
  void take_descriptors(msghdr& message);
  // Bytes sent, 0 if there is no room; nullopt if the other end has gone.
  [[nodiscard]] std::optional<std::size_t> send_some(ConstBytes bytes, int descriptor);

  FileDescriptor socket_;
  Limits limits_;
  std::move_only_function<void(Trouble)> report_;

  std::vector<std::byte> control_;
  std::size_t filled_ = 0;
  bool incomplete_ = false;
  std::vector<FileDescriptor> descriptors_;

  std::deque<Waiting> output_;
  std::size_t output_bytes_ = 0;
};

}  // namespace ladon
