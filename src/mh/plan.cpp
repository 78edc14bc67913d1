#include "mh/plan.h"

#include <algorithm>
#include <utility>

#include "mh/promises.h"
#include "spec/ixgbevf.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::mh {

namespace ntb = spec::ntb;
namespace pci = spec::pci;

namespace {

constexpr std::uint64_t kPage = 4096;
// Outbound windows of a compute host: memory, interrupts.
constexpr std::uint16_t kMemoryWindow = 0, kMsiWindow = 1, kOutboundWindows = 2;
// The compute host's processor in its own domain.
constexpr pcie::Bdf kCpuRid{0};

std::string host_name(pcie::Domain domain) {
  return "host " + std::to_string(static_cast<unsigned>(domain));
}
std::string vf_name(const Grant& grant) {
  return "VF " + std::to_string(grant.vf) + " of NIC " + std::to_string(grant.nic);
}

std::string segment_name(const pcie::Sbdf& function) {
  return std::to_string(static_cast<unsigned>(function.segment));
}

std::unexpected<PlanError> short_of(PlanProblem problem, const std::string& who, std::string_view what,
                                    std::uint64_t needed, std::uint64_t there) {
  return std::unexpected(PlanError{problem, needed, there,
                                   who + ": " + std::string(what) + ": " + std::to_string(needed) +
                                       " needed, " + std::to_string(there) + " there"});
}
std::unexpected<PlanError> wrong(PlanProblem problem, std::string message) {
  return std::unexpected(PlanError{problem, 0, 0, std::move(message)});
}

using Step = std::expected<void, PlanError>;

class Planner {
 public:
  Planner(const Inventory& inventory, const Intent& intent) : inventory_(inventory), intent_(intent) {}

  std::expected<Plan, PlanError> run() {
    if (auto fine = check_unique(); !fine) return std::unexpected(fine.error());
    for (const ComputeHost& host : intent_.hosts)
      if (auto done = add_host(host); !done) return std::unexpected(done.error());
    for (const Grant& grant : intent_.grants)
      if (auto done = add_grant(grant); !done) return std::unexpected(done.error());
    for (std::uint16_t nic = 0; nic < inventory_.nics.size(); ++nic)
      if (auto done = add_levels(nic); !done) return std::unexpected(done.error());
    return std::move(plan_);
  }

 private:
  Step check_unique() const {
    std::map<std::pair<std::uint16_t, std::uint16_t>, const Grant*> vfs;
    std::map<std::pair<pcie::Domain, std::uint8_t>, const Grant*> slots;
    std::map<std::pair<std::uint16_t, std::uint64_t>, const Grant*> macs;  // one NIC must tell its VFs apart
    // Who had it before; nullptr if nobody.
    const auto claim = [](auto& claimed, const auto& key, const Grant& by) {
      const auto [at, fresh] = claimed.emplace(key, &by);
      return fresh ? nullptr : at->second;
    };
    for (const Grant& grant : intent_.grants) {
      if (claim(vfs, std::pair(grant.nic, grant.vf), grant) != nullptr)
        return wrong(PlanProblem::vf_twice, vf_name(grant) + " is granted twice");
      if (const Grant* other = claim(slots, std::pair(grant.host, grant.slot), grant))
        return wrong(PlanProblem::slot_twice, host_name(grant.host) + ": slot " + std::to_string(grant.slot) +
                                                  " is given " + vf_name(*other) + " and " + vf_name(grant));
      if (const Grant* other = claim(macs, std::pair(grant.nic, grant.mac.bits()), grant))
        return wrong(PlanProblem::mac_twice, vf_name(*other) + " and " + vf_name(grant) +
                                                 " have the same MAC " + to_string(grant.mac));
    }
    return {};
  }

  [[nodiscard]] std::optional<std::uint16_t> ntb_to(pcie::Domain host) const {
    const auto found = std::ranges::find(inventory_.ntbs, host, &Ntb::peer);
    if (found == inventory_.ntbs.end()) return std::nullopt;
    return static_cast<std::uint16_t>(found - inventory_.ntbs.begin());
  }

