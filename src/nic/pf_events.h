// What the device has to tell the management software: causes and the functions they concern, and the one
// interrupt that says so (spec/pf.h).
#pragma once

#include <cstdint>

#include "nic/switch.h"
#include "pcie/msix.h"
#include "spec/pf.h"

namespace ladon::nic {

class PfEvents {
 public:
  PfEvents(pcie::MsixTable& table, pcie::DmaPort& port) : table_(table), port_(port) {}

  void mailbox(std::uint16_t vf) { note(mailbox_, vf, spec::pf::kCauseMailbox); }
  void fault(std::uint16_t vf) { note(fault_, vf, spec::pf::kCauseFault); }
  // Its reset takes an unanswered request with it.
  void reset(std::uint16_t vf) {
    mailbox_done(vf);
    note(flr_, vf, spec::pf::kCauseFlr);
  }
  void link() { raise(spec::pf::kCauseLink); }
  void mailbox_done(std::uint16_t vf) { mailbox_ &= ~bit(vf); }
  // The function has been scrubbed: nothing of it is pending.
  void forget(std::uint16_t vf) {
    mailbox_ &= ~bit(vf);
    fault_ &= ~bit(vf);
    flr_ &= ~bit(vf);
  }
  void clear() { cause_ = mask_ = 0, mailbox_ = fault_ = flr_ = 0, signalled_ = false; }

  // Messages can be sent: MSI-X and bus mastering are on. News waits until then.
  void set_deliverable(bool deliverable) { deliverable_ = deliverable; }
  // Sends the interrupt if there is news.
  void update() {
    if (signalled_ || !deliverable_ || (cause_ & mask_) == 0) return;
    signalled_ = true;
    table_.raise(0, port_);
  }

  [[nodiscard]] std::uint32_t cause() const { return cause_; }
  void clear_cause(std::uint32_t bits) { cause_ &= ~bits; }
  [[nodiscard]] std::uint32_t mask() const { return mask_; }
  void set_mask(std::uint32_t mask) {
    mask_ = mask;
    signalled_ = false;
  }
  [[nodiscard]] VfMask mailbox_pending() const { return mailbox_; }
  [[nodiscard]] VfMask fault_pending() const { return fault_; }
  [[nodiscard]] VfMask reset_pending() const { return flr_; }
  void clear_fault_pending(VfMask vfs) { fault_ &= ~vfs; }
  void clear_reset_pending(VfMask vfs) { flr_ &= ~vfs; }

 private:
  [[nodiscard]] static VfMask bit(std::uint16_t vf) { return VfMask{1} << vf; }
  // Only what is new interrupts: a guest that repeats itself is not heard twice.
  void note(VfMask& pending, std::uint16_t vf, std::uint32_t cause) {
    if ((pending & bit(vf)) != 0 && (cause_ & cause) != 0) return;
    pending |= bit(vf);
    raise(cause);
  }
  void raise(std::uint32_t cause) {
    cause_ |= cause;
    signalled_ = false;
  }

  pcie::MsixTable& table_;
  pcie::DmaPort& port_;
  std::uint32_t cause_ = 0, mask_ = 0;
  VfMask mailbox_ = 0, fault_ = 0, flr_ = 0;
  bool signalled_ = false;  // the causes as they are have been told
  bool deliverable_ = false;
};

}  // namespace ladon::nic
