#include "mh/pf_driver.h"

#include <bit>
#include <utility>

#include "host/enumeration.h"
#include "spec/ixgbevf.h"
#include "spec/pci.h"

namespace ladon::mh {

namespace pci = spec::pci;
namespace pf = spec::pf;
namespace vfr = spec::ixgbevf;

namespace {

using std::chrono::milliseconds;
// The longest that a step of the device is waited for (PCIe 6.0, 6.6.2 gives a reset 100 ms).
constexpr int kPatience = 1000, kResetPatience = 100;  // milliseconds
constexpr std::uint32_t kDefaultMaxFrame = 1518;       // MTU 1500 with a VLAN tag, without FCS

}  // namespace

PfDriver::PfDriver(host::BlockingHost& host, const Nic& nic, Pause pause, std::uint32_t mailbox_limit,
                   bool any_address)
    : host_(host),
      nic_(nic),
      pause_(std::move(pause)),
      mailbox_limit_(mailbox_limit),
      any_address_(any_address),
      vfs_(nic.vfs),
      pages_(static_cast<std::uint32_t>(nic.packet_memory / vfr::kPageBytes), nic.vfs) {}

std::uint32_t PfDriver::load(std::uint32_t offset) {
  const auto value = host_.load32(BusAddr(nic_.registers.bits() + offset));
  if (!value) failed_ = true;
  return value.value_or(~std::uint32_t{0});
}
void PfDriver::store(std::uint32_t offset, std::uint32_t value) {
  if (!host_.store32(BusAddr(nic_.registers.bits() + offset), value)) failed_ = true;
}
std::uint32_t PfDriver::load_vf(std::uint16_t vf, std::uint32_t offset) {
  return load(pf::kVf + vf * pf::kVfStride + offset);
}
void PfDriver::store_vf(std::uint16_t vf, std::uint32_t offset, std::uint32_t value) {
  store(pf::kVf + vf * pf::kVfStride + offset, value);
}
std::uint64_t PfDriver::load_bits(std::uint32_t offset) {
  const std::uint64_t low = load(offset);
  const std::uint64_t all = low | static_cast<std::uint64_t>(load(offset + 4)) << 32;
  // A device that is gone reads as all ones; nobody is pending then, and no bit lies above the last VF.
  return failed_ ? 0 : all & ((std::uint64_t{1} << nic_.vfs) - 1);
}

Done PfDriver::outcome(std::string_view what) {
  if (!std::exchange(failed_, false)) return {};
  return std::unexpected(DriverError{"NIC " + pcie::to_string(nic_.pf) + ": " + std::string(what) +
                                     ": a register does not answer"});
}

Done PfDriver::start(bool in_use) {
  if (load(pf::kId) != pf::kMagic || failed_) {
    failed_ = false;
    return std::unexpected(DriverError{"NIC " + pcie::to_string(nic_.pf) + ": not a NIC of this kind"});
  }
  if (in_use)
    adopt_filters();
  else
    store(pf::kControl, pf::kControlReset);
  store(pf::kControl, pf::kControlWire);
  carrier_ = (load(pf::kStatus) & 1) != 0;
  store(pf::kMask, pf::kCauseMailbox | pf::kCauseFault | pf::kCauseLink | pf::kCauseFlr);
  return outcome("start");
}

Done PfDriver::adopt(std::uint16_t vf, const Grant& grant) {
  VfState& state = vfs_[vf];
  state.grant = grant;
  state.enabled = (load_vf(vf, pf::kVfControl) & pf::kVfEnable) != 0;
  // What was negotiated cannot be read back. A VF that never was may talk too early then, which harms nobody:
  // each message is checked for itself; but one that was must not be refused, because its driver would start
  // anew.
  state.clear_to_send = state.enabled;
  if (state.enabled) state.api = 4;
  state.receive_mode = load_vf(vf, pf::kVfReceiveMode);
  state.mac = MacAddress::from_bits(load_vf(vf, pf::kVfMacLow) |
                                    static_cast<std::uint64_t>(load_vf(vf, pf::kVfMacHigh) & 0xFFFF) << 32);
  adopt_pages(vf);
  return outcome("adopt");
}

std::uint32_t PfDriver::control_bits(std::uint16_t vf) const {
  const VfState& state = vfs_[vf];
  if (is_shut(vf)) return 0;
  const Grant& grant = *state.grant;
  return pf::kVfLink | (state.enabled ? pf::kVfEnable : 0) | (grant.spoof_check ? pf::kVfSpoofCheck : 0) |
         (grant.trust ? pf::kVfTrust : 0) | (grant.link_forced ? pf::kVfLinkForced : 0) |
         (grant.backpressure ? pf::kVfBackpressure : 0) | (grant.coalesce ? pf::kVfCoalesce : 0) |
         (grant.unsegmented ? pf::kVfUnsegmented : 0);
}

Done PfDriver::configure(std::uint16_t vf) {
  const Grant& grant = *vfs_[vf].grant;
  // Scrubbing has taken all of it but the partition.
  if (vfs_[vf].level)
    if (auto done = program_level(vf, *vfs_[vf].level); !done) return done;
  write_pages(vf);
  write_mac(vf, grant.mac);
  store_vf(vf, pf::kVfVlan, grant.vlan ? *grant.vlan | 1u << 31 : 0);
  reset_state(vf);
  store_vf(vf, pf::kVfControl, control_bits(vf));
  return {};
}

Done PfDriver::enable(std::uint16_t vf, const Grant& grant) {
  vfs_[vf].grant = grant;
  vfs_[vf].quarantined = false;
  Done done = resume(vf);
  keep_addresses_apart();
  return done;
}

Done PfDriver::resume(std::uint16_t vf) {
  VfState& state = vfs_[vf];
  if (is_shut(vf) || state.enabled) return {};
  if (auto done = configure(vf); !done) return done;
  set_function_control(vf, true);
  state.enabled = true;
  store_vf(vf, pf::kVfControl, control_bits(vf));
  return outcome("enable VF " + std::to_string(vf));
}

Done PfDriver::quiesce(std::uint16_t vf) {
  vfs_[vf].enabled = false;
  store_vf(vf, pf::kVfControl, control_bits(vf));
  const bool quiet = await_status(vf, pf::kVfQuiesced);
  set_function_control(vf, false);
  if (!quiet && !failed_)
    return std::unexpected(DriverError{"NIC " + pcie::to_string(nic_.pf) + ": VF " + std::to_string(vf) +
                                       " does not come to rest"});
  return outcome("quiesce VF " + std::to_string(vf));
}

Done PfDriver::revoke(std::uint16_t vf) {
  Done done = quiesce(vf);
  vfs_[vf].grant.reset();
  return done;
}

Done PfDriver::reset_and_scrub(std::uint16_t vf) {
  const auto reset = host::function_level_reset(host_, nic_.vf_bdf(vf));
  if (!reset) failed_ = true;
  const std::uint64_t bit = std::uint64_t{1} << vf;
  for (int i = 0; i < kResetPatience && !failed_ && (load_bits(pf::kFlrPending) & bit) == 0; ++i)
    pause_(milliseconds(1));
  store(pf::kFlrPending + (vf / 32) * 4u, 1u << vf % 32);
  store_vf(vf, pf::kVfControl, pf::kVfScrub);
  store_vf(vf, pf::kVfCounterClear, 1);
  const bool clean = await_status(vf, pf::kVfScrubbed | pf::kVfQuiesced);
  clear_filters(vf);
  pages_.resize(vf, 0);  // the device has cleared its table
  vfs_[vf].enabled = vfs_[vf].clear_to_send = false;
  vfs_[vf].silent_ticks = 0;
  if (!clean && !failed_)
    return std::unexpected(DriverError{"NIC " + pcie::to_string(nic_.pf) + ": VF " + std::to_string(vf) +
                                       " cannot be scrubbed"});
  return outcome("scrub VF " + std::to_string(vf));
}

Done PfDriver::quarantine(std::uint16_t vf) {
  vfs_[vf].quarantined = true;
  return shut(vf);
}

bool PfDriver::await_status(std::uint16_t vf, std::uint32_t mask) {
  for (int i = 0; i < kPatience && !failed_; ++i) {
    if ((load_vf(vf, pf::kVfStatus) & mask) == mask) return !failed_;
    pause_(milliseconds(1));
  }
  return false;
}

void PfDriver::set_function_control(std::uint16_t vf, bool on) {
  const pcie::Sbdf bdf = nic_.vf_bdf(vf);
  const auto change = [&](std::uint16_t offset, std::uint16_t bits) {
    const auto now = host_.config_read(bdf, offset, 2);
    const std::uint32_t next = on ? now.value_or(0) | bits : now.value_or(0) & ~std::uint32_t{bits};
    if (!now || !host_.config_write(bdf, offset, 2, next)) failed_ = true;
  };
  // The guest's own enable bit is virtual; here single vectors are masked instead, by the owner's part.
  const auto msix = host::find_capability(host_, bdf, pci::kCapMsix);
  if (!msix) failed_ = true;
  if (msix && *msix) change(static_cast<std::uint16_t>(**msix + pci::kMsixControl), pci::kMsixControlEnable);
  change(pci::kCommand, pci::kCommandBusMaster);
}

void PfDriver::reset_state(std::uint16_t vf) {
  VfState& state = vfs_[vf];
  state.clear_to_send = state.answered = false;
  state.api.reset();
  clear_filters(vf);
  store_vf(vf, pf::kVfMulticast, 1u << 31);
  store_vf(vf, pf::kVfVlanFilter, 1u << 31);
  store_vf(vf, pf::kVfMaxFrame, kDefaultMaxFrame);
  set_receive_mode(vf, pf::kReceiveBroadcast);
}

void PfDriver::set_receive_mode(std::uint16_t vf, std::uint32_t mode) {
  vfs_[vf].receive_mode = mode;
  store_vf(vf, pf::kVfReceiveMode, mode);
}

std::expected<std::vector<PfEvent>, DriverError> PfDriver::service() {
  std::vector<PfEvent> events;
  for (const std::uint16_t vf : std::exchange(reopened_, {})) events.push_back({PfEvent::Kind::reopened, vf});
  store(pf::kCause, load(pf::kCause));
  // Mailboxes are looked at before resets: a reset with the message that follows it is then seen in order.
  const std::uint64_t mail = load_bits(pf::kMailboxPending);
  serve_resets(load_bits(pf::kFlrPending));
  serve_faults(events);
  // The link before the mailboxes: what is announced must not cover an answer that was just given.
  serve_link(events);
  for (std::uint64_t left = mail; left != 0; left &= left - 1)
    serve_mailbox(static_cast<std::uint16_t>(std::countr_zero(left)), events);
  if (auto fine = outcome("service"); !fine) return std::unexpected(fine.error());
  return events;
}

void PfDriver::serve_resets(std::uint64_t pending) {
  store(pf::kFlrPending, static_cast<std::uint32_t>(pending));
  store(pf::kFlrPending + 4, static_cast<std::uint32_t>(pending >> 32));
  for (; pending != 0; pending &= pending - 1) {
    const auto vf = static_cast<std::uint16_t>(std::countr_zero(pending));
    VfState& state = vfs_[vf];
    if (state.clear_to_send || state.silent_ticks > 0) state.silent_ticks = 1;
    reset_state(vf);
    store_vf(vf, pf::kVfMailboxControl, pf::kMailboxResetDone);
  }
}

void PfDriver::serve_faults(std::vector<PfEvent>& events) {
  const std::uint64_t all = load_bits(pf::kFaultPending);
  for (std::uint64_t left = all; left != 0; left &= left - 1) {
    const auto vf = static_cast<std::uint16_t>(std::countr_zero(left));
    events.push_back({PfEvent::Kind::fault, vf, load_vf(vf, pf::kVfFault)});
  }
  store(pf::kFaultPending, static_cast<std::uint32_t>(all));
  store(pf::kFaultPending + 4, static_cast<std::uint32_t>(all >> 32));
}

void PfDriver::serve_link(std::vector<PfEvent>& events) {
  const bool carrier = (load(pf::kStatus) & 1) != 0;
  if (failed_ || carrier == carrier_) return;
  carrier_ = carrier;
  events.push_back({PfEvent::Kind::link, 0, carrier ? 1u : 0u});
  for (std::uint16_t vf = 0; vf < nic_.vfs; ++vf) announce_link(vf);
}

void PfDriver::announce_link(std::uint16_t vf) {
  const VfState& state = vfs_[vf];
  if (!state.enabled) return;
  // There is one buffer: neither a message of the VF that is still to be read nor an answer that it has not
  // read may be overwritten. Its driver looks at the link now and then anyway.
  const std::uint32_t control = load_vf(vf, pf::kVfMailboxControl);
  if ((control & pf::kMailboxRequest) != 0) return;
  if (state.answered && (control & pf::kMailboxVfAck) == 0) return;
  send(vf, {vfr::kMessagePfControl | (state.clear_to_send ? vfr::kMessageCts : 0)});
}

// A driver that resets its VF says RESET at once. After a function-level reset from elsewhere it knows of
// nothing, and would wait for its link for ever; a refusal without CTS makes ixgbevf start the VF anew
// (check_mac_link_vf).
void PfDriver::tell_of_reset(std::uint16_t vf) {
  if (!vfs_[vf].enabled || (load_vf(vf, pf::kVfMailboxControl) & pf::kMailboxRequest) != 0) return;
  send(vf, {vfr::kMessagePfControl | vfr::kMessageNack});
  // Without an interrupt, which the reset has masked, ixgbevf looks at the message for RSTD's sake alone.
  store_vf(vf, pf::kVfMailboxControl, pf::kMailboxResetDone);
}

void PfDriver::tick() {
  constexpr unsigned kSilence = 2;
  for (std::uint16_t vf = 0; vf < vfs_.size(); ++vf) {
    VfState& state = vfs_[vf];
    state.messages = 0, state.told = 0, state.flooding = false;
    if (state.silent_ticks == 0) continue;
    if (++state.silent_ticks <= kSilence) continue;
    state.silent_ticks = 0;
    tell_of_reset(vf);
  }
}

}  // namespace ladon::mh
