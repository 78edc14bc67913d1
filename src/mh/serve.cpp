// What the management host does once it runs: interrupts, words of the hosts' parts, violations of VFs.
#include <fmt/format.h>

#include <algorithm>

#include "base/table.h"
#include "mh/peer.h"
#include "mh/service.h"
#include "spec/vf_fault.h"

namespace ladon::mh {

namespace control = host::control;
using Kind = ServiceEvent::Kind;
using spec::pf::VfFault;

namespace {

std::string access_text(pcie::Access access, std::uint64_t address) {
  return fmt::format(" ({} at {:#x})", access == pcie::Access::write ? "write" : "read", address);
}

}  // namespace

void Service::report(const ServiceEvent& event) {
  if (options_.on_event) options_.on_event(event);
}

void Service::report_failure(const Done& done) {
  if (!done) report({.kind = Kind::failed, .vf = {}, .text = done.error().message});
}

// What arrives while something is done is done too: it waits in this program, and nothing would wake it
// again.
void Service::run_once() {
  constexpr int kRounds = 64;  // whoever never stops must not keep the ticks from their turn
  for (int round = 0; round < kRounds; ++round) {
    if (!take_events() && round > 0) return;
    look();
  }
}

bool Service::take_events() {
  while (const auto event = host_.next_event()) {
    if (const auto* interrupt = std::get_if<host::Interrupt>(&*event)) {
      // Others of this host's vectors belong to its own VMs' part.
      if (interrupt->vector == control::kManagementControlVector)
        look_at_peers_ = true;
      else if (const auto n = interrupt->vector - control::kManagementPfVector; n < control::kPfVectors)
        look_at_pfs_.set(n);
    } else if (const auto* fault = std::get_if<host::Fault>(&*event)) {
      take_fault(*fault);
    }
  }
  return look_at_pfs_.any() || look_at_peers_;
}

void Service::look() {
  if (const auto look_at = std::exchange(look_at_pfs_, {}); look_at.any())
    for (std::uint16_t nic = 0; nic < pfs_.size(); ++nic) {
      if (!look_at[nic % control::kPfVectors]) continue;
      const auto events = pfs_[nic]->service();
      if (!events) report({.kind = Kind::failed, .vf = {}, .text = events.error().message});
      for (const PfEvent& event : events.value_or(std::vector<PfEvent>{})) pf_event(nic, event);
    }
  if (std::exchange(look_at_peers_, false))
    for (const auto& peer : peers_) peer->channel->poll();
  for (const auto& peer : peers_)
    while (!peer->inbox.empty()) {
      const control::Message message = peer->inbox.front();
      peer->inbox.pop_front();
      take(*peer, message);
    }
}

void Service::tick() {
  for (const auto& pf : pfs_) pf->tick();
  look_at_pfs_.set();
  look_at_peers_ = true;
  run_once();
}

std::optional<VfId> Service::vf_of(pcie::Domain host, std::uint8_t slot) const {
  for (const auto& [vf, setup] : applier_->now().vfs)
    if ((setup.grant.host == host || options_.mutations.believe_any_host) && setup.grant.slot == slot)
      return vf;
  return std::nullopt;
}

void Service::take(Peer& peer, const control::Message& message) {
  if (const auto* ready = std::get_if<control::Ready>(&message)) return take_ready(peer, ready->fresh);
  if (const auto* detach = std::get_if<control::Detach>(&message)) return take_detach(peer, detach->slot);
  if (const auto* revoked = std::get_if<control::Revoked>(&message)) return take_revoked(peer, revoked->slot);
  if (const auto* attached = std::get_if<control::Attached>(&message)) {
    const auto vf = vf_of(peer.domain, attached->slot);
    if (!vf) return;
    peer.used.insert(attached->slot);
    report({.kind = Kind::attached, .host = peer.domain, .slot = attached->slot, .vf = *vf, .text = {}});
  } else if (const auto* fault = std::get_if<control::FaultReport>(&message)) {
    take_fault(peer, *fault);
  }
}

void Service::take_ready(Peer& peer, bool fresh) {
  peer.ready = true;
  report({.kind = Kind::host_ready, .host = peer.domain, .vf = {}, .text = fresh ? "fresh" : "again"});
  if (fresh) {
    // It has lost its guests without detaching them.
    for (const std::uint8_t slot : std::exchange(peer.used, {}))
      if (const auto vf = vf_of(peer.domain, slot)) clean(*vf);
    peer.revoking.clear();
  }
  assign_all(peer);
}

void Service::assign_all(Peer& peer) {
  for (const auto& [vf, setup] : applier_->now().vfs)
    if (setup.grant.host == peer.domain) peer.channel->send(assignment_of(setup));
}

void Service::take_detach(Peer& peer, std::uint8_t slot) {
  if (const auto vf = vf_of(peer.domain, slot)) {
    report({.kind = Kind::detaching, .host = peer.domain, .slot = slot, .vf = *vf, .text = {}});
    report_failure(pfs_[vf->nic]->quiesce(vf->vf));
  }
  // A part whose VF is gone already gets its answer too: it waits for it.
  peer.channel->send(control::Quiesced{slot});
}

void Service::take_revoked(Peer& peer, std::uint8_t slot) {
  // The answer to Revoke: that VF has been scrubbed, and the slot may have another by now.
  if (peer.revoking.erase(slot) != 0) return;
  if (const auto vf = vf_of(peer.domain, slot)) {
    clean(*vf);
    peer.used.erase(slot);
    report({.kind = Kind::free_again, .host = peer.domain, .slot = slot, .vf = *vf, .text = {}});
  }
  peer.channel->send(control::Scrubbed{slot});
}

void Service::clean(VfId vf) {
  PfDriver& pf = *pfs_[vf.nic];
  // Quiesced again: a part may lie about the order.
  Done done = pf.quiesce(vf.vf);
  if (done) done = pf.reset_and_scrub(vf.vf);
  if (done) done = pf.resume(vf.vf);
  report_failure(done);
}

std::string Service::host_name(pcie::Domain domain) const {
  const auto host = std::ranges::find(intent_.hosts, domain, &ComputeHost::domain);
  if (host != intent_.hosts.end() && !host->name.empty()) return host->name;
  return domain == pcie::kManagementDomain ? "mh" : "host " + std::to_string(static_cast<unsigned>(domain));
}

void Service::report_vf(Kind kind, VfId vf, std::string text) {
  ServiceEvent event{.kind = kind, .vf = vf, .text = std::move(text)};
  if (const auto owner = applier_->now().vfs.find(vf); owner != applier_->now().vfs.end()) {
    const Grant& grant = owner->second.grant;
    event.host = grant.host, event.slot = grant.slot;
    event.guest = fmt::format("{} (VF {} of NIC {}, {})",
                              grant.guest.empty() ? fmt::format("slot {}", grant.slot) : grant.guest, vf.vf,
                              vf.nic, host_name(grant.host));
  }
  report(event);
}

void Service::take_fault(const host::Fault& fault) {
  std::optional<VfId> vf;
  for (std::uint16_t nic = 0; nic < inventory_.nics.size(); ++nic)
    for (std::uint16_t i = 0; i < inventory_.nics[nic].vfs && !vf; ++i)
      if (inventory_.nics[nic].vf_bdf(i) == fault.rid) vf = VfId{nic, i};
  const std::string text = fault.reason + access_text(fault.access, fault.address);
  if (vf) return report_vf(Kind::fault, *vf, text);
  report({.kind = Kind::fault, .vf = {}, .text = pcie::to_string(fault.rid) + ": " + text});
}

// Its words are untrusted: they are shown, and nothing follows from them.
void Service::take_fault(const Peer& peer, const control::FaultReport& fault) {
  const auto vf = vf_of(peer.domain, fault.slot);
  if (!vf) return;
  report_vf(
      Kind::fault, *vf,
      host_name(peer.domain) + "/iommu/" + printable(fault.text) + access_text(fault.access, fault.address));
}

void Service::pf_event(std::uint16_t nic, const PfEvent& event) {
  if (event.kind == PfEvent::Kind::link)
    return report({.kind = Kind::link, .vf = {nic, 0}, .text = event.reason != 0 ? "up" : "down"});
  const VfId vf{nic, event.vf};
  const auto owner = applier_->now().vfs.find(vf);
  if (owner == applier_->now().vfs.end()) return;
  const VfSetup& setup = owner->second;
  if (event.kind == PfEvent::Kind::reopened) return tell_part(setup, 0);
  if (event.kind == PfEvent::Kind::refusal)
    return report_vf(Kind::refused, vf,
                     "mailbox: " + std::string(name(static_cast<MailboxRefusal>(event.reason))));
  report_vf(Kind::fault, vf,
            event.kind == PfEvent::Kind::flood
                ? "mailbox: flood"
                : "NIC: " + std::string(name(static_cast<VfFault>(event.reason))));
  act_on(vf, setup, event.reason);
}

void Service::act_on(VfId vf, const VfSetup& setup, std::uint32_t reason) {
  if (setup.grant.on_fault == OnFault::reset) {
    clean(vf);
    pfs_[vf.nic]->tell_if_silent(vf.vf);
  }
  if (setup.grant.on_fault == OnFault::quarantine && !pfs_[vf.nic]->quarantined(vf.vf)) {
    report_failure(pfs_[vf.nic]->quarantine(vf.vf));
    if (!journal_.quarantine(vf))
      report_failure(std::unexpected(DriverError{"the journal cannot be written"}));
    report_vf(Kind::quarantined, vf, "until it is recovered or granted anew");
  }
  tell_part(setup, reason);
}

void Service::tell_part(const VfSetup& setup, std::uint32_t reason) {
  if (Peer* peer = peer_of(setup.grant.host); peer != nullptr && peer->ready)
    peer->channel->send(
        control::FaultReport{.slot = setup.grant.slot, .reason = static_cast<std::uint16_t>(reason)});
}

}  // namespace ladon::mh
