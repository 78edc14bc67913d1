#include "machine/hardware.h"

#include <stdexcept>

#include "machine/rack_build.h"

namespace ladon::machine {

Hardware::Hardware(const Rack& rack, std::span<Wire* const> wires, const Clock& clock, Quiescence& quiescence,
                   HostMemory::Guests guests, HardwareHooks hooks)
    : hooks_(std::move(hooks)), nics_(rack.nics.size()) {
  for (std::size_t i = 0; i < nics_.size(); ++i) add_nic(rack, i, clock, *wires[i]);
  add_hosts(rack, clock, quiescence, guests);
  for (auto& nic : nics_)
    for (auto& port : nic.ports) port->connect(*live_);
  fabric_->listen(this);
}

Hardware::~Hardware() = default;

void Hardware::add_nic(const Rack& rack, std::size_t index, const Clock& clock, Wire& wire) {
  RackNic& made = nics_[index];
  std::vector<pcie::DmaPort*> ports;
  for (std::uint16_t function = 0; function <= rack.nics[index].vfs; ++function) {
    const auto number =
        static_cast<std::uint16_t>(function == 0 ? 0 : nic::kFirstVfOffset + nic::kVfStride * (function - 1));
    const fabric::FunctionId who{.index = static_cast<std::uint16_t>(index), .function = number};
    made.ports.push_back(std::make_unique<LivePort>(who));
    LivePort& port = *made.ports.back();
    ports.push_back(hooks_.port ? hooks_.port(who, port) : &port);
  }
  nic::NicOptions options = nic_options(rack, index);
  if (hooks_.nic) hooks_.nic(options);
  made.nic = std::make_unique<nic::Nic>(options, clock, wire, ports);
}

void Hardware::add_hosts(const Rack& rack, const Clock& clock, Quiescence& quiescence,
                         HostMemory::Guests guests) {
  std::vector<pcie::Endpoint*> devices;
  for (const auto& nic : nics_) devices.push_back(nic.nic.get());
  fabric::Options options = fabric_options(rack, devices);
  if (hooks_.fabric) hooks_.fabric(options);
  fabric_ = std::make_unique<fabric::Fabric>(options);

  std::vector<HostMemory*> memories;
  for (std::size_t domain = 0; domain < rack.hosts.size(); ++domain) {
    const Range<BusAddr> own = describe_host(rack, domain).own_memory;
    memories_.push_back(
        std::make_unique<HostMemory>(own, guest_memory(rack, domain), reserved_memory(rack, domain), guests));
    memories.push_back(memories_.back().get());
    const auto added = fabric_->add_memory(pcie::Domain{static_cast<std::uint16_t>(domain)},
                                           {.range = own, .memory = {}, .offset = 0});
    if (!added) throw std::logic_error("a host's own memory does not fit its address map");
  }
  live_ = std::make_unique<Live>(*fabric_, std::move(memories), clock);
  for (std::size_t domain = 0; domain < rack.hosts.size(); ++domain)
    hosts_.push_back(
        std::make_unique<EmulatedHost>(EmulatedHostOptions{pcie::Domain{static_cast<std::uint16_t>(domain)},
                                                           describe_host(rack, domain), hooks_.flush_after},
                                       *live_, clock, quiescence));
  for (const auto& host : hosts_)
    if (options.hosts[static_cast<std::size_t>(host->domain())].invalidation == iommu::Invalidation::deferred)
      deferring_.push_back(host.get());
  live_->set_interrupt_sink(
      [this](const fabric::InterruptTarget& target) { host(target.domain).interrupt(target.vector); });
}

void Hardware::flush_due() {
  for (EmulatedHost* host : deferring_) host->flush_due();
}

std::optional<Instant> Hardware::next_flush() const {
  std::optional<Instant> next;
  for (const EmulatedHost* host : deferring_)
    if (const auto at = host->next_flush(); at && (!next || *at < *next)) next = at;
  return next;
}

void Hardware::access_changed(const fabric::Affected& affected) {
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

}  // namespace ladon::machine
