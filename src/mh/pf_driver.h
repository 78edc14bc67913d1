// The driver of a NIC's physical function (spec/pf.h): gives VFs their identity, enables and takes them away,
// answers their mailboxes as the Linux ixgbe PF driver does, reports what they violate. Everything that comes
// from a VF is untrusted.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "base/counters.h"
#include "host/blocking_host.h"
#include "mh/ntb_driver.h"
#include "mh/packet_pages.h"
#include "mh/plan.h"
#include "spec/pf.h"

namespace ladon::mh {

enum class MailboxRefusal : std::uint8_t {
  not_ready,  // a message before RESET
  answer,     // a message with the bits of an answer: not answered, or two programs could answer one another
  unknown_message,
  api_too_new,  // above 1.3: those bring messages that this PF does not have
  foreign_mac,  // SET_MAC or MACVLAN with an address that was not given
  not_trusted,  // promiscuous and the like
  bad_argument,
  no_filter,  // it has as many additional MAC filters as are left for the others
  taken_mac,  // an address that another VF has, or has been given, where their VLANs do not keep them apart
  flood,      // more messages between two ticks than kMailboxLimit
  count_
};
[[nodiscard]] std::string_view name(MailboxRefusal refusal);

// What the driver tells its owner.
struct PfEvent {
  // reopened: it was reset, and is its owner's again
  enum class Kind : std::uint8_t { fault, flood, refusal, link, reopened } kind{};
  std::uint16_t vf = 0;
  // fault: as the NIC says it (kVfFault); refusal: a MailboxRefusal, each once between two ticks; link: 1 up,
  // 0 down
  std::uint32_t reason = 0;
};

using Pause = std::function<void(std::chrono::milliseconds)>;

class PfDriver {
 public:
  // Mailbox messages that a VF may send between two ticks; probing takes about 30.
  static constexpr std::uint32_t kMailboxLimit = 256;

  // `any_address`: trusted VFs may have others' addresses and all filters, to show what that is worth.
  PfDriver(host::BlockingHost& host, const Nic& nic, Pause pause, std::uint32_t mailbox_limit = kMailboxLimit,
           bool any_address = false);

  // Checks the device, turns the wire and its interrupts on. `in_use`: nothing is reset.
  [[nodiscard]] Done start(bool in_use);
  // A VF that a predecessor of this driver has enabled: taken as having negotiated, nothing is written.
  [[nodiscard]] Done adopt(std::uint16_t vf, const Grant& grant);
  // Identity and policies, then bus mastering, MSI-X and rings.
  [[nodiscard]] Done enable(std::uint16_t vf, const Grant& grant);
  // Ends the VF's DMA; returns once none is outstanding.
  [[nodiscard]] Done quiesce(std::uint16_t vf);
  // The same, and nobody has it any more.
  [[nodiscard]] Done revoke(std::uint16_t vf);
  // Function-level reset, then forgets everything that an owner left. The VF is quiesced.
  [[nodiscard]] Done reset_and_scrub(std::uint16_t vf);
  // Enables a VF again after quiesce or reset_and_scrub, as it was granted.
  [[nodiscard]] Done resume(std::uint16_t vf);
  // Its driver does not know that the VF was reset: it is told, unless it says RESET by itself in time.
  void tell_if_silent(std::uint16_t vf) { vfs_[vf].silent_ticks = 1; }
  // Disabled until the next enable() or recover(); its link is down, its mailbox is refused.
  [[nodiscard]] Done quarantine(std::uint16_t vf);
  // Reset, scrubbed and its owner's again.
  [[nodiscard]] Done recover(std::uint16_t vf);

  // ---- while the VF runs (pf_levels.cpp)
  // What its owner may do; the owner stays. A driver whose address or trust changes is told to start anew.
  [[nodiscard]] Done change(std::uint16_t vf, const Grant& grant);
  // Whole or not at all; the VF is not disturbed, unless its partition comes or goes and its link with it.
  [[nodiscard]] Done set_level(std::uint16_t vf, const ServiceLevel& level);
  // What a predecessor has set: nothing is written.
  void adopt_level(std::uint16_t vf, const ServiceLevel& level) { vfs_[vf].level = level; }
  // As the device keeps it, with its packet memory.
  [[nodiscard]] std::expected<ServiceLevel, DriverError> read_level(std::uint16_t vf);
  // All VFs' as after the device's reset: nothing promised, and equal partitions.
  [[nodiscard]] Done default_levels();
  [[nodiscard]] Done set_capacity(const NicCapacity& capacity);

  // After an interrupt, or now and then: mailboxes, resets, faults, link.
  [[nodiscard]] std::expected<std::vector<PfEvent>, DriverError> service();
  // The flood limit counts anew, and drivers that know nothing of a reset are told. To be called about once a
  // second.
  void tick();

  [[nodiscard]] const Counters<MailboxRefusal>& refusals(std::uint16_t vf) const { return vfs_[vf].refused; }
  [[nodiscard]] bool quarantined(std::uint16_t vf) const { return vfs_[vf].quarantined; }
  [[nodiscard]] const PageTable& pages(std::uint16_t vf) const { return pages_.table(vf); }
  [[nodiscard]] bool carrier() const { return carrier_; }

