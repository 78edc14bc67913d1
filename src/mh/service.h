// The management host's program without its main: take over, find out, plan, apply, then serve interrupts and
// the hosts' parts until told to stop.
//
//   auto bridge = host::SocketBridge::connect(path, epoch);   // epoch from the journal, plus one
//   host::BlockingHost host(**bridge, [&] { return (*bridge)->wait(); });
//   auto service = mh::Service::start(host, *journal, intent, {});
//   for (;;) { (*bridge)->wait(1000); if (!(*service)->run_once()) break; }
#pragma once

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
    quarantined,
    link,
    failed,  // an operation on hardware failed
  } kind{};
  pcie::Domain host{};
  std::uint8_t slot = 0;
  VfId vf;
  std::string text;
};
[[nodiscard]] std::string_view name(ServiceEvent::Kind kind);

struct ServiceOptions {
  std::function<void(const ServiceEvent&)> on_event;
  Pause pause;  // empty: sleeps
  PlanLimits limits;
};

class Service {
 public:
  // Enumerates (or finds the fabric as the journal says, and then disturbs nothing), plans and applies.
  // The error is a sentence for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<Service>, std::string> start(host::BlockingHost& host,
                                                                                  Journal& journal,
                                                                                  const Intent& intent,
                                                                                  ServiceOptions options);
  ~Service();

  // Takes all events that have arrived and polls every control channel and PF. False once the host is gone.
  bool run_once();
  // About once a second.
  void tick();
  // Another intent: what no longer holds is revoked, what is new is opened; the rest is not touched.
  [[nodiscard]] std::expected<void, std::string> change(const Intent& intent);

  [[nodiscard]] const Inventory& inventory() const { return inventory_; }
  [[nodiscard]] const Plan& plan() const { return applier_->now(); }

 private:
  struct Peer;
  Service(host::BlockingHost& host, Journal& journal, ServiceOptions options);
  [[nodiscard]] std::expected<void, std::string> find_out();
  [[nodiscard]] std::expected<void, std::string> start_drivers();
  [[nodiscard]] std::expected<void, std::string> open_channels();
  void take(Peer& peer, const host::control::Message& message);
  void assign_all(Peer& peer);
  void clean(Peer& peer, std::uint8_t slot, bool revoked);
  void pf_events(std::uint16_t nic, const std::vector<PfEvent>& events);
  void put_in_quarantine(VfId vf, const VfSetup& setup);
  void report(ServiceEvent event);
  [[nodiscard]] const VfSetup* owner_of(pcie::Domain host, std::uint8_t slot, VfId& vf) const;

  host::BlockingHost& host_;
  Journal& journal_;
  ServiceOptions options_;
  Inventory inventory_;
  Intent intent_;
  bool adopted_ = false;
  std::vector<std::unique_ptr<PfDriver>> pfs_;
  std::unique_ptr<Applier> applier_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace ladon::mh
