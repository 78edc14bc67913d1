// How the rack comes up, and how it moves.
#include "machine/attack_rack.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <limits>

#include "base/event_fd.h"
#include "fabric/format.h"
#include "machine/attack_rack_parts.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::machine {
namespace {

using attack::Defence;
using attack::Mutant;
namespace pci = spec::pci;

constexpr std::size_t kNicBudget = 256, kMaxTurns = 100'000;
constexpr int kIdleTurns = 3;
// Accesses that are under way land by themselves when somebody has waited for them so many turns.
constexpr unsigned kPatience = 256, kPausesUntilLanding = 20;

Rack adjusted(Rack rack, const attack::Conditions& conditions) {
  const auto on = [&](bool written, Defence defence) { return written && !conditions.off.has(defence); };
  Defences& d = rack.defences;
  d = {.acs = on(d.acs, Defence::acs),
       .mh_iommu = on(d.mh_iommu, Defence::mh_iommu),
       .ntb_lut = on(d.ntb_lut, Defence::ntb_lut),
       .ch_iommu = on(d.ch_iommu, Defence::ch_iommu),
       .interrupt_remapping = on(d.interrupt_remapping, Defence::interrupt_remapping),
       .ept = on(d.ept, Defence::ept)};
  using Unmaps = attack::Conditions::Unmaps;
  const bool deferred =
      conditions.mutant == Mutant::deferred_invalidation || conditions.unmaps == Unmaps::deferred;
  if (deferred || conditions.unmaps == Unmaps::strict)
    for (auto& host : rack.hosts)
      host.invalidation = deferred ? Invalidation::deferred : Invalidation::strict;
  if (conditions.tight_look_up)
    for (auto& host : rack.hosts) {
      if (host.ntb.lut == 0) continue;  // its part has no table
      host.ntb.lut = static_cast<std::uint16_t>(
          host.software.size() +
          static_cast<std::size_t>(std::ranges::count_if(
              host.guests, [](const GuestSpec& guest) { return guest.vf.has_value(); })));
    }
  return rack;
}

// Nobody takes this journal over: it is gone with the descriptor.
std::expected<std::unique_ptr<mh::Journal>, std::string> journal_in_memory() {
  const FileDescriptor file(::memfd_create("ladon-journal", MFD_CLOEXEC));
  if (!file) return std::unexpected(std::string("no memory for a journal"));
  return mh::Journal::open(fmt::format("/proc/self/fd/{}", file.get()));
}

}  // namespace

AttackRack::AttackRack(const Rack& rack, const attack::Conditions& conditions)
    : rack_(adjusted(rack, conditions)), conditions_(conditions), engine_(quiescence_.add_reader()) {
  std::vector<Wire*> wires;
  for (std::size_t i = 0; i < rack_.nics.size(); ++i)
    wires.push_back(wires_.emplace_back(std::make_unique<QueueWire>()).get());
  for (const auto& host : rack_.hosts) host_names_.push_back(host.name);
  hardware_ =
      std::make_unique<Hardware>(rack_, wires, clock_, quiescence_, HostMemory::Guests::bytes, hooks());
  facts_.fabric = &hardware_->fabric();
  watch_hardware();
}

AttackRack::~AttackRack() = default;

std::expected<std::unique_ptr<attack::Testbed>, std::string> AttackRack::build(
    const Rack& rack, const attack::Conditions& conditions) {
  return make(rack, conditions);
}

std::expected<std::unique_ptr<AttackRack>, std::string> AttackRack::make(
    const Rack& rack, const attack::Conditions& conditions) {
  std::unique_ptr<AttackRack> made(new AttackRack(rack, conditions));
  if (auto done = made->start_parts(); !done) return std::unexpected(done.error());
  if (auto done = made->start_management(); !done) return std::unexpected(done.error());
  if (auto done = made->attach_guests(); !done) return std::unexpected(done.error());
  return made;
}

