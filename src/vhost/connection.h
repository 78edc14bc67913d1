// One front end's stream socket: whole messages in, whole messages out, never waiting.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/message_socket.h"
#include "vhost/codec.h"

namespace ladon::vhost {

class Connection {
 public:
  struct Limits {
    std::size_t output = 64U << 10;  // bytes of answers that may wait for the front end to read them
  };

  // `socket` is a connected stream socket of AF_UNIX. `refusals` outlives the connection.
  Connection(FileDescriptor socket, const Limits& limits, Refusals& refusals);

  enum class Input : std::uint8_t {
    message,  // header(), payload() and socket().descriptors() hold the next message, until the next
              // receive()
    nothing,  // not yet
    closed,   // the front end has gone, or the stream cannot be followed
  };
  [[nodiscard]] Input receive();

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] ConstBytes payload() const { return ConstBytes(payload_).first(header_.size); }
  [[nodiscard]] MessageSocket& socket() { return socket_; }

 private:
  MessageSocket socket_;
  Refusals& refusals_;

  std::array<std::byte, kHeaderBytes> header_bytes_{};
  Header header_;
  enum class State : std::uint8_t { between, in_header, in_payload } state_ = State::between;
  std::array<std::byte, kMaxPayload> payload_{};
};

}  // namespace ladon::vhost