 private:
  static constexpr std::uint32_t kWords = spec::pf::kMailboxWords;
  using MessageWords = std::array<std::uint32_t, kWords>;
  struct VfState {
    std::optional<Grant> grant;
    std::optional<ServiceLevel> level;  // nullopt: as after the device's reset
    bool enabled = false, quarantined = false, flooding = false;
    bool clear_to_send = false;        // the VF has sent RESET and was answered
    bool answered = false;             // an answer is in its mailbox, read or not
    std::optional<std::uint32_t> api;  // as the message numbers it: 4 is 1.3
    std::uint32_t messages = 0;        // since the last tick
    std::uint32_t told = 0;            // refusals that an event has told of since then, a bit each
    unsigned silent_ticks = 0;         // since a reset that its driver has not answered; 0: there is none
    std::uint32_t receive_mode = 0;
    MacAddress mac;  // as the device has it
    Counters<MailboxRefusal> refused;
  };
  // A reply: the words to send (word 0 without result bits), or why not.
  using Answer = std::expected<std::vector<std::uint32_t>, MailboxRefusal>;

  void serve_resets(std::uint64_t pending);
  void serve_faults(std::vector<PfEvent>& events);
  void serve_link(std::vector<PfEvent>& events);
  void serve_mailbox(std::uint16_t vf, std::vector<PfEvent>& events);
  void refuse(std::uint16_t vf, MailboxRefusal why, std::vector<PfEvent>& events);
  [[nodiscard]] Answer answer(std::uint16_t vf, const MessageWords& message);
  void answer_reset(std::uint16_t vf);
  [[nodiscard]] Answer answer_api(std::uint16_t vf, const MessageWords& message);
  [[nodiscard]] Answer answer_queues(std::uint16_t vf, const MessageWords& message);
  [[nodiscard]] Answer set_mac(std::uint16_t vf, const MessageWords& message);
  [[nodiscard]] Answer set_multicast(std::uint16_t vf, const MessageWords& message);
  [[nodiscard]] Answer set_vlan(std::uint16_t vf, const MessageWords& message);
  [[nodiscard]] Answer set_max_frame(std::uint16_t vf, const MessageWords& message);
  [[nodiscard]] Answer set_macvlan(std::uint16_t vf, const MessageWords& message);
  [[nodiscard]] Answer update_xcast(std::uint16_t vf, const MessageWords& message);

  void reset_state(std::uint16_t vf);  // what RESET, FLR and VFCTRL.RST leave
  void tell_of_reset(std::uint16_t vf);
  // Addresses (pf_addresses.cpp).
  void clear_filters(std::uint16_t vf);
  void adopt_filters();
  // It may have one more: fewer than are free. However many VFs fill up, something is left for the next.
  [[nodiscard]] bool may_filter(std::uint16_t vf) const;
  // Another VF than this one has the address, and a frame could be for both.
  [[nodiscard]] bool anothers(std::uint16_t vf, const MacAddress& mac) const;
  // After a grant has changed: addresses that trusted guests chose and that are now another's are taken back.
  void keep_addresses_apart();
  void send(std::uint16_t vf, const std::vector<std::uint32_t>& words);
  void announce_link(std::uint16_t vf);                  // PF_CONTROL, if it listens
  void set_function_control(std::uint16_t vf, bool on);  // bus master and MSI-X
  [[nodiscard]] Done configure(std::uint16_t vf);        // registers as granted, rings off
  void write_mac(std::uint16_t vf, const MacAddress& mac);
  void set_receive_mode(std::uint16_t vf, std::uint32_t mode);
  // Nobody's, or its owner is not to use it: quarantined, disabled, or without packet memory.
  [[nodiscard]] bool is_shut(std::uint16_t vf) const;
  [[nodiscard]] Done shut(std::uint16_t vf);
  [[nodiscard]] Done reopen(std::uint16_t vf);
  [[nodiscard]] Done program_level(std::uint16_t vf, const ServiceLevel& level);
  void write_pages(std::uint16_t vf);  // its page translation table
  void adopt_pages(std::uint16_t vf);
  [[nodiscard]] std::uint64_t equal_share() const;  // bytes of packet memory
  [[nodiscard]] std::string vf_name(std::uint16_t vf) const;
  // Until all bits of `mask` are set in the VF's status; false if they do not come.
  [[nodiscard]] bool await_status(std::uint16_t vf, std::uint32_t mask);
  [[nodiscard]] std::uint32_t control_bits(std::uint16_t vf) const;

  // Register access. A failed load is all ones and sets failed_, which the public calls turn into an error.
  [[nodiscard]] std::uint32_t load(std::uint32_t offset);
  void store(std::uint32_t offset, std::uint32_t value);
  [[nodiscard]] std::uint32_t load_vf(std::uint16_t vf, std::uint32_t offset);
  void store_vf(std::uint16_t vf, std::uint32_t offset, std::uint32_t value);
  [[nodiscard]] std::uint64_t load_bits(std::uint32_t offset);  // one bit a VF
  [[nodiscard]] Done outcome(std::string_view what);

  host::BlockingHost& host_;
  Nic nic_;
  Pause pause_;
  std::uint32_t mailbox_limit_;
  bool any_address_;
  bool carrier_ = false, failed_ = false;
  std::vector<VfState> vfs_;
  struct Filter {
    std::uint16_t owner = 0;  // VF + 1; 0: free
    MacAddress mac;
  };
  std::array<Filter, spec::pf::kFilterCount> filters_{};
  PacketPages pages_;
  std::vector<std::uint16_t> reopened_;  // and not told yet
};

}  // namespace ladon::mh
