#include "fabric/impl.h"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "spec/pci.h"

namespace ladon::fabric {

namespace pci = spec::pci;

namespace {

// Each port takes a bus number; three lie above: the root's, the upstream port's and the internal one.
constexpr std::size_t kMaxPorts = 256 - 3;
constexpr std::size_t kMaxSegments = 256;

pcie::Identity identity(std::uint16_t device, std::uint32_t class_code) {
  return {.vendor = pci::kLadonVendor,
          .device = device,
          .subsystem_vendor = pci::kLadonVendor,
          .subsystem = 0,
          .class_code = class_code,
          .revision = 1};
}

pcie::ConfigSpace bridge(std::uint16_t device, pcie::PortType type) {
  auto space = pcie::ConfigSpace::bridge(identity(device, 0x060400));
  space.add_express(type, false);
  space.add_aer();
  if (type == pcie::PortType::downstream) space.add_acs();
  return space;
}

iommu::UnitOptions unit_options(const Options& options, std::size_t domain) {
  using iommu::Enforcement;
  using iommu::InterruptMode;
  const Defences& on = options.defences;
  const bool management = domain == 0;
  iommu::UnitOptions unit;
  if (management && !on.mh_iommu) {
    unit.enforcement = Enforcement::offset;
    unit.interrupts = InterruptMode::unchecked;
  }
  if (!management && !on.ch_iommu) unit.enforcement = Enforcement::passthrough;
  if (!on.interrupt_remapping) unit.interrupts = InterruptMode::off;
  unit.invalidation = options.hosts[domain].invalidation;
  unit.iotlb_entries = options.hosts[domain].iotlb_entries;
  return unit;
}

void refuse(const char* why) {
  throw std::invalid_argument(why);
}

void check(const NtbOptions& ntb) {
  for (const std::uint64_t size : {ntb.dma_window, ntb.register_window})
    if (!std::has_single_bit(size) || size < (std::uint64_t{1} << 20))
      refuse("an NTB window must be a power of two of at least 1 MiB");
  if (!ntb.requester_table && ntb.lut_entries != 0) refuse("LUT entries without a requester-ID table");
  if (ntb.requester_table && (ntb.lut_entries == 0 || ntb.lut_entries > spec::ntb::kMaxLut))
    refuse("LUT entries: 1 to 512");
  if (!std::has_single_bit(ntb.granule) || ntb.granule < 4096 || ntb.granule > ntb.register_window)
    refuse("the granule of an NTB's windows: a power of two from 4 KiB to the register window");
  if (ntb.windows == 0 || ntb.windows > spec::ntb::kMaxWindows) refuse("NTB windows: 1 to 128");
}

void check(const Options& options) {
  if (options.hosts.empty()) refuse("a rack needs a management host");
  std::map<pcie::HostSegment, std::size_t> ports;
  for (const auto& endpoint : options.endpoints) {
    if (endpoint.device == nullptr) refuse("an endpoint without a device");
    ++ports[endpoint.segment];
  }
  for (std::size_t domain = 1; domain < options.hosts.size(); ++domain) {
    check(options.hosts[domain].ntb);
    ++ports[options.hosts[domain].segment];
  }
  for (const auto& [segment, count] : ports) {
    if (static_cast<std::size_t>(segment) >= kMaxSegments) refuse("segments: at most 256");
    if (count > kMaxPorts)
      refuse("more compute hosts and endpoints in a segment than its switch has ports (253)");
  }
}

// Those of the management host: as many as are named. Of a compute host: one.
std::size_t segments_of(const Options& options, std::size_t domain) {
  std::size_t last = 0;
  if (domain != 0) return 1;
  for (const auto& endpoint : options.endpoints)
    last = std::max(last, static_cast<std::size_t>(endpoint.segment));
  for (const auto& host : options.hosts) last = std::max(last, static_cast<std::size_t>(host.segment));
  return last + 1;
}

// Adds the parts of `range` that no claim has yet.
void add_claim(std::vector<Claim>& claims, const Claim& whole) {
  std::vector<Range<BusAddr>> parts{whole.range};
  for (const Claim& other : claims) {
    std::vector<Range<BusAddr>> left;
    for (const auto& part : parts) {
      const auto common = part.intersect(other.range);
      if (!common) {
        left.push_back(part);
        continue;
      }
      if (part.first() < common->first())
        left.push_back(*Range<BusAddr>::between(part.first(), BusAddr(common->first().bits() - 1)));
      if (common->last() < part.last())
        left.push_back(*Range<BusAddr>::between(BusAddr(common->last().bits() + 1), part.last()));
    }
    parts = std::move(left);
  }
  for (const auto& part : parts)
    claims.push_back({.range = part, .base = whole.base, .function = whole.function, .bar = whole.bar});
}

// The claims by address. Where software has laid BARs over one another, the first function has the address.
std::vector<Claim> apart(const std::vector<Claim>& wanted) {
  const auto by_address = [](const Claim& a, const Claim& b) { return a.range.first() < b.range.first(); };
  std::vector<Claim> claims = wanted;
  std::sort(claims.begin(), claims.end(), by_address);
  const auto meet = [](const Claim& a, const Claim& b) { return a.range.overlaps(b.range); };
  if (std::adjacent_find(claims.begin(), claims.end(), meet) == claims.end()) return claims;
  claims.clear();
  for (const Claim& claim : wanted) add_claim(claims, claim);
  std::sort(claims.begin(), claims.end(), by_address);
  return claims;
}

}  // namespace

BridgeTable Fabric::Impl::bridge_table(const pcie::ConfigSpace& space) {
  const auto windows = space.bridge_windows();
  const auto express = *space.capability(pci::kCapExpress);
  const auto control2 = space.read(static_cast<std::uint16_t>(express + pci::kExpressDeviceControl2), 2);
  return {.secondary = windows.secondary,
          .subordinate = windows.subordinate,
          .memory = windows.memory,
          .prefetchable = windows.prefetchable,
          .bus_master = space.bus_master(),
          .ari_forwarding = (control2 & pci::kDeviceControl2AriForwarding) != 0};
}

Fabric::Impl::Host::Host(const Options& options, std::size_t domain)
    : memory(std::make_shared<std::vector<MemoryRange>>()),
      units(unit_options(options, domain), segments_of(options, domain)),
      log(options.fault_log) {
  for (std::size_t s = 0; s < units.size(); ++s) {
    segments.push_back({pcie::ConfigSpace::endpoint(identity(pci::kHostBridgeDevice, 0x060000)),
                        bridge(pci::kRootPortDevice, pcie::PortType::root_port),
                        {}});
    if (domain == 0)
      segments.back().packet_switch = Switch{bridge(pci::kSwitchDevice, pcie::PortType::upstream), {}};
  }
}

Fabric::Impl::Impl(const Options& wanted) : options((check(wanted), wanted)) {
  auto next = std::make_shared<Tables>();
  next->defences = options.defences;
  auto names = std::make_shared<Names>();
  for (std::size_t domain = 0; domain < options.hosts.size(); ++domain) {
    hosts.push_back(std::make_unique<Host>(options, domain));
    names->hosts.push_back(options.hosts[domain].name);
    if (domain == 0) continue;
    const auto index = static_cast<std::uint16_t>(domain - 1);
    ntb_ports.push_back(add_port(options.hosts[domain].segment, {.is_ntb = true, .index = index}));
    ntbs.push_back(std::make_unique<Ntb>(options.hosts[domain].ntb, index, *this));
    next->ntbs.push_back(std::make_shared<NtbTable>(ntb_table(index)));
  }
  for (std::uint16_t e = 0; e < options.endpoints.size(); ++e) {
    endpoint_ports.push_back(add_port(options.endpoints[e].segment, {.is_ntb = false, .index = e}));
    decode_versions.push_back(options.endpoints[e].device->decode_version());
    names->endpoints.push_back(options.endpoints[e].name);
    next->endpoints.push_back(endpoint_table(e));
  }
  for (Segment& segment : hosts.front()->segments) {
    auto& ports = segment.packet_switch->ports;
    const std::size_t functions = segment.packet_switch->functions_a_device();
    for (std::size_t p = 0; functions > 1 && p + 1 < ports.size(); p += functions)
      ports[p].space.set_multi_function();
  }
  for (const auto& host : hosts) next->hosts.push_back(host_table(*host));
  next->names = std::move(names);
  tables = std::move(next);
}

Fabric::Impl::Host* Fabric::Impl::host(pcie::Domain domain) {
  const auto index = static_cast<std::size_t>(domain);
  return index < hosts.size() ? hosts[index].get() : nullptr;
}

iommu::Unit* Fabric::Impl::unit(pcie::Domain domain, pcie::HostSegment segment) {
  Host* owner = host(domain);
  const auto index = static_cast<std::size_t>(segment);
  return owner != nullptr && index < owner->units.size() ? &owner->units[index] : nullptr;
}

Fabric::Impl::PortId Fabric::Impl::add_port(pcie::HostSegment segment, Attached below) {
  auto& ports = hosts.front()->segments[static_cast<std::size_t>(segment)].packet_switch->ports;
  ports.push_back({bridge(pci::kSwitchDevice, pcie::PortType::downstream), below});
  return {segment, static_cast<std::uint16_t>(ports.size() - 1)};
}

std::shared_ptr<const HostTable> Fabric::Impl::host_table(const Host& host) const {
  auto table = std::make_shared<HostTable>();
  table->memory = host.memory;
  for (std::size_t s = 0; s < host.segments.size(); ++s) {
    const Segment& segment = host.segments[s];
    table->hierarchies.push_back(
        {.root_port = bridge_table(segment.root_port),
         .iommu = host.units[s].table(),
         .packet_switch = segment.packet_switch ? switch_table(*segment.packet_switch) : nullptr});
  }
  for (const auto& [vm, second_level] : host.vms) table->vms.push_back({vm, second_level});
  return table;
}

PortTable Fabric::Impl::port_table(const Port& port) const {
  auto acs = port.space.acs();
  if (!options.defences.acs) acs.request_redirect = acs.completion_redirect = acs.upstream_forwarding = false;
  return {.bridge = bridge_table(port.space), .acs = acs, .below = port.below};
}

std::shared_ptr<const SwitchTable> Fabric::Impl::switch_table(const Switch& packet_switch) const {
  auto table = std::make_shared<SwitchTable>();
  table->upstream = bridge_table(packet_switch.upstream);
  for (const Port& port : packet_switch.ports) table->downstream.push_back(port_table(port));
  return table;
}

NtbTable Fabric::Impl::ntb_table(std::uint16_t ntb) const {
  return ntbs[ntb]->table(ntb_ports[ntb].segment, ntb_ports[ntb].index);
}

std::shared_ptr<const EndpointTable> Fabric::Impl::endpoint_table(std::uint16_t endpoint) const {
  auto table = std::make_shared<EndpointTable>();
  table->segment = endpoint_ports[endpoint].segment;
  table->port = endpoint_ports[endpoint].index;
  pcie::Endpoint& device = *options.endpoints[endpoint].device;
  table->functions = device.functions();
  for (const std::uint16_t index : table->functions) {
    const pcie::Function* function = device.function(index);
    table->bus_masters.push_back(function != nullptr && function->bus_master() ? 1 : 0);
    if (function == nullptr) continue;
    for (const auto& bar : function->decoded())
      table->claims.push_back(
          {.range = bar.range, .base = bar.range.first(), .function = index, .bar = bar.bar});
  }
  table->claims = apart(table->claims);
  return table;
}

}  // namespace ladon::fabric
