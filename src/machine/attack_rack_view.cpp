// Where things are, what devices emit, and what can be seen of it.
#include <fmt/format.h>

#include "fabric/format.h"
#include "machine/attack_rack_parts.h"
#include "machine/synthetic_guest.h"
#include "spec/ntb.h"

namespace ladon::machine {
namespace {

std::uint16_t function_of(std::uint16_t vf) {
  return static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * vf);
}

}  // namespace

void AttackRack::find_places() {
  const mh::Inventory& found = service_->inventory();
  for (const mh::Nic& nic : found.nics)
    facts_.nics.push_back({nic.pf, nic.registers, nic.vfs, nic.first_offset, nic.stride});
  for (const mh::Ntb& ntb : found.ntbs) {
    attack::Ntb& place = facts_.ntbs.emplace_back();
    place = {.host = ntb.peer, .bdf = ntb.bdf, .control = ntb.control, .msi = ntb.msi, .dma = ntb.dma};
    if (const auto& part = parts_[static_cast<std::size_t>(ntb.peer)]) {
      place.link_bdf = part->ntb()->bdf;
      place.link_control = part->ntb()->bars[spec::ntb::kControlBar].base;
      place.link_registers = part->ntb()->bars[spec::ntb::kRegisterBar].base;
    }
  }
  for (const PlacedGuest& placed : placed_guests(rack_)) {
    if (placed.software) continue;
    const VfSpec& vf = *placed.guest->vf;
    const mh::Nic& nic = found.nics[vf.nic];
    const auto& part = *parts_[static_cast<std::size_t>(placed.domain)];
    const auto& assigned = part.slot(placed.slot)->assignment();
    const BusAddr base = part.ntb() ? part.ntb()->bars[spec::ntb::kRegisterBar].base : BusAddr(0);
    guests_.push_back({.name = placed.guest->name,
                       .host = placed.domain,
                       .vm = placed.host->kind != HostKind::bare,
                       .slot = placed.slot,
                       .nic = static_cast<std::uint16_t>(vf.nic),
                       .vf = vf.index,
                       .mac = vf.mac,
                       .memory = placed.guest->memory,
                       .rid = nic.vf_bdf(vf.index),
                       .proxy = part.slot(placed.slot)->requester().value_or(pcie::Sbdf{}),
                       .registers = nic.registers_of(vf.index),
                       .msix = nic.msix_of(vf.index),
                       .host_registers = BusAddr(base.bits() + (assigned ? assigned->registers : 0)),
                       .host_msix = BusAddr(base.bits() + (assigned ? assigned->msix : 0))});
  }
}

// ---- devices

pcie::Transaction AttackRack::emitted(std::uint16_t nic, const attack::Request& request, std::size_t length,
                                      pcie::Access access) const {
  return {.segment = {},
          .domain = pcie::kManagementDomain,
          .origin = pcie::EndpointOrigin{nic},
          .rid = {.segment = {}, .bdf = request.rid},
          .address = request.address,
          .length = static_cast<std::uint32_t>(length),
          .access = access,
          .pasid = request.pasid};
}

bool AttackRack::emit_write(std::uint16_t nic, const attack::Request& request, ConstBytes bytes) {
  pcie::Transaction access = emitted(nic, request, bytes.size(), pcie::Access::write);
  if (bytes.size() == 4) access.data = load_le<std::uint32_t>(bytes.data());
  const auto way = hardware_->live().follow(access);
  return !way.refused() && hardware_->live().write(way, bytes);
}

bool AttackRack::emit_read(std::uint16_t nic, const attack::Request& request, Bytes into) {
  const auto way = hardware_->live().follow(emitted(nic, request, into.size(), pcie::Access::read));
  return !way.refused() && hardware_->live().read(way, into);
}

WatchedPort* AttackRack::watched(std::size_t guest) {
  const attack::Guest& who = guests_[guest];
  for (const auto& watched : watched_)
    if (watched.who == fabric::FunctionId{.index = who.nic, .function = function_of(who.vf)})
      return watched.port.get();
  return nullptr;
}

