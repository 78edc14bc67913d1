#include "machine/machine.h"

#include <fmt/format.h>

#include <algorithm>

namespace ladon::machine {
namespace {

constexpr std::size_t kNicBudget = 256;  // frames a NIC may move before guests' messages have their turn

}  // namespace

Machine::Machine(const Rack& rack, const MachineOptions& options, const Clock& clock, const Log& log)
    : rack_(rack),
      options_(options),
      clock_(clock),
      log_(log),
      loop_(clock),
      engine_(quiescence_.add_reader()) {}

Machine::~Machine() {
  if (!capture_) return;
  if (!capture_->flush()) log_.warning("{}: not all could be written", rack_.capture.file);
  if (capture_->left_out() != 0)
    log_.warning("{}: {} packets were left out beyond its limit", rack_.capture.file, capture_->left_out());
}

std::expected<std::unique_ptr<Machine>, std::string> Machine::build(const Rack& rack,
                                                                    std::vector<NicWire> wires,
                                                                    const MachineOptions& options,
                                                                    const Clock& clock, const Log& log) {
  std::unique_ptr<Machine> machine(new Machine(rack, options, clock, log));
  if (auto done = machine->add_hardware(std::move(wires)); !done) return std::unexpected(done.error());
  if (auto done = machine->add_management_socket(); !done) return std::unexpected(done.error());
  if (auto done = machine->add_parts(); !done) return std::unexpected(done.error());
  if (auto done = machine->add_guests(); !done) return std::unexpected(done.error());
  if (auto done = machine->add_software(); !done) return std::unexpected(done.error());
  return machine;
}

std::expected<void, std::string> Machine::add_hardware(std::vector<NicWire> wires) {
  auto whole = RackCapture::open(rack_, clock_);
  if (!whole) return std::unexpected(whole.error());
  capture_ = std::move(*whole);
  nics_.resize(rack_.nics.size());
  std::vector<Wire*> ready;
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    RackNic& made = nics_[i];
    made.wire = std::move(wires[i]);
    made.ready = std::make_unique<ReadyWire>(*made.wire.wire);
    ready.push_back(made.ready.get());
    if (const int fd = made.wire.wire->fd(); fd >= 0)
      loop_.add(fd, Events::readable, [this, &made, fd](Events events) {
        made.ready->readable();
        if (!has(events, Events::error) && !has(events, Events::hangup)) return;
        log_.warning("a wire is gone");
        loop_.remove(fd);
      });
    auto capture = VfCapture::open(rack_, i, clock_);
    if (!capture) return std::unexpected(fmt::format("{}: {}", rack_.nics[i].name, capture.error()));
    made.capture = std::move(*capture);
  }
  hardware_ = std::make_unique<Hardware>(rack_, ready, clock_, quiescence_, HostMemory::Guests::bytes,
                                         HardwareHooks{.flush_after = options_.flush_after});
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    if (nics_[i].capture) nics_[i].taps.add(*nics_[i].capture);
    if (capture_) nics_[i].taps.add(capture_->frames(i));
    if (auto* tap = capture(i)) nic(i).set_tap(tap);
  }
  if (capture_ && capture_->wants_accesses())
    live().set_watcher([this](const auto& tables, const auto& transaction, const auto& way) {
      capture_->access(tables, transaction, way);
    });
  return {};
}

std::expected<void, std::string> Machine::add_management_socket() {
  auto server = host::BridgeServer::listen(host(pcie::kManagementDomain).add_program(), management_socket());
  if (!server) return std::unexpected(server.error());
  management_ = std::move(*server);
  loop_.add(management_->fd(), Events::readable, [this](Events) { management_->on_ready(); });
  return {};
}

std::expected<void, std::string> Machine::add_parts() {
  parts_.resize(hardware_->hosts());
  const auto placed = placed_guests(rack_);
  for (std::size_t domain = 0; domain < parts_.size(); ++domain) {
    const auto slots = std::ranges::count_if(
        placed, [&](const PlacedGuest& p) { return static_cast<std::size_t>(p.domain) == domain; });
    if (slots == 0) continue;
    const HostSpec& spec = rack_.hosts[domain];
    ch::PartOptions options{.slots = static_cast<std::uint8_t>(slots),
                            .bare = spec.kind == HostKind::bare,
                            .management = domain == 0};
    options.on_assignment = [this, domain](std::uint8_t slot, bool assigned) {
      if (!software_.empty() && software_[domain]) software_[domain]->assigned(slot, assigned);
    };
    options.on_fault = [this, name = spec.name](const host::Fault& fault) {
      log_.debug("{}: {} of {} at {:#x} refused: {}", name,
                 fault.access == pcie::Access::read ? "read" : "write", pcie::to_string(fault.rid),
                 fault.address, fault.reason);
    };
    parts_[domain] = std::make_unique<ch::HostPart>(
        host(pcie::Domain{static_cast<std::uint16_t>(domain)}).add_program(), std::move(options));
    if (auto started = parts_[domain]->start(); !started)
      return std::unexpected(fmt::format("{}: {}", spec.name, started.error()));
  }
  return {};
}

