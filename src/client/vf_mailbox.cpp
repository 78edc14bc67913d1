#include "client/vf_mailbox.h"

namespace ladon::client {

namespace ixgbevf = spec::ixgbevf;

std::string_view name(VfError error) {
  switch (error) {
    case VfError::mailbox_locked:
      return "mailbox_locked";
    case VfError::not_acknowledged:
      return "not_acknowledged";
    case VfError::no_answer:
      return "no_answer";
    case VfError::refused:
      return "refused";
    case VfError::reset_pending:
      return "reset_pending";
    case VfError::not_cleared:
      return "not_cleared";
    case VfError::no_memory:
      return "no_memory";
    case VfError::queue_stuck:
      return "queue_stuck";
  }
  return "unknown";
}

std::uint32_t VfMailbox::read_control() {
  seen_ |= registers_.read32(ixgbevf::kMailbox) &
           (ixgbevf::kMailboxPfSts | ixgbevf::kMailboxPfAck | ixgbevf::kMailboxRsti | ixgbevf::kMailboxRstd);
  return seen_;
}

bool VfMailbox::take(std::uint32_t bits) {
  const bool found = (read_control() & bits) != 0;
  seen_ &= ~bits;
  return found;
}

bool VfMailbox::wait_for(std::uint32_t bits) {
  for (int i = 0; i < kTries; ++i) {
    if (take(bits)) return true;
    registers_.pause();
  }
  return false;
}

bool VfMailbox::lock() {
  for (int i = 0; i < 10; ++i) {
    registers_.write32(ixgbevf::kMailbox, ixgbevf::kMailboxVfu);
    const std::uint32_t control = registers_.read32(ixgbevf::kMailbox);
    seen_ |= control & (ixgbevf::kMailboxPfSts | ixgbevf::kMailboxPfAck | ixgbevf::kMailboxRsti |
                        ixgbevf::kMailboxRstd);
    if ((control & ixgbevf::kMailboxVfu) != 0) return true;
    registers_.pause();
  }
  return false;
}

std::expected<VfMailbox::Message, VfError> VfMailbox::exchange(std::span<const std::uint32_t> words) {
  if (!lock()) return std::unexpected(VfError::mailbox_locked);
  seen_ &= ~(ixgbevf::kMailboxPfSts | ixgbevf::kMailboxPfAck);
  for (std::uint32_t i = 0; i < words.size() && i < ixgbevf::kMailboxWords; ++i)
    registers_.write32(ixgbevf::kMailboxMemory + 4 * i, words[i]);
  registers_.write32(ixgbevf::kMailbox, ixgbevf::kMailboxReq);
  if (!wait_for(ixgbevf::kMailboxPfAck)) return std::unexpected(VfError::not_acknowledged);
  if (!wait_for(ixgbevf::kMailboxPfSts)) return std::unexpected(VfError::no_answer);
  if (!lock()) return std::unexpected(VfError::mailbox_locked);
  Message answer;
  for (std::uint32_t i = 0; i < answer.size(); ++i)
    answer[i] = registers_.read32(ixgbevf::kMailboxMemory + 4 * i);
  registers_.write32(ixgbevf::kMailbox, ixgbevf::kMailboxAck);
  return answer;
}

std::expected<VfMailbox::Message, VfError> VfMailbox::request(std::span<const std::uint32_t> words) {
  const auto answer = exchange(words);
  if (!answer) return answer;
  const std::uint32_t result = (*answer)[0] & ~ixgbevf::kMessageCts;
  if ((result & 0xFFFF) != (words[0] & 0xFFFF) || (result & ixgbevf::kMessageAck) == 0 ||
      (result & ixgbevf::kMessageNack) != 0)
    return std::unexpected(VfError::refused);
  return answer;
}

std::expected<std::uint32_t, VfError> VfMailbox::peek() {
  if (!lock()) return std::unexpected(VfError::mailbox_locked);
  const std::uint32_t word = registers_.read32(ixgbevf::kMailboxMemory);
  registers_.write32(ixgbevf::kMailbox, ixgbevf::kMailboxAck);
  return word;
}

}  // namespace ladon::client
