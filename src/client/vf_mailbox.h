// A VF driver's side of the mailbox, with the handshake of ixgbevf: take the buffer, write, request, wait for
// the acknowledgement, wait for the answer, take the buffer, read, acknowledge.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "client/mmio.h"
#include "spec/ixgbevf.h"

namespace ladon::client {

enum class VfError : std::uint8_t {
  mailbox_locked,    // the buffer could not be taken
  not_acknowledged,  // nobody read the message
  no_answer,
  refused,        // answered with a NACK, or with something else than what was asked
  reset_pending,  // the reset indications never cleared
  not_cleared,    // no clear-to-send: the management software has forgotten us
  no_memory,
  queue_stuck,  // an enable bit did not read back
};
[[nodiscard]] std::string_view name(VfError error);

class VfMailbox {
 public:
  using Message = std::array<std::uint32_t, spec::ixgbevf::kMailboxWords>;

  explicit VfMailbox(Mmio& registers) : registers_(registers) {}

  // Sends `words` and returns the answer's first sixteen words.
  [[nodiscard]] std::expected<Message, VfError> exchange(std::span<const std::uint32_t> words);
  // As above, and the answer must acknowledge the request.
  [[nodiscard]] std::expected<Message, VfError> request(std::span<const std::uint32_t> words);
  // Reads word 0 as the link check does, without a new message being there.
  [[nodiscard]] std::expected<std::uint32_t, VfError> peek();
  // The PF has written a message of its own; what was read is over.
  [[nodiscard]] bool take_message() { return take(spec::ixgbevf::kMailboxPfSts); }
  // The device shows a reset.
  [[nodiscard]] bool take_reset() { return take(spec::ixgbevf::kMailboxRsti | spec::ixgbevf::kMailboxRstd); }

 private:
  static constexpr int kTries = 2000;
  [[nodiscard]] std::uint32_t read_control();
  [[nodiscard]] bool take(std::uint32_t bits);
  [[nodiscard]] bool wait_for(std::uint32_t bits);
  [[nodiscard]] bool lock();

  Mmio& registers_;
  std::uint32_t seen_ = 0;  // flags that reading clears
};

}  // namespace ladon::client