void AttackRack::meanwhile(std::size_t guest, std::function<void(Access)> then) {
  WatchedPort* const own = watched(guest);
  if (own == nullptr) return;
  for (const auto& watched : watched_) {
    if (then)
      watched.port->before_each(
          [then, is_own = watched.port.get() == own](bool write) { then({.own = is_own, .write = write}); });
    else
      watched.port->before_each({});
  }
}

void AttackRack::hold(std::size_t guest, bool held) {
  if (WatchedPort* port = watched(guest)) port->hold(held);
}

std::size_t AttackRack::land(std::size_t guest) {
  WatchedPort* const port = watched(guest);
  return port != nullptr ? port->land() : 0;
}

std::size_t AttackRack::land() {
  std::size_t landed = 0;
  for (const auto& watched : watched_) landed += watched.port->land();
  return landed;
}

void AttackRack::inject(std::uint16_t nic, ConstBytes frame) {
  wires_[nic]->in.emplace_back(frame.begin(), frame.end());
}

std::vector<std::vector<std::byte>> AttackRack::take_sent() {
  std::vector<std::vector<std::byte>> taken;
  for (const auto& wire : wires_) {
    taken.insert(taken.end(), std::make_move_iterator(wire->out.begin()),
                 std::make_move_iterator(wire->out.end()));
    wire->out.clear();
  }
  return taken;
}

// ---- names

std::string AttackRack::vf_owner(std::uint16_t nic, std::uint16_t vf) const {
  for (const PlacedGuest& placed : placed_guests(rack_))
    if (placed.guest->vf->nic == nic && placed.guest->vf->index == vf) return placed.guest->name;
  return fmt::format("VF {} of {}", vf, rack_.nics[nic].name);
}

std::string AttackRack::tenant(pcie::Domain domain, const pcie::Sbdf& rid) const {
  const auto d = static_cast<std::size_t>(domain);
  if (rid.bdf == pcie::Bdf(0)) return host_names_[d];
  if (domain != pcie::kManagementDomain) {
    for (const auto& guest : guests_)
      if (guest.host == domain && guest.proxy == rid) return guest.name;
    return fmt::format("{} at {}", pcie::to_string(rid), host_names_[d]);
  }
  for (std::uint16_t n = 0; n < facts_.nics.size(); ++n) {
    const auto& nic = facts_.nics[n];
    if (rid == nic.pf) return "PF of " + rack_.nics[n].name;
    for (std::uint16_t vf = 0; vf < nic.vfs; ++vf)
      if (nic.vf_bdf(vf) == rid) return vf_owner(n, vf);
  }
  // What arrives through an NTB carries its bus: that host's processors.
  for (const auto& ntb : facts_.ntbs)
    if (ntb.bdf.segment == rid.segment && ntb.bdf.bus() == rid.bus())
      return host_names_[static_cast<std::size_t>(ntb.host)];
  return pcie::to_string(rid);
}

std::string AttackRack::tenant(const pcie::Transaction& access, const fabric::Fault& fault) const {
  if (const auto* vm = std::get_if<pcie::VmOrigin>(&access.origin)) {
    for (const auto& guest : guests_)
      if (guest.host == access.domain && pcie::Vm{guest.slot} == vm->vm) return guest.name;
  }
  // A processor's own request is known by where it entered.
  if (std::holds_alternative<pcie::CpuOrigin>(access.origin))
    return host_names_[static_cast<std::size_t>(access.domain)];
  return tenant(fault.component.domain, hardware_->fabric().tables()->host_address(fault.rid));
}

// ---- counters

