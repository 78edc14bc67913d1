#include "trial/witness.h"

#include <fmt/format.h>

#include <algorithm>

#include "fabric/format.h"
#include "trial/places.h"

namespace ladon::trial {

using machine::Machine;

MacAddress SeenFrame::mac_at(std::size_t at) const {
  MacAddress mac;
  std::memcpy(mac.bytes.data(), bytes.data() + at, mac.bytes.size());
  return mac;
}

// Hears a NIC's frames before the capture that the rack file may have asked for.
struct Witness::Ear final : nic::FrameTap {
  Ear(Witness& own_owner, std::uint16_t own_nic, nic::FrameTap* own_next)
      : owner(own_owner), nic(own_nic), next(own_next) {}

  void frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant at) override {
    if (next != nullptr) next->frame(point, vf, bytes, at);
    if (point != nic::TapPoint::wire_sent && point != nic::TapPoint::vf_received) return;
    if (bytes.size() < 14) return;
    const auto type = load_be<std::uint16_t>(&bytes[12]);
    if (type != kLoot && type != kPlay && type != kMacControl) return;
    if (owner.frames_.size() == kMost) owner.frames_.pop_front();
    owner.frames_.push_back({point == nic::TapPoint::wire_sent, nic, vf, {bytes.begin(), bytes.end()}});
  }

  Witness& owner;
  std::uint16_t nic;
  nic::FrameTap* next;
};

Witness::Witness(machine::Runner& runner) : runner_(runner) {
  runner_.on_engine([this](Machine& machine) {
    for (std::uint16_t n = 0; n < machine.nics(); ++n) {
      ears_.push_back(std::make_unique<Ear>(*this, n, machine.capture(n)));
      machine.nic(n).set_tap(ears_.back().get());
    }
    machine.live().set_interrupt_sink([this, &machine](const fabric::InterruptTarget& target) {
      if (interrupts_.size() == kMost) interrupts_.pop_front();
      interrupts_.push_back(
          {target.domain, target.vector, machine.fabric().tables()->host_address(target.source)});
      machine.host(target.domain).interrupt(target.vector);
    });
    machine.live().set_refusal_sink(
        [this, &machine](const pcie::Transaction& access, const fabric::Resolution& way) {
          note(machine, access, *way.fault());
        });
  });
}

Witness::~Witness() {
  runner_.on_engine([this](Machine& machine) {
    for (const auto& ear : ears_) machine.nic(ear->nic).set_tap(ear->next);
    machine.live().set_refusal_sink({});
    machine.live().set_interrupt_sink([&machine](const fabric::InterruptTarget& target) {
      machine.host(target.domain).interrupt(target.vector);
    });
  });
}

void Witness::note(Machine& machine, const pcie::Transaction& access, const fabric::Fault& fault) {
  if (!pcie::is_device(access.origin)) return;
  const auto tables = machine.fabric().tables();
  attack::Refusal one{.by = fabric::describe_fault(*tables, fault),
                      .who = tenant(machine, fault.component.domain, tables->host_address(fault.rid))};
  if (!refusals_.empty() && refusals_.back().by == one.by && refusals_.back().who == one.who) return;
  if (refusals_.size() == kMost) refusals_.pop_front();
  refusals_.push_back(std::move(one));
}

Witness::Counted Witness::counted(Machine& machine) {
  Counted all;
  for (const auto& guest : machine.guests()) {
    const auto& vf = *guest.placed.guest->vf;
    const std::string& who = guest.placed.guest->name;
    const auto add = [&](const std::string& where, const auto& counters) {
      counters.each(
          [&](auto reason, std::uint64_t count) { all[{where, std::string(name(reason)), who}] += count; });
    };
    const nic::Nic& device = machine.nic(vf.nic);
    const std::string function = fmt::format("{}/vf{}", machine.rack().nics[vf.nic].name, vf.index);
    add(function, device.faults(vf.index));
    add(function, device.former_faults(vf.index));
    add(function, device.drops(vf.index));
    add(function, device.former_drops(vf.index));
    add(guest.placed.host->name + "/slot", guest.slot->mistakes());
    add(guest.placed.host->name + "/slot", guest.slot->vf_slot().refusals());
  }
  return all;
}

void Witness::begin() {
  runner_.on_engine([this](Machine& machine) {
    frames_.clear();
    interrupts_.clear();
    refusals_.clear();
    before_ = counted(machine);
  });
}

std::vector<SeenFrame> Witness::frames() {
  return runner_.on_engine([this](Machine&) { return std::vector(frames_.begin(), frames_.end()); });
}

std::vector<attack::Interrupt> Witness::interrupts() {
  return runner_.on_engine([this](Machine&) { return std::vector(interrupts_.begin(), interrupts_.end()); });
}

std::vector<attack::Refusal> Witness::refusals() {
  return runner_.on_engine([this](Machine&) { return std::vector(refusals_.begin(), refusals_.end()); });
}

std::vector<attack::Count> Witness::counts() {
  const Counted now = runner_.on_engine([](Machine& machine) { return counted(machine); });
  std::vector<attack::Count> grown;
  for (const auto& [key, count] : now) {
    const auto old = before_.find(key);
    const std::uint64_t was = old == before_.end() ? 0 : old->second;
    const auto& [where, reason, who] = key;
    if (count > was) grown.push_back({where, reason, who, count - was});
  }
  return grown;
}

}  // namespace ladon::trial
