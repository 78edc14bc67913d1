// Start of the management host: find out, take over or begin, plan, apply, open the control channels.
#include "mh/service.h"

#include <algorithm>
#include <thread>

#include "mh/peer.h"
#include "spec/ntb.h"

namespace ladon::mh {

namespace control = host::control;
namespace ntb = spec::ntb;

namespace {

const host::PciFunction* function_at(const Inventory& inventory, pcie::Sbdf bdf) {
  const auto found = std::ranges::find(inventory.functions, bdf, &host::PciFunction::bdf);
  return found == inventory.functions.end() ? nullptr : &*found;
}

// MSI-X vector 0 of a function to a vector of this host. A function without MSI-X is polled.
std::expected<void, std::string> route(host::BlockingHost& host, const Inventory& inventory, pcie::Sbdf bdf,
                                       std::uint32_t vector) {
  const auto* function = function_at(inventory, bdf);
  if (function == nullptr) return std::unexpected(pcie::to_string(bdf) + ": not in the inventory");
  const auto routed = host::route_msix(host, bdf, function->bars, 0, vector);
  if (!routed)
    return std::unexpected(pcie::to_string(bdf) + ": no interrupt: " + std::string(name(routed.error())));
  return {};
}

}  // namespace

std::string_view name(ServiceEvent::Kind kind) {
  using Kind = ServiceEvent::Kind;
  switch (kind) {
    case Kind::fabric_ready:
      return "fabric ready";
    case Kind::drift:
      return "drift";
    case Kind::host_ready:
      return "host ready";
    case Kind::attached:
      return "attached";
    case Kind::detaching:
      return "detaching";
    case Kind::free_again:
      return "free again";
    case Kind::fault:
      return "fault";
    case Kind::refused:
      return "refused";
    case Kind::quarantined:
      return "quarantined";
    case Kind::recovered:
      return "recovered";
    case Kind::link:
      return "link";
    case Kind::failed:
      return "failed";
  }
  return "?";
}

std::optional<host::Epoch> next_epoch(Journal& journal) {
  const auto next = static_cast<host::Epoch>(static_cast<std::uint64_t>(journal.remembered().epoch) + 1);
  if (!journal.take_over(next)) return std::nullopt;
  return next;
}

Service::Service(host::BlockingHost& host, Journal& journal, ServiceOptions options)
    : host_(host), journal_(journal), options_(std::move(options)) {
  if (!options_.pause) options_.pause = [](std::chrono::milliseconds t) { std::this_thread::sleep_for(t); };
}

Service::~Service() = default;

std::expected<std::unique_ptr<Service>, std::string> Service::start(host::BlockingHost& host,
                                                                    Journal& journal, const Intent& intent,
                                                                    ServiceOptions options) {
  std::unique_ptr<Service> service(new Service(host, journal, std::move(options)));
  if (auto done = service->find_out(); !done) return std::unexpected(done.error());
  if (auto done = service->start_drivers(); !done) return std::unexpected(done.error());
  if (auto done = service->adopt_vfs(); !done) return std::unexpected(done.error());
  if (auto done = service->apply(intent); !done) return std::unexpected(done.error());
  if (auto done = service->open_channels(); !done) return std::unexpected(done.error());
  if (auto done = service->settle(); !done) return std::unexpected(done.error());
  return service;
}

std::expected<void, std::string> Service::find_out() {
  if (const auto& known = journal_.remembered().inventory) {
    const auto same = still_as(host_, *known);
    if (!same) return std::unexpected(same.error().message);
    adopted_ = *same;
    if (adopted_) inventory_ = *known;
  }
  if (adopted_) return {};
  // New hardware, or a predecessor that died before its enumeration was complete: nothing has traffic yet.
  if (!journal_.start_over()) return std::unexpected(std::string("the journal cannot be written"));
  auto found = take_inventory(host_);
  if (!found) return std::unexpected(found.error().message);
  inventory_ = std::move(*found);
  if (!journal_.note(inventory_)) return std::unexpected(std::string("the journal cannot be written"));
  return {};
}

std::expected<void, std::string> Service::start_drivers() {
  for (const Nic& nic : inventory_.nics) {
    const std::size_t index = pfs_.size();
    pfs_.push_back(std::make_unique<PfDriver>(host_, nic, options_.pause, options_.mailbox_limit,
                                              options_.mutations.any_address));
    if (auto done = pfs_.back()->start(adopted_); !done) return std::unexpected(done.error().message);
    if (auto done = route(host_, inventory_, nic.pf, control::pf_vector(index)); !done) return done;
  }
  applier_ = std::make_unique<Applier>(host_, inventory_, journal_, pfs_);
  return {};
}

std::expected<void, std::string> Service::adopt_vfs() {
  if (!adopted_) return {};
  for (const auto& [vf, level] : applier_->now().levels) pfs_[vf.nic]->adopt_level(vf.vf, level);
  for (const auto& [vf, setup] : applier_->now().vfs) {
    PfDriver& pf = *pfs_[vf.nic];
    const bool shut = journal_.remembered().quarantined.contains(vf);
    auto done = pf.adopt(vf.vf, setup.grant);
    if (done && shut) done = pf.quarantine(vf.vf);
    if (!done) return std::unexpected(done.error().message);
  }
  const auto drift = applier_->recover();
  if (!drift) return std::unexpected(drift.error().message);
  for (const std::string& line : *drift) report({.kind = ServiceEvent::Kind::drift, .vf = {}, .text = line});
  return {};
}

std::expected<void, std::string> Service::change(const Intent& intent) {
  if (auto done = apply(intent); !done) return done;
  return settle();
}

std::expected<void, std::string> Service::check(const Intent& intent) const {
  if (const auto wanted = mh::plan(inventory_, intent); !wanted)
    return std::unexpected(wanted.error().message);
  return {};
}

std::expected<void, std::string> Service::recover(VfId vf) {
  if (!applier_->now().vfs.contains(vf) || !pfs_[vf.nic]->quarantined(vf.vf))
    return std::unexpected(std::string("the VF is not quarantined"));
  // In this order: if this program dies in between, the VF stays where it is until it is recovered once more.
  if (auto done = pfs_[vf.nic]->recover(vf.vf); !done) return std::unexpected(done.error().message);
  if (!journal_.recover(vf)) return std::unexpected(std::string("the journal cannot be written"));
  report_vf(ServiceEvent::Kind::recovered, vf, "reset, scrubbed and in use again");
  look_at_pfs_.set();
  return {};
}

std::expected<void, std::string> Service::settle() {
  if (!journal_.remembered().settled && !journal_.settle())
    return std::unexpected(std::string("the journal cannot be written"));
  return {};
}

std::expected<void, std::string> Service::apply(const Intent& intent) {
  const auto wanted = mh::plan(inventory_, intent);
  if (!wanted) return std::unexpected(wanted.error().message);
  const auto actions = diff(applier_->now(), *wanted);
  if (!actions.empty() && journal_.remembered().settled && !journal_.begin_change())
    return std::unexpected(std::string("the journal cannot be written"));
  // Parts that lose a VF hear of it; what they do about it is not waited for, because the tables close it.
  for (const Action& action : actions)
    if (const auto* quiesce = std::get_if<QuiesceVf>(&action)) {
      const VfSetup& setup = applier_->now().vfs.at(quiesce->vf);
      if (Peer* peer = peer_of(setup.grant.host)) {
        peer->revoking.insert(setup.grant.slot);
        peer->channel->send(control::Revoke{setup.grant.slot});
      }
    }
  intent_ = intent;
  if (auto done = applier_->apply(actions); !done) return std::unexpected(done.error().message);
  for (const auto& peer : peers_)
    if (peer->ready) assign_all(*peer);
  look_at_pfs_.set();
  report(
      {.kind = ServiceEvent::Kind::fabric_ready,
       .vf = {},
       .text = std::to_string(actions.size()) + " actions, " + std::to_string(wanted->vfs.size()) + " VFs"});
  return {};
}

std::expected<void, std::string> Service::open_channels() {
  for (const Ntb& ntb : inventory_.ntbs)
    if (auto done = add_ntb_channel(ntb); !done) return done;
  if (intent_.local_slots != 0)
    add_peer(pcie::kManagementDomain, control::page_port(host_.bridge(), control::local_page(inventory_.host),
                                                         control::kPartControlVector));
  return {};
}

std::expected<void, std::string> Service::add_ntb_channel(const Ntb& found) {
  if (auto done = route(host_, inventory_, found.bdf, control::kManagementControlVector); !done) return done;
  const BusAddr mask(found.control.bits() + ntb::kDoorbellMask);
  if (const auto unmasked = host_.store32(mask, 0); !unmasked)
    return std::unexpected(pcie::to_string(found.bdf) + ": " + std::string(name(unmasked.error())));
  add_peer(found.peer, control::ntb_port(host_.bridge(), found.control));
  return {};
}

void Service::add_peer(pcie::Domain domain, std::unique_ptr<control::Port> port) {
  auto peer = std::make_unique<Peer>();
  peer->domain = domain;
  peer->channel = std::make_unique<control::Channel>(std::move(port), control::Side::management);
  if (adopted_)
    for (const auto& [vf, setup] : applier_->now().vfs)
      if (setup.grant.host == domain) peer->used.insert(setup.grant.slot);
  // Messages wait in the inbox: handling one takes blocking calls, which must not run inside another's reply.
  Peer& p = *peer;
  peers_.push_back(std::move(peer));
  p.channel->start([&p] { p.inbox.clear(); },
                   [&p](const control::Message& message) { p.inbox.push_back(message); });
}

Service::Peer* Service::peer_of(pcie::Domain domain) {
  const auto found = std::ranges::find(peers_, domain, [](const auto& peer) { return peer->domain; });
  return found == peers_.end() ? nullptr : found->get();
}

}  // namespace ladon::mh
