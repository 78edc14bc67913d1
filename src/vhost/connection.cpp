#include "vhost/connection.h"

namespace ladon::vhost {

namespace {

[[nodiscard]] Refusal refusal_of(MessageSocket::Trouble trouble) {
  switch (trouble) {
    case MessageSocket::Trouble::descriptors_lost:
      return Refusal::descriptors_lost;
    case MessageSocket::Trouble::too_many_descriptors:
      return Refusal::too_many_descriptors;
    case MessageSocket::Trouble::output_overflow:
      break;
  }
  return Refusal::output_overflow;
}

}  // namespace

Connection::Connection(FileDescriptor socket, const Limits& limits, Refusals& refusals)
    : socket_(std::move(socket), {.descriptors = spec::vhost_user::kMaxRegions, .output = limits.output},
              [&refusals](MessageSocket::Trouble trouble) { refusals.add(refusal_of(trouble)); }),
      refusals_(refusals) {}

Connection::Input Connection::receive() {
  using Fill = MessageSocket::Fill;
  if (state_ == State::between) {
    socket_.begin();
    state_ = State::in_header;
  }
  if (state_ == State::in_header) {
    const Fill got = socket_.fill(Bytes(header_bytes_));
    if (got != Fill::full) return got == Fill::partial ? Input::nothing : Input::closed;
    const auto header = decode_header(header_bytes_);
    if (!header) {
      refusals_.add(header.error());
      return Input::closed;
    }
    header_ = *header;
    state_ = State::in_payload;
  }
  const Fill got = socket_.fill(Bytes(payload_).first(header_.size));
  if (got != Fill::full) return got == Fill::partial ? Input::nothing : Input::closed;
  state_ = State::between;
  return Input::message;
}

}  // namespace ladon::vhost