HardwareHooks AttackRack::hooks() {
  return {.fabric =
              [this](fabric::Options& options) {
                for (auto& host : options.hosts)
                  host.ntb.mutations = {
                      .unchecked = conditions_.mutant == Mutant::unchecked_ntb,
                      .link_side_programs = conditions_.mutant == Mutant::link_side_programs};
                if (conditions_.mutant == Mutant::no_fault_limit)
                  options.fault_log.burst = std::numeric_limits<std::uint32_t>::max();
              },
          .nic =
              [this](nic::NicOptions& options) {
                options.mutations = {.pass_reserved = conditions_.mutant == Mutant::pass_reserved,
                                     .no_snapshot = conditions_.mutant == Mutant::no_snapshot};
              },
          .port = [this](const fabric::FunctionId& who, pcie::DmaPort& port) { return watch(who, port); }};
}

pcie::DmaPort* AttackRack::watch(const fabric::FunctionId& who, pcie::DmaPort& port) {
  if (!conditions_.watched_dma || who.function == 0) return &port;
  watched_.push_back({who, std::make_unique<WatchedPort>(who, port)});
  return watched_.back().port.get();
}

void AttackRack::watch_hardware() {
  for (const auto& watched : watched_)
    watched.port->connect(hardware_->live(), hardware_->nic(watched.who.index));
  hardware_->live().set_interrupt_sink([this](const fabric::InterruptTarget& target) {
    const auto source = hardware_->fabric().tables()->host_address(target.source);
    interrupts_.push_back({target.domain, target.vector, source});
    hardware_->host(target.domain).interrupt(target.vector);
  });
  hardware_->live().set_refusal_sink([this](const pcie::Transaction& access, const fabric::Resolution& way) {
    attack::Refusal one{.by = fabric::describe_fault(*hardware_->fabric().tables(), *way.fault()),
                        .who = tenant(access, *way.fault())};
    // A storm is one entry.
    if (refusals_.empty() || refusals_.back().by != one.by || refusals_.back().who != one.who)
      refusals_.push_back(std::move(one));
  });
}

host::HostBridge& AttackRack::add_bridge(pcie::Domain host) {
  host::HostBridge& inner = hardware_->host(host).add_program();
  return *mutants_.emplace_back(std::make_unique<MutantBridge>(inner, host, conditions_.mutant, facts_));
}

std::expected<void, std::string> AttackRack::start_parts() {
  std::vector<std::uint8_t> slots(rack_.hosts.size());
  for (const PlacedGuest& guest : placed_guests(rack_)) ++slots[static_cast<std::size_t>(guest.domain)];
  parts_.resize(slots.size());
  for (std::size_t d = 0; d < slots.size(); ++d) {
    const pcie::Domain domain{static_cast<std::uint16_t>(d)};
    bridges_.push_back(&add_bridge(domain));
    if (slots[d] == 0) continue;
    // One slot more than there are guests: for what is lent or moved there.
    const auto count = static_cast<std::uint8_t>(slots[d] + 1);
    parts_[d] = std::make_unique<ch::HostPart>(add_bridge(domain),
                                               ch::PartOptions{.slots = count,
                                                               .bare = rack_.hosts[d].kind == HostKind::bare,
                                                               .management = d == 0,
                                                               .on_assignment = {},
                                                               .on_fault = {},
                                                               .on_vf_fault = {}});
    if (auto started = parts_[d]->start(); !started)
      return std::unexpected(fmt::format("{}: {}", rack_.hosts[d].name, started.error()));
  }
  return {};
}

mh::Intent AttackRack::intent() const {
  mh::Intent intent = intent_of(rack_);
  for (mh::Grant& grant : intent.grants) {
    if (conditions_.mutant == Mutant::trust_everyone) grant.trust = true;
    if (conditions_.mutant == Mutant::no_spoof_check) grant.spoof_check = false;
    if (conditions_.mutant == Mutant::wait_for_receivers) grant.backpressure = true;
  }
  return intent;
}

