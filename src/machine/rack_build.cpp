#include "machine/rack_build.h"

#include <algorithm>

namespace ladon::machine {

using spec::ntb::Requesters;

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
// A host's domain: its own memory from 0, 32-bit BARs below the interrupt range, guests' memory from 4 GiB up
// to the stride of the global address space, 64-bit BARs above that.
constexpr std::uint64_t kStride = 64 * kGiB;
constexpr std::uint64_t kMmio32 = 0xC000'0000, kMmio32End = 0xFEC0'0000;
// The management host has the 32-bit BARs of all NTBs and NICs (rack_sections.h), and no memory of a bare
// host's guest, which may reach to 0xB000'0000.
constexpr std::uint64_t kManagementMmio32 = 0x8000'0000;
constexpr std::uint64_t kHypervisorMemory = std::uint64_t{64} << 20;
// A bare host's own operating system is the guest, and has the low addresses; what serves it lies out of its
// way.
constexpr std::uint64_t kBareOwnMemory = kStride - kHypervisorMemory;
constexpr std::uint64_t kMmio64 = kStride, kMmio64End = std::uint64_t{1} << 46;

Range<BusAddr> range(std::uint64_t first, std::uint64_t end) {
  return Range<BusAddr>::between(BusAddr(first), BusAddr(end - 1)).value();
}

}  // namespace

fabric::Options fabric_options(const Rack& rack, const std::vector<pcie::Endpoint*>& devices) {
  fabric::Options options;
  for (const auto& host : rack.hosts) {
    options.hosts.push_back({.name = host.name,
                             .invalidation = host.invalidation == Invalidation::strict
                                                 ? iommu::Invalidation::strict
                                                 : iommu::Invalidation::deferred,
                             .ntb = {.dma_window = host.ntb.dma_window,
                                     .register_window = host.ntb.register_window,
                                     .lut_entries = host.ntb.lut,
                                     .windows = static_cast<std::uint8_t>(host.ntb.windows),
                                     .granule = granule(*host.ntb.part, host.ntb.register_window),
                                     .size_aligned = host.ntb.part->size_aligned,
                                     .whole_bar = !host.ntb.part->limits,
                                     .requester_table = host.ntb.part->requesters != Requesters::none,
                                     .by_device = host.ntb.part->requesters == Requesters::by_device,
                                     .narrow = host.ntb.narrow},
                             .segment = pcie::HostSegment{host.segment}});
  }
  for (std::size_t i = 0; i < devices.size(); ++i)
    options.endpoints.push_back({.name = rack.nics[i].name,
                                 .device = devices[i],
                                 .segment = pcie::HostSegment{rack.nics[i].segment}});
  options.defences = fabric_defences(rack.defences);
  return options;
}

fabric::Defences fabric_defences(const Defences& defences) {
  return {.acs = defences.acs,
          .mh_iommu = defences.mh_iommu,
          .lut = defences.ntb_lut,
          .ch_iommu = defences.ch_iommu,
          .interrupt_remapping = defences.interrupt_remapping,
          .ept = defences.ept};
}

nic::NicOptions nic_options(const Rack& rack, std::size_t nic) {
  const NicSpec& spec = rack.nics[nic];
  return {.vfs = spec.vfs,
          .vf_device = spec.device == NicDevice::x550 ? spec::pci::kX550VfDevice : spec::pci::k82599VfDevice,
          .serial = rack.seed << 8 | (nic & 0xFF) | std::uint64_t{nic >> 8} << 56,
          .packet_memory_bytes = spec.packet_memory};
}