  // The link; and with the host's first VF the windows to its memory and interrupts and its processor's
  // proxy.
  Step add_host(const ComputeHost& host) {
    const auto index = ntb_to(host.domain);
    if (!index) return wrong(PlanProblem::no_such_host, host_name(host.domain) + ": no NTB leads there");
    const Ntb& ntb = inventory_.ntbs[*index];
    if (host.dma_span == 0 || host.dma_span % kPage != 0)
      return wrong(PlanProblem::bad_span, host_name(host.domain) + ": the span of its DMA addresses, " +
                                              std::to_string(host.dma_span) +
                                              " bytes, must be a multiple of 4096 and not 0");
    if (host.dma_span > ntb.dma_size)
      return short_of(PlanProblem::dma_bar_short, host_name(host.domain), "bytes of the NTB's DMA BAR",
                      host.dma_span, ntb.dma_size);
    plan_.links.insert(*index);
    if (std::ranges::none_of(intent_.grants, [&](const Grant& g) { return g.host == host.domain; }))
      return {};
    if (ntb.windows < kOutboundWindows)
      return short_of(PlanProblem::windows_short, host_name(host.domain), "outbound windows",
                      kOutboundWindows, ntb.windows);
    // Where a window cannot end before its BAR does, what bounds the VFs is their IOMMU domain alone.
    plan_.windows[{*index, Direction::outbound, kMemoryWindow}] = {
        ntb::kDmaBar, 0, ntb.whole_bar ? ntb.dma_size : host.dma_span, BusAddr(0), pcie::kReadWrite};
    plan_.windows[{*index, Direction::outbound, kMsiWindow}] = {
        ntb::kMsiBar, 0, pci::kInterruptLength, BusAddr(pci::kInterruptBase), pcie::kWriteOnly};
    if (ntb.requester_table) plan_.luts[{*index, Direction::inbound, 0}] = {kCpuRid, kFirstProxy};
    plan_.domains[{DomainId::Kind::host, *index, 0}].rid =
        ntb.bdf.later(ntb.requester_table ? kFirstProxy : std::uint8_t{0});
    return {};
  }

  Step add_grant(const Grant& grant) {
    if (grant.nic >= inventory_.nics.size())
      return short_of(PlanProblem::no_such_nic, vf_name(grant), "NICs", grant.nic + 1u,
                      inventory_.nics.size());
    const Nic& nic = inventory_.nics[grant.nic];
    if (grant.vf >= nic.vfs)
      return short_of(PlanProblem::no_such_vf, vf_name(grant), "VFs", grant.vf + 1u, nic.vfs);
    return grant.host == pcie::kManagementDomain ? add_local(grant, nic) : add_remote(grant, nic);
  }

  // A VM of the management host itself: its part owns the VF's IOMMU domain, and no window is in the way.
  Step add_local(const Grant& grant, const Nic& nic) {
    if (grant.slot >= intent_.local_slots)
      return short_of(PlanProblem::no_such_host, vf_name(grant), "slots of the management host",
                      grant.slot + 1u, intent_.local_slots);
    plan_.vfs[{grant.nic, grant.vf}] = {.grant = grant,
                                        .requester = nic.vf_bdf(grant.vf).bdf.bits,
                                        .vf_device = nic.vf_device,
                                        .segment = nic.pf.segment,
                                        .registers = nic.registers_of(grant.vf).bits(),
                                        .msix = nic.msix_of(grant.vf).bits(),
                                        .message_base = pci::kInterruptBase};
    return {};
  }

  Step add_remote(const Grant& grant, const Nic& nic) {
    const auto index = ntb_to(grant.host);
    const auto host = std::ranges::find(intent_.hosts, grant.host, &ComputeHost::domain);
    if (!index || host == intent_.hosts.end())
      return wrong(PlanProblem::no_such_host,
                   vf_name(grant) + ": " + host_name(grant.host) + " is not a compute host of this rack");
    const Ntb& ntb = inventory_.ntbs[*index];
    if (auto fits = check_room(grant, nic, ntb); !fits) return fits;

    if (auto apart = check_apart(grant, nic, ntb); !apart) return apart;

    const auto proxy =
        ntb.requester_table ? static_cast<std::uint8_t>(kFirstProxy + grant.slot) : std::uint8_t{0};
    if (ntb.requester_table)
      plan_.luts[{*index, Direction::outbound, grant.slot}] = {nic.vf_bdf(grant.vf).bdf, proxy};

    const std::uint64_t stride = nic.vf_registers_size + nic.vf_msix_size;
    const std::uint64_t registers = grant.slot * stride, msix = registers + nic.vf_registers_size;
    add_register_window(*index, grant.slot * kWindowsPerSlot, registers, nic.vf_registers_size,
                        nic.registers_of(grant.vf));
    add_register_window(*index, grant.slot * kWindowsPerSlot + 1u, msix, nic.vf_msix_size,
                        nic.msix_of(grant.vf));

    IoSpace& space = plan_.domains[{DomainId::Kind::vf, grant.nic, grant.vf}];
    space.rid = nic.vf_bdf(grant.vf);
    space.mappings[Iova(0)] = {ntb.dma, host->dma_span, pcie::kReadWrite};
    space.mappings[kMsiIova] = {ntb.msi, pci::kInterruptLength, pcie::kWriteOnly};

    plan_.vfs[{grant.nic, grant.vf}] = {.grant = grant,
                                        .requester = proxy,
                                        .vf_device = nic.vf_device,
                                        .segment = {},
                                        .registers = registers,
                                        .msix = msix,
                                        .message_base = kMsiIova.bits()};
    return {};
  }