std::expected<void, std::string> AttackRack::start_management() {
  auto journal = journal_in_memory();
  if (!journal) return std::unexpected(journal.error());
  journal_ = std::move(*journal);
  management_host_ = std::make_unique<host::BlockingHost>(add_bridge(pcie::kManagementDomain),
                                                          [this] { return turn_once(), true; });
  wanted_ = intent();
  const auto pause = [this, pauses = 0u](std::chrono::milliseconds) mutable {
    (void)turn_once();
    if (++pauses % kPausesUntilLanding == 0) (void)land();
  };
  auto service =
      mh::Service::start(*management_host_, *journal_, wanted_,
                         {.on_event = {},
                          .pause = pause,
                          .mailbox_limit = conditions_.mutant == Mutant::no_mailbox_limit
                                               ? std::numeric_limits<std::uint32_t>::max()
                                               : mh::PfDriver::kMailboxLimit,
                          .mutations = {.believe_any_host = conditions_.mutant == Mutant::believe_any_host,
                                        .any_address = conditions_.mutant == Mutant::trust_everyone}});
  if (!service) return std::unexpected(service.error());
  service_ = std::move(*service);
  service_->tick();
  settle();
  find_places();
  if (conditions_.mutant == Mutant::no_source_validation) weaken_ports(pci::kAcsSourceValidation);
  if (conditions_.mutant == Mutant::no_translation_blocking) weaken_ports(pci::kAcsTranslationBlocking);
  return {};
}

// What software of the management host would do by mistake: one access control service of every port off.
void AttackRack::weaken_ports(std::uint16_t acs_bit) {
  for (const auto& function : service_->inventory().functions) {
    const auto cap = host::find_extended(*management_host_, function.bdf, pci::kExtAcs);
    if (!cap || !*cap) continue;
    const auto control = static_cast<std::uint16_t>(**cap + pci::kAcsControl);
    const auto now = management_host_->config_read(function.bdf, control, 2).value_or(0);
    (void)management_host_->config_write(function.bdf, control, 2, now & ~std::uint32_t{acs_bit});
  }
}

std::size_t AttackRack::under_way() const {
  std::size_t all = 0;
  for (const auto& watched : watched_) all += watched.port->under_way();
  return all;
}

bool AttackRack::turn_once() {
  ++turns_;
  bool more = false;
  for (std::size_t i = 0; i < hardware_->nics(); ++i) more |= hardware_->nic(i).poll(kNicBudget);
  more |= hardware_->live().run_peer_writes();
  hardware_->fabric().refresh();
  hardware_->flush_due();
  more |= hardware_->live().run_emissions();
  // An access that is under way holds a translation: until it has landed there is no quiescent point.
  const bool busy = under_way() > 0;
  if (busy && ++waited_ > kPatience) (void)land();
  if (!busy || conditions_.mutant == Mutant::no_drain || conditions_.mutant == Mutant::no_quiesce)
    engine_.quiescent();
  if (!busy) waited_ = 0;
  more |= quiescence_.poll() > 0 || busy;
  collect_faults();
  if (manager_server_) {
    manager_server_->on_ready();
    if (old_manager_->connected()) old_manager_->on_readable();
  }
  clock_.advance(std::chrono::microseconds(1));
  if (task_ && !in_task_) {
    in_task_ = true;
    task_();
    in_task_ = false;
  }
  return more;
}

void AttackRack::collect_faults() {
  for (std::size_t d = 0; d < rack_.hosts.size(); ++d) {
    const pcie::Domain domain{static_cast<std::uint16_t>(d)};
    if (hardware_->fabric().fault_log(domain).kept() == 0) continue;
    for (const host::Fault& fault : hardware_->host(domain).publish_faults())
      ++logged_[tenant(domain, fault.rid)];
  }
}

void AttackRack::step() {
  if (service_) service_->run_once();
  (void)turn_once();
}

void AttackRack::settle() {
  int idle = 0;
  for (std::size_t turns = 0; idle < kIdleTurns && turns < kMaxTurns; ++turns) {
    service_->run_once();
    idle = turn_once() ? 0 : idle + 1;
  }
}

void AttackRack::tick() {
  service_->tick();
  settle();
}

}  // namespace ladon::machine
