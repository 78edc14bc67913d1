#include "machine/grants.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/control.h"
#include "machine/quiet_rack.h"
#include "machine/rack_build.h"
#include "machine/synthetic_guest.h"
#include "nic/options.h"
#include "spec/ixgbevf.h"
#include "spec/ntb.h"

namespace ladon::machine {
namespace {

namespace control = host::control;
namespace ntb = spec::ntb;

using audit::Initiator;
using audit::Kind;

Initiator processor(pcie::Domain domain) {
  return audit::Processor{domain};
}
Initiator virtual_function(const mh::VfId& vf) {
  return fabric::FunctionId{
      .index = vf.nic, .function = static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * vf.vf)};
}
Initiator ntb_side(pcie::Domain peer, bool link) {
  const auto index = static_cast<std::uint16_t>(static_cast<std::uint16_t>(peer) - 1);
  return fabric::FunctionId{.is_ntb = true, .index = index, .function = static_cast<std::uint16_t>(link)};
}

class Collector {
 public:
  explicit Collector(const GrantSources& from) : from_(from) {}

  std::vector<audit::Grant> run() {
    for (std::size_t d = 0; d < from_.rack.hosts.size(); ++d)
      add_host(pcie::Domain{static_cast<std::uint16_t>(d)});
    add_management();
    for (const PlacedGuest& placed : placed_guests(from_.rack))
      if (placed.software) software_.insert({placed.domain, placed.slot});
    for (const auto& [vf, setup] : from_.plan.vfs) add_vf(vf, setup);
    return std::move(grants_);
  }

 private:
  void add_host(pcie::Domain domain) {
    const auto d = static_cast<std::size_t>(domain);
    const auto own = describe_host(from_.rack, d).own_memory;
    add(processor(domain), {domain, Kind::memory}, own.first().bits(), own.span() + 1, pcie::kReadWrite,
        own.first().bits());
    const auto& part = from_.parts[d];
    if (!part) return;
    for (const ch::SlotHoldings& slot : part->slots)
      for (const auto& given : slot.memory)
        add(processor(domain), {domain, Kind::memory}, given.placed.bits(), given.placed_length,
            pcie::kReadWrite, given.placed.bits());
    if (!part->ntb) return;
    const auto& bar = part->ntb->bars[ntb::kControlBar];
    add(processor(domain), {domain, Kind::registers}, bar.base.bits(), bar.size, pcie::kReadWrite,
        bar.base.bits());
    add_vector(ntb_side(domain, true), domain, control::kPartControlVector);
  }

  // All registers of all devices are the management host's, and the memory windows of NTBs are nobody's: they
  // are there for devices.
  void add_management() {
    for (const host::PciFunction& function : from_.inventory.functions) add_registers(function);
    for (const mh::Nic& nic : from_.inventory.nics)
      for (std::uint16_t vf = 0; vf < nic.vfs; ++vf) {
        add_management_registers(nic.registers_of(vf), nic.vf_registers_size);
        add_management_registers(nic.msix_of(vf), nic.vf_msix_size);
      }
    for (const mh::Ntb& found : from_.inventory.ntbs)
      add_vector(ntb_side(found.peer, false), pcie::kManagementDomain, control::kManagementControlVector);
    for (std::uint16_t i = 0; i < from_.inventory.nics.size(); ++i)
      add_vector(fabric::FunctionId{.index = i}, pcie::kManagementDomain, control::pf_vector(i));
  }
  void add_registers(const host::PciFunction& function) {
    const auto is_ntb = std::ranges::find(from_.inventory.ntbs, function.bdf, &mh::Ntb::bdf);
    for (std::size_t b = 0; b < function.bars.size(); ++b) {
      const host::Bar& bar = function.bars[b];
      const bool window = is_ntb != from_.inventory.ntbs.end() && b != ntb::kControlBar;
      if (bar.size != 0 && !window) add_management_registers(bar.base, bar.size);
    }
  }
  void add_management_registers(BusAddr base, std::uint64_t size) {
    add(processor(pcie::kManagementDomain), {pcie::kManagementDomain, Kind::registers}, base.bits(), size,
        pcie::kReadWrite, base.bits());
  }

  void add_vf(const mh::VfId& vf, const mh::VfSetup& setup) {
    const pcie::Domain domain = setup.grant.host;
    const auto& part = from_.parts[static_cast<std::size_t>(domain)];
    if (!part || setup.grant.slot >= part->slots.size()) return;
    const ch::SlotHoldings& slot = part->slots[setup.grant.slot];
    const bool enabled = !from_.quarantined.contains(vf);
    if (!slot.assignment) return;
    add_vf_registers(vf, setup, *part, slot);
    for (const auto& given : slot.memory) {
      const audit::Space memory{domain, Kind::memory};
      const auto give = [&](const Initiator& to, std::uint64_t emitted, pcie::AccessSet access) {
        add(to, memory, given.at.bits(), given.length, access, emitted);
      };
      if (is_vm(setup.grant))
        give(audit::VirtualMachine{domain, setup.grant.vm}, given.gpa.bits(), pcie::kReadWrite);
      if (slot.connected && enabled) give_window(vf, setup.grant, given);
    }
    for (const std::uint32_t vector : slot.vectors)
      if (enabled) add_vector(virtual_function(vf), domain, vector);
  }
  // Memory to a VF: all that its guest gives it, or where its host's bridge maps a bounce buffer only, that.
  void give_window(const mh::VfId& vf, const mh::Grant& grant, const ch::GuestMemory::Granted& given) {
    std::uint64_t length = given.length;
    if (from_.rack.hosts[static_cast<std::size_t>(grant.host)].mode == Mode::mriov) {
      const auto space = from_.plan.domains.find({mh::DomainId::Kind::vf, vf.nic, vf.vf});
      if (space == from_.plan.domains.end()) return;
      const std::uint64_t window = space->second.mappings.at(Iova(0)).length;
      if (given.gpa.bits() >= window) return;
      length = std::min(length, window - given.gpa.bits());
    }
    add(virtual_function(vf), {grant.host, Kind::memory}, given.at.bits(), length, given.access,
        given.gpa.bits());
  }
  [[nodiscard]] bool is_vm(const mh::Grant& grant) const {
    return from_.vms && from_.rack.hosts[static_cast<std::size_t>(grant.host)].kind != HostKind::bare &&
           !software_.contains({grant.host, grant.slot});
  }