  Step check_room(const Grant& grant, const Nic& nic, const Ntb& ntb) const {
    const std::string who = host_name(grant.host) + ", " + vf_name(grant);
    if (nic.pf.segment != ntb.bdf.segment)
      return wrong(PlanProblem::other_segment,
                   who + ": the NIC is in segment " + segment_name(nic.pf) + " and the host's NTB " +
                       pcie::to_string(ntb.bdf) + " in segment " + segment_name(ntb.bdf) +
                       ", and no request gets from one to the other: grant a VF of a NIC in segment " +
                       segment_name(ntb.bdf) + ", or connect the host in segment " + segment_name(nic.pf));
    const unsigned slots = grant.slot + 1u;
    if (ntb.requester_table && slots > ntb.lut_entries)
      return short_of(PlanProblem::lut_short, who, "outbound look-up table entries", slots, ntb.lut_entries);
    if (slots * kWindowsPerSlot > ntb.windows)
      return short_of(PlanProblem::windows_short, who, "inbound windows", slots * kWindowsPerSlot,
                      ntb.windows);
    if (slots > 256u - kFirstProxy)
      return short_of(PlanProblem::proxies_short, who, "proxy functions", slots, 256u - kFirstProxy);
    const std::uint64_t bytes = slots * (nic.vf_registers_size + nic.vf_msix_size);
    if (bytes > ntb.register_size)
      return short_of(PlanProblem::register_bar_short, who, "bytes of the NTB's register BAR", bytes,
                      ntb.register_size);
    return {};
  }

  // Whether the NTB can tell this VF from those that others have, and its registers from theirs.
  Step check_apart(const Grant& grant, const Nic& nic, const Ntb& ntb) const {
    const std::string who = host_name(grant.host) + ", " + vf_name(grant);
    for (const std::uint64_t size : {nic.vf_registers_size, nic.vf_msix_size})
      if (size % ntb.granule != 0)
        return short_of(PlanProblem::coarse_windows, who, "bytes, the granule of the NTB's register windows",
                        size, ntb.granule);
    for (const Grant& other : intent_.grants) {
      if (&other == &grant) continue;
      if (!ntb.requester_table && other.host == grant.host)
        return wrong(PlanProblem::one_requester,
                     who + ": NTB " + pcie::to_string(ntb.bdf) +
                         " has no requester-ID table, so the host's IOMMU cannot tell it from " +
                         vf_name(other) +
                         ": grant the host one of them, or bridge it by a part with a table");
      const bool same_device =
          other.nic == grant.nic && nic.vf_bdf(other.vf).bdf.bits >> 3 == nic.vf_bdf(grant.vf).bdf.bits >> 3;
      if (ntb.by_device && same_device && other.host != grant.host)
        return wrong(PlanProblem::shared_device,
                     who + ": NTB " + pcie::to_string(ntb.bdf) + " tells devices apart, not functions, and " +
                         vf_name(other) + " of " + host_name(other.host) +
                         " is a function of the same device, " + pcie::to_string(nic.vf_bdf(grant.vf)) +
                         ": grant it a VF of another device");
    }
    return {};
  }

