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

Machine::~Machine() = default;

std::expected<std::unique_ptr<Machine>, std::string> Machine::build(const Rack& rack,
                                                                    std::vector<NicWire> wires,
                                                                    const MachineOptions& options,
                                                                    const Clock& clock, const Log& log) {
  std::unique_ptr<Machine> machine(new Machine(rack, options, clock, log));
  if (auto done = machine->add_nics(std::move(wires)); !done) return std::unexpected(done.error());
  machine->add_hosts();
  if (auto done = machine->add_management_socket(); !done) return std::unexpected(done.error());
  if (auto done = machine->add_parts(); !done) return std::unexpected(done.error());
  if (auto done = machine->add_guests(); !done) return std::unexpected(done.error());
  return machine;
}

std::expected<void, std::string> Machine::add_nics(std::vector<NicWire> wires) {
  nics_.resize(rack_.nics.size());
  for (std::size_t i = 0; i < nics_.size(); ++i) {
    RackNic& made = nics_[i];
    made.wire = std::move(wires[i]);
    made.ready = std::make_unique<ReadyWire>(*made.wire.wire);
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

    std::vector<pcie::DmaPort*> ports;
    for (std::uint16_t function = 0; function <= rack_.nics[i].vfs; ++function) {
      const auto index = static_cast<std::uint16_t>(
          function == 0 ? 0 : nic::kFirstVfOffset + nic::kVfStride * (function - 1));
      made.ports.push_back(std::make_unique<LivePort>(
          fabric::FunctionId{.index = static_cast<std::uint16_t>(i), .function = index}));
      ports.push_back(made.ports.back().get());
    }
    made.nic = std::make_unique<nic::Nic>(nic_options(rack_, i), clock_, *made.ready, ports);
    if (made.capture) made.nic->set_tap(made.capture.get());
  }
  return {};
}

void Machine::add_hosts() {
  std::vector<pcie::Endpoint*> devices;
  for (const auto& nic : nics_) devices.push_back(nic.nic.get());
  fabric_ = std::make_unique<fabric::Fabric>(fabric_options(rack_, devices));

  std::vector<HostMemory*> memories;
  for (std::size_t domain = 0; domain < rack_.hosts.size(); ++domain) {
    const Range<BusAddr> own = describe_host(rack_, domain).own_memory;
    memories_.push_back(
        std::make_unique<HostMemory>(own, guest_memory(rack_, domain), reserved_memory(rack_, domain)));
    memories.push_back(memories_.back().get());
    const auto added = fabric_->add_memory(pcie::Domain{static_cast<std::uint16_t>(domain)},
                                           {.range = own, .memory = {}, .offset = 0});
    if (!added) throw std::logic_error("a host's own memory does not fit its address map");
  }
  live_ = std::make_unique<Live>(*fabric_, std::move(memories), clock_);
  for (std::size_t domain = 0; domain < rack_.hosts.size(); ++domain)
    hosts_.push_back(std::make_unique<EmulatedHost>(
        EmulatedHostOptions{pcie::Domain{static_cast<std::uint16_t>(domain)}, describe_host(rack_, domain)},
        *live_, quiescence_));
  live_->set_interrupt_sink(
      [this](const fabric::InterruptTarget& target) { host(target.domain).interrupt(target.vector); });
  for (auto& nic : nics_)
    for (auto& port : nic.ports) port->connect(*live_);
  fabric_->listen(this);
}

std::expected<void, std::string> Machine::add_management_socket() {
  auto server = host::BridgeServer::listen(hosts_[0]->add_program(), management_socket());
  if (!server) return std::unexpected(server.error());
  management_ = std::move(*server);
  loop_.add(management_->fd(), Events::readable, [this](Events) { management_->on_ready(); });
  return {};
}

std::expected<void, std::string> Machine::add_parts() {
  parts_.resize(hosts_.size());
  const auto placed = placed_guests(rack_);
  for (std::size_t domain = 0; domain < hosts_.size(); ++domain) {
    const auto slots = std::ranges::count_if(
        placed, [&](const PlacedGuest& p) { return static_cast<std::size_t>(p.domain) == domain; });
    if (slots == 0) continue;
    const HostSpec& spec = rack_.hosts[domain];
    ch::PartOptions options{.slots = static_cast<std::uint8_t>(slots),
                            .bare = spec.kind == HostKind::bare,
                            .management = domain == 0};
    options.on_fault = [this, name = spec.name](const host::Fault& fault) {
      log_.debug("{}: {} of {} at {:#x} refused: {}", name,
                 fault.access == pcie::Access::read ? "read" : "write", pcie::to_string(fault.rid),
                 fault.address, fault.reason);
    };
    parts_[domain] = std::make_unique<ch::HostPart>(hosts_[domain]->add_program(), std::move(options));
    if (auto started = parts_[domain]->start(); !started)
      return std::unexpected(fmt::format("{}: {}", spec.name, started.error()));
  }
  return {};
}

std::expected<void, std::string> Machine::add_guests() {
  for (const PlacedGuest& placed : placed_guests(rack_)) {
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

std::string Machine::management_socket() const {
  return options_.directory + "/management.bridge";
}

bool Machine::managed() const {
  return management_->connections() > 0;
}

bool Machine::all_assigned() const {
  return std::ranges::all_of(
      guests_, [](const GuestPlace& guest) { return guest.slot->vf_slot().assignment().has_value(); });
}

void Machine::access_changed(const fabric::Affected& affected) {
  const auto forget = [&](const fabric::FunctionId& who) {
    if (who.is_ntb) return;  // its messages are followed one by one: nothing is remembered
    const std::size_t function =
        who.function == 0 ? 0 : 1u + (who.function - nic::kFirstVfOffset) / std::size_t{nic::kVfStride};
    nics_[who.index].ports[function]->mappings_changed();
  };
  if (affected.everyone) {
    for (auto& nic : nics_)
      for (auto& port : nic.ports) port->mappings_changed();
    for (auto& host : hosts_) host->access_changed();
    return;
  }
  for (const auto& who : affected.functions) forget(who);
  for (const auto domain : affected.processors) host(domain).access_changed();
}

void Machine::collect_faults() {
  for (auto& host : hosts_)
    for (auto& fault : host->publish_faults()) {
      if (faults_.size() == kFaultsKept) faults_.pop_front();
      faults_.push_back({host->domain(), std::move(fault)});
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
  for (auto& nic : nics_) more |= nic.nic->poll(kNicBudget);
  more |= live_->run_peer_writes();
  fabric_->refresh();
  collect_faults();
  run_tasks();
  if (const Instant now = clock_.now(); now >= next_poll_) {
    next_poll_ = now + options_.poll_every;
    for (auto& part : parts_)
      if (part) part->poll();
  }
  more |= live_->run_emissions();
  // Nothing above holds a pointer into anybody's memory any more.
  engine_.quiescent();
  more |= quiescence_.poll() > 0;
  return more;
}

Duration Machine::until_deadline(Duration longest) const {
  const Instant now = clock_.now();
  Duration wait = std::min(longest, std::max(Duration{0}, next_poll_ - now));
  for (const auto& nic : nics_)
    if (const auto deadline = nic.nic->next_deadline())
      wait = std::min(wait, std::max(Duration{0}, *deadline - now));
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