  // A VM has its VF's registers; the interrupt table of the VF is its host's to write.
  void add_vf_registers(const mh::VfId& vf, const mh::VfSetup& setup, const ch::PartHoldings& part,
                        const ch::SlotHoldings& slot) {
    const pcie::Domain domain = setup.grant.host;
    const audit::Space registers{pcie::kManagementDomain, Kind::registers};
    const mh::Nic& nic = from_.inventory.nics[vf.nic];
    const std::uint64_t bar = nic.registers_of(vf.vf).bits();
    if (domain != pcie::kManagementDomain) {
      const std::uint64_t base = part.ntb ? part.ntb->bars[ntb::kRegisterBar].base.bits() : 0;
      add(processor(domain), registers, bar, nic.vf_registers_size, pcie::kReadWrite,
          base + slot.assignment->registers);
      add(processor(domain), registers, nic.msix_of(vf.vf).bits(), nic.vf_msix_size, pcie::kReadWrite,
          base + slot.assignment->msix);
    }
    if (is_vm(setup.grant) && slot.attached)
      add(audit::VirtualMachine{domain, setup.grant.vm}, registers, bar, nic.vf_registers_size,
          pcie::kReadWrite, kGuestBar0.bits());
  }

  void add_vector(const Initiator& to, pcie::Domain domain, std::uint32_t vector) {
    grants_.push_back({to, {domain, Kind::interrupts}, {vector, vector}, pcie::kWriteOnly, std::nullopt});
  }
  void add(const Initiator& to, const audit::Space& space, std::uint64_t first, std::uint64_t length,
           pcie::AccessSet access, std::uint64_t emitted) {
    grants_.push_back({to, space, {first, first + (length - 1)}, access, emitted});
  }

  const GrantSources& from_;
  std::set<std::pair<pcie::Domain, std::uint8_t>> software_;  // slots that are no VM's
  std::vector<audit::Grant> grants_;
};

const GuestSpec* guest_of(const Rack& rack, auto&& is_it) {
  for (const PlacedGuest& placed : placed_guests(rack))
    if (is_it(placed)) return placed.guest;
  return nullptr;
}

}  // namespace

std::vector<audit::Grant> grants(const GrantSources& sources) {
  return Collector(sources).run();
}

std::vector<audit::Grant> grants(const QuietRack& rack) {
  GrantSources sources{rack.rack(), rack.management().inventory(), rack.management().plan(), {}};
  for (std::size_t d = 0; d < rack.rack().hosts.size(); ++d) {
    const ch::HostPart* part = rack.part(pcie::Domain{static_cast<std::uint16_t>(d)});
    sources.parts.push_back(part == nullptr ? std::nullopt : std::optional(part->holdings()));
  }
  return grants(sources);
}

std::string initiator_name(const Rack& rack, const Initiator& who) {
  const auto host = [&](pcie::Domain domain) { return rack.hosts[static_cast<std::size_t>(domain)].name; };
  if (const auto* cpu = std::get_if<audit::Processor>(&who)) return "cpu of " + host(cpu->domain);
  if (const auto* vm = std::get_if<audit::VirtualMachine>(&who)) {
    const auto* guest = guest_of(rack, [&](const PlacedGuest& placed) {
      return placed.domain == vm->domain && pcie::Vm{placed.slot} == vm->vm;
    });
    return guest != nullptr ? guest->name
                            : fmt::format("vm {} of {}", static_cast<unsigned>(vm->vm), host(vm->domain));
  }
  const auto& function = std::get<fabric::FunctionId>(who);
  if (function.is_ntb)
    return fmt::format("ntb{} {} side", function.index + 1, function.function == 0 ? "management" : "link");
  const std::string& nic = rack.nics[function.index].name;
  if (function.function == 0) return "PF of " + nic;
  const unsigned vf = (function.function - nic::kFirstVfOffset) / nic::kVfStride;
  const auto* guest = guest_of(rack, [&](const PlacedGuest& placed) {
    return placed.guest->vf->nic == function.index && placed.guest->vf->index == vf;
  });
  return guest != nullptr ? fmt::format("VF {} of {} ({})", vf, nic, guest->name)
                          : fmt::format("VF {} of {}", vf, nic);
}

}  // namespace ladon::machine
