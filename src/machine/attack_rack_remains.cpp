// What a rack holds, for those who ask what an attack has left behind.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "audit/audit.h"
#include "machine/attack_rack.h"
#include "machine/grants.h"
#include "spec/pf.h"

namespace ladon::machine {
namespace {

namespace pf = spec::pf;
using Entries = std::map<std::string, std::uint64_t>;

void add_unit(Entries& entries, const iommu::UnitTable& unit, const std::string& name) {
  for (const auto& device : unit.devices) {
    ++entries[name + ": attached requesters"];
    entries[name + ": I/O mappings"] += device.domain->mappings.mappings().size();
    entries[name + ": stale IOTLB entries"] += device.domain->stale.mappings().size();
  }
  entries[name + ": interrupt routes"] += static_cast<std::uint64_t>(
      std::ranges::count_if(unit.interrupts->entries, [](const auto& one) { return one.present; }));
}

void add_host(Entries& entries, const fabric::HostTable& host, const std::string& name) {
  entries[name + ": memory"] += host.memory->size();
  for (const auto& hierarchy : host.hierarchies) add_unit(entries, *hierarchy.iommu, name);
  for (const auto& vm : host.vms)
    entries[name + ": second-level mappings"] += vm.second_level->mappings().size();
}

void add_ntb(Entries& entries, const fabric::NtbTable& ntb, const std::string& name) {
  for (const auto* side : {&ntb.management, &ntb.link}) {
    entries[name + ": windows"] += side->windows.size();
    entries[name + ": look-up entries"] += side->lut.size();
  }
}

}  // namespace

// The judge's own memory is no part of what is compared.
void AttackRack::give_back_placed() {
  for (const auto& [host, pin] : std::exchange(placed_pins_, {}))
    bridge(host).submit(host::Unpin{pin}, [](const host::Result&) {});
  settle();
}

std::vector<audit::Grant> AttackRack::granted() const {
  GrantSources sources{rack_, service_->inventory(), service_->plan(), {}};
  for (const auto& part : parts_)
    sources.parts.push_back(part ? std::optional(part->holdings()) : std::nullopt);
  return grants(sources);
}

attack::Remains AttackRack::remains() {
  give_back_placed();
  const auto tables = hardware_->fabric().tables();
  const audit::Report report = audit::audit(*tables, granted());
  attack::Remains found{
      .findings = report.findings.size(), .unreachable = report.unreachable.size(), .entries = {}};
  for (std::size_t d = 0; d < tables->hosts.size(); ++d) {
    add_host(found.entries, *tables->hosts[d], host_names_[d]);
    found.entries[host_names_[d] + ": I/O spaces"] =
        hardware_->fabric().domains(pcie::Domain{static_cast<std::uint16_t>(d)});
  }
  for (std::size_t i = 0; i < tables->ntbs.size(); ++i)
    add_ntb(found.entries, *tables->ntbs[i], fmt::format("ntb{}", i + 1));
  for (std::size_t n = 0; n < facts_.nics.size(); ++n)
    for (std::uint32_t i = 0; i < pf::kFilterCount; ++i) {
      const BusAddr at(facts_.nics[n].registers.bits() + pf::kFilters + i * pf::kFilterStride +
                       pf::kFilterVf);
      if ((management_host_->load32(at).value_or(0) & 1u << 31) != 0)
        ++found.entries[rack_.nics[n].name + ": address filters"];
    }
  return found;
}

}  // namespace ladon::machine