host::Description describe_host(const Rack& rack, std::size_t domain) {
  const HostSpec& host = rack.hosts[domain];
  host::Description description;
  description.domain = pcie::Domain{static_cast<std::uint16_t>(domain)};
  description.dram = range(0, kStride);
  if (host.kind == HostKind::bare) {
    description.own_memory = range(kBareOwnMemory, kBareOwnMemory + kHypervisorMemory);
  } else {
    description.own_memory = range(0, std::min(host.memory, kHypervisorMemory));
  }
  description.mmio32 = range(domain == 0 ? kManagementMmio32 : kMmio32, kMmio32End);
  description.mmio64 = range(kMmio64, kMmio64End);
  if (domain == 0) description.segments = segments(rack);
  return description;
}

Range<BusAddr> guest_memory(const Rack& rack, std::size_t domain) {
  return rack.hosts[domain].kind == HostKind::bare ? range(0, kBareOwnMemory) : range(4 * kGiB, kStride);
}

HostMemory::Reservations reserved_memory(const Rack& rack, std::size_t domain) {
  HostMemory::Reservations reserved;
  for (const auto& placed : placed_guests(rack))
    if (static_cast<std::size_t>(placed.domain) == domain && placed.guest->memory_at)
      reserved.emplace(placed.slot,
                       Range<BusAddr>::of(*placed.guest->memory_at, placed.guest->memory).value());
  return reserved;
}

std::vector<PlacedGuest> placed_guests(const Rack& rack) {
  std::vector<PlacedGuest> placed;
  for (std::size_t domain = 0; domain < rack.hosts.size(); ++domain) {
    std::uint8_t slot = 0;
    for (const auto& guest : rack.hosts[domain].guests)
      if (guest.vf)
        placed.push_back(
            {&rack.hosts[domain], &guest, pcie::Domain{static_cast<std::uint16_t>(domain)}, slot++});
    for (const auto& software : rack.hosts[domain].software)
      placed.push_back(
          {&rack.hosts[domain], &software, pcie::Domain{static_cast<std::uint16_t>(domain)}, slot++, true});
  }
  return placed;
}

std::string vhost_socket(const std::string& directory, const GuestSpec& guest) {
  return directory + "/" + guest.name + ".vhost";
}

mh::Intent intent_of(const Rack& rack) {
  mh::Intent intent;
  for (std::size_t domain = 1; domain < rack.hosts.size(); ++domain) {
    // All that may be memory at this host, guests' placements above 4 GiB included: what separates its guests
    // is its own IOMMU, not the length of the window.
    std::uint64_t span = 4 * kGiB + rack.hosts[domain].memory;
    for (const auto& guest : rack.hosts[domain].guests) span = std::max(span, address_span(guest));
    // A smaller window is as far as devices get.
    span = std::min(span, rack.hosts[domain].ntb.dma_window);
    intent.hosts.push_back({.domain = pcie::Domain{static_cast<std::uint16_t>(domain)},
                            .dma_span = span,
                            .name = rack.hosts[domain].name});
  }
  for (const auto& [host, guest, domain, slot, software] : placed_guests(rack)) {
    if (domain == pcie::kManagementDomain) intent.local_slots = static_cast<std::uint8_t>(slot + 1);
    intent.grants.push_back({.nic = static_cast<std::uint16_t>(guest->vf->nic),
                             .vf = guest->vf->index,
                             .host = domain,
                             .slot = slot,
                             .vm = pcie::Vm{slot},
                             .guest = guest->name,
                             .mac = guest->vf->mac,
                             .vlan = guest->vf->vlan,
                             .spoof_check = guest->vf->spoof_check,
                             .trust = guest->vf->trust,
                             .link_forced = guest->vf->state == LinkState::on,
                             .disabled = guest->vf->state == LinkState::off,
                             .backpressure = guest->vf->backpressure,
                             .coalesce = guest->vf->coalesce,
                             .unsegmented = guest->vf->unsegmented,
                             .on_fault = guest->vf->on_fault,
                             .level = guest->vf->level});
  }
  for (const NicSpec& nic : rack.nics) intent.capacities.push_back({nic.rx_capacity, nic.tx_capacity});
  return intent;
}

}  // namespace ladon::machine
