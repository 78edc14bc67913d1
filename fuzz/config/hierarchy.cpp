#include "config/hierarchy.h"

#include <algorithm>
#include <utility>

namespace ladon::fuzz::config {

namespace pci = spec::pci;
using fabric::FunctionId;
using pcie::Bdf;
using pcie::Domain;

namespace {

nic::testing::RigOptions nic_options(std::uint16_t vfs) {
  nic::testing::RigOptions made;
  made.vfs = made.nic.vfs = vfs;
  made.pf.vfs = vfs;
  made.memory_bytes = 4096;
  return made;
}

}  // namespace

Hierarchy::Hierarchy() : nic_(nic_options(kVfs)) {
  fabric::Options rack;
  rack.hosts.push_back({.name = "mh"});
  for (unsigned k = 1; k <= kComputeHosts; ++k) rack.hosts.push_back({.name = "ch" + std::to_string(k)});
  rack.endpoints.push_back({.name = "nic0", .device = &nic_.nic()});
  fabric_ = std::make_unique<fabric::Fabric>(rack);
  enumerate();
  guest_space_ =
      std::make_unique<Space>([this](std::uint16_t at, unsigned width) { return guest_.read(at, width); });
  for (std::uint16_t d = 0; d <= kComputeHosts; ++d) {
    add_bridge(Domain{d}, Bdf(0, 0, 0));
    add_bridge(Domain{d}, Bdf(0, 1, 0));
  }
  add_bridge(Domain{0}, Bdf(1, 0, 0));
  for (unsigned p = 0; p <= kComputeHosts; ++p) add_bridge(Domain{0}, Bdf(2, p, 0));
  for (std::uint16_t k = 0; k < kComputeHosts; ++k) {
    add_function(Domain{0}, {.is_ntb = true, .index = k, .function = 0});
    add_function(Domain{static_cast<std::uint16_t>(k + 1)}, {.is_ntb = true, .index = k, .function = 1});
  }
  for (const std::uint16_t function : nic_.nic().functions())
    add_function(Domain{0}, {.index = 0, .function = function});
}

// Bus numbers alone: nothing here goes by address.
void Hierarchy::enumerate() {
  const auto buses = [&](Domain domain, Bdf bdf, unsigned primary, unsigned secondary, unsigned last) {
    fabric_->config_write(domain, bdf, pci::kPrimaryBus, 4, primary | secondary << 8 | last << 16);
  };
  buses(Domain{0}, Bdf(0, 1, 0), 0, 1, 3 + kComputeHosts);
  buses(Domain{0}, Bdf(1, 0, 0), 1, 2, 3 + kComputeHosts);
  for (unsigned p = 0; p <= kComputeHosts; ++p) {
    buses(Domain{0}, Bdf(2, p, 0), 2, 3 + p, 3 + p);
    fabric_->config_write(Domain{0}, Bdf(2, p, 0), 0x40 + pci::kExpressDeviceControl2, 2,
                          pci::kDeviceControl2AriForwarding);
  }
  for (std::uint16_t k = 1; k <= kComputeHosts; ++k) buses(Domain{k}, Bdf(0, 1, 0), 0, 1, 1);
}

void Hierarchy::add_function(Domain domain, const FunctionId& id) {
  Read read = [this, id](std::uint16_t at, unsigned width) {
    pcie::Function* function = fabric_->function(id);
    return function != nullptr ? function->config_read(at, width) : 0;  // a VF that is not there now
  };
  auto space = std::make_unique<Space>(read);
  auto words = space->words();
  places_.push_back({domain, id, {}, std::move(space), std::move(words)});
}

// Bridges are the fabric's own: the only way to them is by a request.
void Hierarchy::add_bridge(Domain domain, Bdf bdf) {
  Read read = [this, domain, bdf](std::uint16_t at, unsigned width) {
    return fabric_->config_read(domain, bdf, at, width);
  };
  auto space = std::make_unique<Space>(read);
  auto words = space->words();
  places_.push_back({domain, {}, bdf, std::move(space), std::move(words)});
}

// ---- operands

Bdf Hierarchy::target(Input& input) const {
  const std::uint8_t which = input.u8();
  if (which == 0xFF) return Bdf(input.u16());
  static constexpr std::uint16_t kNic = (3 + kComputeHosts) << 8;
  static constexpr auto kTargets = std::to_array<std::uint16_t>(
      {kNic, kNic + 0x80, kNic + 0x82, kNic + 0x84, 0x300, 0x400, 0x100, 0x008, 0x000, 0x200, 0x208, 0x210});
  return Bdf(kTargets[which % kTargets.size()]);
}

std::uint16_t Hierarchy::offset(Input& input) {
  const std::uint16_t at = input.u16();
  return at < 0xF000 ? at & 0x1FF : at;  // now and then outside what is in use, or outside the space
}

// ---- steps

void Hierarchy::step(Input& input) {
  const std::uint8_t who = input.u8();
  const Domain domain{static_cast<std::uint16_t>(who % (kComputeHosts + 2))};
  const Bdf bdf = target(input);
  const unsigned width = 1u << input.below(3);
  const auto at = static_cast<std::uint16_t>(offset(input) & ~(width - 1));
  const std::uint32_t value = input.u32();
  furthest_ = std::max(furthest_, at);
  if (static_cast<unsigned>(domain) > kComputeHosts) return write_guest(at, width, value);
  fabric_->config_write(domain, bdf, at, width, value);
  require(fabric_->config_read(domain, Bdf(0, 0, 0), 0, 2) == pci::kLadonVendor);
  std::vector<const Place*> changed;
  for (Place& place : places_) {
    const bool was_there = std::exchange(place.there, is_there(place));
    if (!place.there) continue;
    auto now = place.space->words();
    if (now == place.words) continue;
    place.space->check(place.words, now);
    place.words = std::move(now);
    if (was_there) changed.push_back(&place);
  }
  const bool by_sriov = std::ranges::any_of(changed, [](const Place* p) { return p->space->has_sriov(); });
  // A host's software reaches what is in its own domain.
  for (const Place* place : changed) require(place->domain == domain);
  // One request, one function; but virtual functions come and go with their physical one's registers.
  const auto others = std::ranges::count_if(changed, [&](const Place* p) {
    const bool virtual_function = !p->bridge && !p->function.is_ntb && p->function.function != 0;
    return !(by_sriov && virtual_function);
  });
  require(others <= 1);
}

// At the place's number still is what was there when it was noted.
bool Hierarchy::is_there(const Place& place) const {
  if (!place.bridge) return fabric_->function(place.function) != nullptr;
  const unsigned bus = place.bridge->bus();
  const auto leads = [&](Bdf bridge, unsigned secondary) {
    const std::uint32_t buses = fabric_->config_read(place.domain, bridge, pci::kPrimaryBus, 4);
    return (buses >> 8 & 0xFF) == secondary && (buses >> 16 & 0xFF) >= bus;
  };
  return (bus < 1 || leads(Bdf(0, 1, 0), 1)) && (bus < 2 || leads(Bdf(1, 0, 0), 2));
}

void Hierarchy::write_guest(std::uint16_t at, unsigned width, std::uint32_t value) {
  const bool reset = guest_.write(at, width, value);
  const auto now = guest_space_->words();
  guest_space_->check(now, now);
  require(!guest_space_->has_sriov());
  if (!reset) return;
  guest_.reset();
  require(!guest_.bus_master() && !guest_.memory_enabled() && !guest_.msix_enabled());
}

void Hierarchy::check() const {
  const std::uint16_t end = furthest_ < kInUse ? kInUse : kSize;
  const auto shown = guest_space_->words(end);
  guest_space_->check(shown, shown);
  for (const Place& place : places_)
    if (is_there(place)) place.space->check(place.words, place.space->words(end));
}

}  // namespace ladon::fuzz::config
