// The mailbox between a virtual function and the management software: sixteen words and a few flags. What a
// message means is the software's affair. Intel 82599 Datasheet 7.10.2.9.1 and 9.3.5 (VFMAILBOX).
//
// A request is copied when it is sent, and the PF reads that copy until it acknowledges: a guest cannot
// change a message while it is being checked.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"
#include "nic/counters.h"
#include "spec/ixgbevf.h"

namespace ladon::nic {

class Mailbox {
 public:
  static constexpr std::uint32_t kWords = spec::ixgbevf::kMailboxWords;
  // A driver sends some thirty messages when it starts and a few a second later.
  static constexpr std::uint32_t kBurst = 512;
  static constexpr Duration kRefill = std::chrono::milliseconds(2);

  enum class Sent : std::uint8_t { nothing, request, acknowledge, busy, flood };

  // The VF's side. Reading VFMAILBOX clears PFSTS, PFACK and RSTD.
  std::uint32_t read_control();
  Sent write_control(std::uint32_t value, Instant now);
  [[nodiscard]] std::uint32_t word(std::uint32_t index) const { return memory_[index]; }
  void set_word(std::uint32_t index, std::uint32_t value) { memory_[index] = value; }

  // The PF's side.
  [[nodiscard]] bool request_pending() const { return request_; }
  [[nodiscard]] bool vf_acknowledged() const { return vf_ack_; }
  [[nodiscard]] std::uint32_t request_word(std::uint32_t index) const {
    return request_ ? taken_[index] : memory_[index];
  }
  void send();         // raises PFSTS
  void acknowledge();  // raises PFACK, the request is over
  void reset_done();   // raises RSTD

  // Empty, no flag; what was sent does not count any less.
  void clear();

 private:
  bool take_credit(Instant now);

  std::array<std::uint32_t, kWords> memory_{}, taken_{};
  std::uint32_t flags_ = 0;  // VFU, PFSTS, PFACK, RSTD as VFMAILBOX shows them
  bool request_ = false, vf_ack_ = false;
  std::uint32_t credit_ = kBurst;
  Instant refilled_{};
};

}  // namespace ladon::nic
