// The management host's program without its main: take over, find out, plan, apply, then serve interrupts and
// the hosts' parts until told to stop.
//
//   auto journal = mh::Journal::open(file);
//   const auto epoch = mh::next_epoch(**journal);              // on disk before it is used
//   auto bridge = host::SocketBridge::connect(path, epoch);
//   host::BlockingHost host(**bridge, [&] { return (*bridge)->wait(); });
//   auto service = mh::Service::start(host, **journal, intent, {});
//   while ((*bridge)->wait(1000)) { (*service)->run_once(); ...tick() about once a second... }
#pragma once

#include <bitset>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/control_channel.h"
#include "mh/apply.h"

namespace ladon::mh {

// What a person or the machine may want to know; also the lines of the log.
struct ServiceEvent {
  enum class Kind : std::uint8_t {
    fabric_ready,  // the plan is in force
    drift,         // hardware differed from the journal after a restart, and was mended
    host_ready,    // a host's part has answered
    attached,      // a guest has its VF
    detaching,     // a guest is gone
    free_again,    // its VF is quiesced, revoked, reset and scrubbed
    fault,         // a VF violated something
    refused,       // a VF's message was refused
    quarantined,
    recovered,  // the quarantine has ended
    link,
    failed,  // an operation on hardware failed
  } kind{};
  pcie::Domain host{};
  std::uint8_t slot = 0;
  VfId vf;
  std::string text;
  std::string guest = {};  // "vm-b (VF 2 of NIC 0, ch1)"; empty: nobody's VF
};
[[nodiscard]] std::string_view name(ServiceEvent::Kind kind);

struct ServiceOptions {
  std::function<void(const ServiceEvent&)> on_event;
  Pause pause;  // empty: sleeps
  // Messages that a VF's mailbox may send between two ticks.
  std::uint32_t mailbox_limit = PfDriver::kMailboxLimit;
  // Checks left out, to show what they are worth: never in a rack that is to hold.
  struct Mutations {
    bool believe_any_host = false;  // a host's part may speak for the slots of all others
    bool any_address = false;       // as PfDriver says
  } mutations = {};
};

// An epoch that this journal has never seen; nullopt if it cannot be written.
[[nodiscard]] std::optional<host::Epoch> next_epoch(Journal& journal);

class Service {
 public:
  // Enumerates (or finds the fabric as the journal says, and then disturbs nothing), plans and applies.
  // The error is a sentence for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<Service>, std::string> start(host::BlockingHost& host,
                                                                                  Journal& journal,
                                                                                  const Intent& intent,
                                                                                  ServiceOptions options);
  ~Service();

  // Takes all events that have arrived and does what they ask for.
  void run_once();
  // About once a second: looks everywhere, so that a lost interrupt delays something but loses nothing.
  void tick();
  // Another intent: what no longer holds is revoked, what is new is opened; the rest is not touched.
  [[nodiscard]] std::expected<void, std::string> change(const Intent& intent);
  // Why it could not be; changes nothing.
  [[nodiscard]] std::expected<void, std::string> check(const Intent& intent) const;
  // Ends the quarantine of a VF: reset, scrubbed and its owner's again.
  [[nodiscard]] std::expected<void, std::string> recover(VfId vf);
  [[nodiscard]] const Intent& intent() const { return intent_; }

  [[nodiscard]] const Inventory& inventory() const { return inventory_; }
  [[nodiscard]] const Plan& plan() const { return applier_->now(); }
  [[nodiscard]] const PfDriver& pf(std::size_t nic) const { return *pfs_[nic]; }

 private:
  struct Peer;
  Service(host::BlockingHost& host, Journal& journal, ServiceOptions options);
  [[nodiscard]] std::expected<void, std::string> find_out();
  [[nodiscard]] std::expected<void, std::string> start_drivers();
  [[nodiscard]] std::expected<void, std::string> adopt_vfs();
  [[nodiscard]] std::expected<void, std::string> open_channels();
  [[nodiscard]] std::expected<void, std::string> add_ntb_channel(const Ntb& ntb);
  // From the plan in force to the one for this intent; the journal learns that a change is under way.
  [[nodiscard]] std::expected<void, std::string> apply(const Intent& intent);
  [[nodiscard]] std::expected<void, std::string> settle();
  void add_peer(pcie::Domain domain, std::unique_ptr<host::control::Port> port);
  [[nodiscard]] Peer* peer_of(pcie::Domain domain);

  // True if there is something to look at.
  bool take_events();
  void look();
  void take(Peer& peer, const host::control::Message& message);
  void take_ready(Peer& peer, bool fresh);
  void take_detach(Peer& peer, std::uint8_t slot);
  void take_revoked(Peer& peer, std::uint8_t slot);
  void assign_all(Peer& peer);
  // Quiesce, reset, scrub, enable again.
  void clean(VfId vf);
  void pf_event(std::uint16_t nic, const PfEvent& event);
  // What this host's own IOMMU refused, and what another host's part says that its own did.
  void take_fault(const host::Fault& fault);
  void take_fault(const Peer& peer, const host::control::FaultReport& fault);
  void report_vf(ServiceEvent::Kind kind, VfId vf, std::string text);
  [[nodiscard]] std::string host_name(pcie::Domain domain) const;
  void act_on(VfId vf, const VfSetup& setup, std::uint32_t reason);
  // To the part of the VF's owner; after a reset it writes the VF's vectors again.
  void tell_part(const VfSetup& setup, std::uint32_t reason);
  void report(const ServiceEvent& event);
  void report_failure(const Done& done);
  // The VF that this slot of this host has; nullopt if none.
  [[nodiscard]] std::optional<VfId> vf_of(pcie::Domain host, std::uint8_t slot) const;

  host::BlockingHost& host_;
  Journal& journal_;
  ServiceOptions options_;
  Inventory inventory_;
  Intent intent_;
  bool adopted_ = false;
  std::vector<std::unique_ptr<PfDriver>> pfs_;
  std::unique_ptr<Applier> applier_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::bitset<host::control::kPfVectors> look_at_pfs_{~0ull};  // by vector
  bool look_at_peers_ = true;
};

}  // namespace ladon::mh