std::vector<attack::Count> AttackRack::counts() const {
  std::vector<attack::Count> all;
  for (std::uint16_t n = 0; n < hardware_->nics(); ++n)
    for (std::uint16_t vf = 0; vf < rack_.nics[n].vfs; ++vf) {
      const nic::Nic& nic = hardware_->nic(n);
      const std::string where = fmt::format("{}/vf{}", rack_.nics[n].name, vf);
      const auto add = [&](const std::string& place, const auto& counters) {
        counters.each([&](auto reason, std::uint64_t count) {
          all.push_back({place, std::string(name(reason)), vf_owner(n, vf), count});
        });
      };
      add(where, nic.faults(vf));
      add(where, nic.drops(vf));
      add("mh/mailbox", service_->pf(n).refusals(vf));
    }
  for (std::size_t n = 0; n < hardware_->nics(); ++n)
    hardware_->nic(n).wire_drops().each([&](nic::WireDrop reason, std::uint64_t count) {
      all.push_back(
          {rack_.nics[n].name + "/wire", std::string(name(reason)), std::string(attack::kWire), count});
    });
  for (std::size_t guest = 0; guest < seats_.size(); ++guest) {
    const auto add = [&](const auto& counters) {
      counters.each([&](auto reason, std::uint64_t count) {
        all.push_back({host_names_[static_cast<std::size_t>(guests_[guest].host)] + "/slot",
                       std::string(name(reason)), guests_[guest].name, count});
      });
    };
    add(seats_[guest].slot->mistakes());
    add(vf_slot(guest)->refusals());
  }
  for (const auto& ntb : facts_.ntbs) {
    const fabric::FunctionId side{
        .is_ntb = true, .index = static_cast<std::uint16_t>(static_cast<std::uint16_t>(ntb.host) - 1)};
    const std::uint64_t refused = hardware_->fabric().function(side)->register_read(
        spec::ntb::kControlBar, spec::ntb::kRefusedWrites, 4);
    const std::string& host = host_names_[static_cast<std::size_t>(ntb.host)];
    if (refused != 0)
      all.push_back(
          {fmt::format("ntb{}", static_cast<unsigned>(ntb.host)), "register write refused", host, refused});
  }
  return all;
}

std::size_t AttackRack::logged(const std::string& who) const {
  const auto found = logged_.find(who);
  return found == logged_.end() ? 0 : found->second;
}

bool AttackRack::quarantined(std::size_t guest) const {
  return service_->pf(guests_[guest].nic).quarantined(guests_[guest].vf);
}

attack::Hops AttackRack::hops(std::size_t guest) const {
  const attack::Guest& who = guests_[guest];
  const auto count = [&](const pcie::Transaction& access) {
    const auto way = hardware_->live().probe(access);
    return way.hops.size() + way.return_hops.size();
  };
  const auto dma = [&](std::uint64_t at, std::size_t length, pcie::Access access) {
    return emitted(who.nic, {.rid = who.rid.bdf, .address = Iova(at)}, length, access);
  };
  pcie::Function& vf = *hardware_->nic(who.nic).function(function_of(who.vf));
  pcie::Transaction message = dma(vf.register_read(spec::ixgbevf::kMsixBar, 0, 8), 4, pcie::Access::write);
  message.data = static_cast<std::uint32_t>(vf.register_read(spec::ixgbevf::kMsixBar, 8, 4));
  return {.dma_write = count(dma(0, 64, pcie::Access::write)),
          .dma_read = count(dma(0, 64, pcie::Access::read)),
          .register_read = count(processor(guest, kGuestBar0, pcie::Access::read)),
          .interrupt = count(message)};
}

// Over 2 MiB of the guest's memory, page by page.
constexpr std::uint64_t kSpread = 2u << 20;

bool AttackRack::resolve_many(std::size_t guest, std::uint32_t count) const {
  const attack::Guest& who = guests_[guest];
  const auto tables = hardware_->fabric().tables();
  pcie::Transaction access =
      emitted(who.nic, {.rid = who.rid.bdf, .address = Iova(0)}, 64, pcie::Access::write);
  std::uint64_t reached = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    access.address = Iova(i * std::uint64_t{4096} % kSpread);
    reached += fabric::resolve(*tables, access).refused() ? 0 : 1;
  }
  return reached == count;
}

bool AttackRack::look_up_many(std::size_t guest, std::uint32_t count) {
  const attack::Guest& who = guests_[guest];
  if (!timed_) {
    timed_ =
        std::make_unique<LivePort>(fabric::FunctionId{.index = who.nic, .function = function_of(who.vf)});
    timed_->connect(hardware_->live());
    std::array<std::byte, 64> bytes{};
    for (std::uint64_t at = 0; at < kSpread; at += 4096) (void)timed_->read(Iova(at), bytes, 0);
  }
  std::uint32_t known = 0;
  for (std::uint32_t i = 0; i < count; ++i)
    known +=
        timed_->direct(Iova(i * std::uint64_t{4096} % kSpread), 64, pcie::Access::write) != nullptr ? 1 : 0;
  return known == count;
}

}  // namespace ladon::machine
