#include "nic/mailbox.h"

#include <algorithm>

namespace ladon::nic {

namespace vf = spec::ixgbevf;

std::uint32_t Mailbox::read_control() {
  const std::uint32_t value = flags_;
  flags_ &= ~(vf::kMailboxPfSts | vf::kMailboxPfAck | vf::kMailboxRstd);
  return value;
}

Mailbox::Sent Mailbox::write_control(std::uint32_t value, Instant now) {
  flags_ = (flags_ & ~vf::kMailboxVfu) | (value & vf::kMailboxVfu);
  if ((value & vf::kMailboxAck) != 0) vf_ack_ = true;
  if ((value & vf::kMailboxReq) == 0)
    return (value & vf::kMailboxAck) != 0 ? Sent::acknowledge : Sent::nothing;
  if (!take_credit(now)) return Sent::flood;
  if (request_) return Sent::busy;
  taken_ = memory_;
  request_ = true;
  return Sent::request;
}

bool Mailbox::take_credit(Instant now) {
  const auto periods = (now - refilled_) / kRefill;
  if (periods > 0) {
    credit_ = static_cast<std::uint32_t>(std::min<decltype(periods)>(kBurst, credit_ + periods));
    refilled_ += periods * kRefill;
  }
  if (credit_ == 0) return false;
  --credit_;
  return true;
}

void Mailbox::send() {
  flags_ |= vf::kMailboxPfSts;
  vf_ack_ = false;
}

void Mailbox::acknowledge() {
  request_ = false;
  flags_ |= vf::kMailboxPfAck;
}

void Mailbox::reset_done() {
  flags_ |= vf::kMailboxRstd;
}

void Mailbox::clear() {
  memory_.fill(0);
  taken_.fill(0);
  flags_ = 0;
  request_ = vf_ack_ = false;
}

}  // namespace ladon::nic
