#include "vfio/connection.h"

namespace ladon::vfio {

namespace {

// Long enough for all but long accesses; the buffer grows when one comes.
constexpr std::size_t kFirstBuffer = 8192;

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
    : socket_(std::move(socket), {.descriptors = kMaxDescriptors, .output = limits.output},
              [&refusals](MessageSocket::Trouble trouble) { refusals.add(refusal_of(trouble)); }),
      refusals_(refusals),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kFirstBuffer)),
      capacity_(kFirstBuffer) {}

Connection::Input Connection::receive() {
  using Fill = MessageSocket::Fill;
  if (!in_body_) {
    if (!in_header_) socket_.begin();
    in_header_ = true;
    const Fill got = socket_.fill(Bytes(header_bytes_));
    if (got != Fill::full) return got == Fill::partial ? Input::nothing : Input::closed;
    in_header_ = false;
    const auto header = decode_header(header_bytes_);
    if (!header) {
      refusals_.add(header.error());
      return Input::closed;
    }
    header_ = *header;
    in_body_ = true;
    const std::size_t length = header_.size - kHeaderBytes;
    if (length > capacity_) {
      buffer_ = std::make_unique_for_overwrite<std::byte[]>(length);
      capacity_ = length;
    }
  }
  const Fill got = socket_.fill(Bytes(buffer_.get(), header_.size - kHeaderBytes));
  if (got != Fill::full) return got == Fill::partial ? Input::nothing : Input::closed;
  in_body_ = false;
  return Input::message;
}

}  // namespace ladon::vfio