  // What a NIC and its VFs are promised; nothing where nothing is stated.
  Step add_levels(std::uint16_t nic) {
    const NicCapacity capacity = nic < intent_.capacities.size() ? intent_.capacities[nic] : NicCapacity{};
    for (const std::uint64_t rate : {capacity.receive, capacity.transmit})
      if (rate > kLinkRate || rate % 1000 != 0)
        return wrong(PlanProblem::bad_capacity,
                     "NIC " + std::to_string(nic) + ": its capacity is at most 10 Gb/s, in whole kb/s");
    if (capacity != NicCapacity{}) plan_.capacities[nic] = capacity;
    std::vector<const Grant*> grants;
    std::vector<ServiceLevel> levels;
    for (const Grant& grant : intent_.grants) {
      if (grant.nic != nic) continue;
      if (const auto mistake = mistake_in(grant.level))
        return wrong(PlanProblem::bad_level, level_name(grant) + ": " + mistake->field + ": " +
                                                 mistake->message + "; " + mistake->mend);
      grants.push_back(&grant);
      levels.push_back(grant.level);
    }
    const NicResources has = resources(nic, capacity);
    const auto resolved = resolve(has, levels);
    if (!resolved) {
      const Shortage& shortage = resolved.error();
      return std::unexpected(PlanError{PlanProblem::level_short, shortage.wanted, shortage.left,
                                       level_name(*grants[shortage.which]) + ": " + to_string(shortage)});
    }
    if (std::ranges::all_of(levels, [](const ServiceLevel& level) { return level == ServiceLevel{}; }))
      return {};
    // Nobody's VFs keep their share only where nobody else may want it.
    const std::uint64_t share = has.memory / has.vfs;
    const std::uint64_t nobodys = states_memory(levels) || share < kLargestFrame ? 0 : share;
    for (std::uint16_t vf = 0; vf < has.vfs; ++vf) plan_.levels[{nic, vf}].memory = nobodys;
    for (std::size_t i = 0; i < grants.size(); ++i) plan_.levels[{nic, grants[i]->vf}] = (*resolved)[i];
    return {};
  }

  [[nodiscard]] NicResources resources(std::uint16_t nic, const NicCapacity& capacity) const {
    return {.vfs = inventory_.nics[nic].vfs,
            .memory = inventory_.nics[nic].packet_memory,
            .receive = capacity.receive != 0 ? capacity.receive : kLinkRate,
            .transmit = capacity.transmit != 0 ? capacity.transmit : kLinkRate};
  }
  static std::string level_name(const Grant& grant) {
    return grant.guest.empty() ? vf_name(grant) : vf_name(grant) + " (" + grant.guest + ")";
  }

  // One BAR of a VF: a window for the compute host's stores, and the pages that its proxy may touch.
  void add_register_window(std::uint16_t index, unsigned window, std::uint64_t offset, std::uint64_t length,
                           BusAddr to) {
    plan_.windows[{index, Direction::inbound, static_cast<std::uint16_t>(window)}] = {
        ntb::kRegisterBar, offset, length, to, pcie::kReadWrite};
    plan_.domains[{DomainId::Kind::host, index, 0}].mappings[Iova(to.bits())] = {to, length,
                                                                                 pcie::kReadWrite};
  }

  const Inventory& inventory_;
  const Intent& intent_;
  Plan plan_;
};

}  // namespace

host::control::Assign assignment_of(const VfSetup& setup) {
  return {.slot = setup.grant.slot,
          .vm = setup.grant.vm,
          .requester = setup.requester,
          .segment = setup.segment,
          .vf_device = setup.vf_device,
          .registers = setup.registers,
          .msix = setup.msix,
          .message_base = setup.message_base,
          .mac = setup.grant.mac};
}

std::string_view name(PlanProblem problem) {
  switch (problem) {
    case PlanProblem::no_such_nic:
      return "no such NIC";
    case PlanProblem::no_such_vf:
      return "no such VF";
    case PlanProblem::no_such_host:
      return "no such host";
    case PlanProblem::other_segment:
      return "NIC and host in different segments";
    case PlanProblem::vf_twice:
      return "VF granted twice";
    case PlanProblem::slot_twice:
      return "slot used twice";
    case PlanProblem::mac_twice:
      return "MAC used twice";
    case PlanProblem::windows_short:
      return "windows short";
    case PlanProblem::lut_short:
      return "look-up table short";
    case PlanProblem::proxies_short:
      return "proxies short";
    case PlanProblem::register_bar_short:
      return "register BAR short";
    case PlanProblem::dma_bar_short:
      return "DMA BAR short";
    case PlanProblem::coarse_windows:
      return "NTB windows too coarse";
    case PlanProblem::one_requester:
      return "no requester-ID table";
    case PlanProblem::shared_device:
      return "functions of one device at two hosts";
    case PlanProblem::bad_span:
      return "bad span";
    case PlanProblem::bad_level:
      return "bad service level";
    case PlanProblem::level_short:
      return "service level short";
    case PlanProblem::bad_capacity:
      return "bad capacity";
    case PlanProblem::count_:
      break;
  }
  return "?";
}

std::expected<Plan, PlanError> plan(const Inventory& inventory, const Intent& intent) {
  return Planner(inventory, intent).run();
}

}  // namespace ladon::mh