std::expected<void, std::string> Machine::add_guests() {
  for (const PlacedGuest& placed : placed_guests(rack_)) {
    if (placed.software) continue;
    const auto& spec = *placed.guest->vf;
    GuestPlace place{.placed = placed,
                     .socket = fmt::format("{}/{}.vfio", options_.directory, placed.guest->name)};
    const auto options = nic_options(rack_, spec.nic);
    place.slot =
        std::make_unique<GuestSlot>(parts_[static_cast<std::size_t>(placed.domain)]->slot(placed.slot),
                                    options.vf_device, options.serial);
    auto server = vfio::Server::listen(place.socket, loop_, *place.slot);
    if (!server) return std::unexpected(server.error());
    place.server = std::move(*server);
    guests_.push_back(std::move(place));
  }
  return {};
}

std::expected<void, std::string> Machine::add_software() {
  software_.resize(rack_.hosts.size());
  for (std::size_t d = 0; d < software_.size(); ++d) {
    const HostSpec& host = rack_.hosts[d];
    if (host.software.empty()) continue;
    auto made = HostSoftware::make(rack_, d, *parts_[d],
                                   {.directory = options_.directory, .wake_engine = [this] { loop_.wake(); }},
                                   clock_, log_);
    if (!made) return std::unexpected(made.error());
    software_[d] = std::move(*made);
    for (const GuestSpec& guest : host.guests)
      if (guest.shared)
        shared_guests_.push_back({&host, &guest, pcie::Domain{static_cast<std::uint16_t>(d)},
                                  vhost_socket(options_.directory, guest)});
  }
  for (const auto& software : software_) {
    if (!software) continue;
    running_software_.push_back(software.get());
    software->run();
  }
  return {};
}

std::string Machine::management_socket() const {
  return options_.directory + "/management.bridge";
}

bool Machine::managed() const {
  return management_->connections() > 0;
}

bool Machine::all_assigned() const {
  return std::ranges::all_of(parts_, [](const auto& part) {
    if (!part) return true;
    for (std::uint8_t slot = 0; slot < part->slots(); ++slot)
      if (!part->slot(slot)->assignment()) return false;
    return true;
  });
}

void Machine::collect_faults() {
  for (std::size_t d = 0; d < hardware_->hosts(); ++d) {
    const pcie::Domain domain{static_cast<std::uint16_t>(d)};
    for (auto& fault : host(domain).publish_faults()) {
      if (faults_.size() == kFaultsKept) faults_.pop_front();
      faults_.push_back({domain, std::move(fault)});
    }
  }
}

void Machine::post(std::move_only_function<void()> task) {
  {
    const std::scoped_lock lock(tasks_mutex_);
    tasks_.push_back(std::move(task));
  }
  loop_.wake();
}

void Machine::run_tasks() {
  std::vector<std::move_only_function<void()>> tasks;
  {
    const std::scoped_lock lock(tasks_mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

bool Machine::work() {
  bool more = false;
  for (std::size_t i = 0; i < nics(); ++i) more |= nic(i).poll(kNicBudget);
  for (HostSoftware* const software : running_software_) more |= software->serve();
  more |= live().run_peer_writes();
  fabric().refresh();
  hardware_->flush_due();
  collect_faults();
  run_tasks();
  if (const Instant now = clock_.now(); now >= next_poll_) {
    next_poll_ = now + options_.poll_every;
    for (auto& part : parts_)
      if (part) part->poll();
  }
  more |= live().run_emissions();
  // Nothing above holds a pointer into anybody's memory any more.
  engine_.quiescent();
  more |= quiescence_.poll() > 0;
  return more;
}

Duration Machine::until_deadline(Duration longest) const {
  const Instant now = clock_.now();
  Duration wait = std::min(longest, std::max(Duration{0}, next_poll_ - now));
  for (std::size_t i = 0; i < nics(); ++i)
    if (const auto deadline = hardware_->nic(i).next_deadline())
      wait = std::min(wait, std::max(Duration{0}, *deadline - now));
  if (const auto flush = hardware_->next_flush()) wait = std::min(wait, std::max(Duration{0}, *flush - now));
  return wait;
}

void Machine::run_once(Duration longest) {
  const bool more = work();
  loop_.run_once(more ? Duration{0} : until_deadline(longest));
}

void Machine::run() {
  while (!stopped_.load(std::memory_order_relaxed)) run_once();
}

void Machine::stop() {
  stopped_.store(true, std::memory_order_relaxed);
  loop_.wake();
}

}  // namespace ladon::machine
