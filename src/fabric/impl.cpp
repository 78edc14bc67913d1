#include "fabric/impl.h"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <utility>

#include "spec/pci.h"

namespace ladon::fabric {

namespace pci = spec::pci;

namespace {

// Each port takes a bus number; three lie above: the root's, the upstream port's and the internal one.
constexpr std::size_t kMaxPorts = 256 - 3;

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

BridgeTable bridge_table(const pcie::ConfigSpace& space) {
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

bool same(const BridgeTable& a, const BridgeTable& b) {
  return a.secondary == b.secondary && a.subordinate == b.subordinate && a.memory == b.memory &&
         a.prefetchable == b.prefetchable && a.bus_master == b.bus_master &&
         a.ari_forwarding == b.ari_forwarding;
}

bool same(const SwitchTable& a, const SwitchTable& b) {
  const auto same_port = [](const PortTable& x, const PortTable& y) {
    return same(x.bridge, y.bridge) && x.acs.source_validation == y.acs.source_validation &&
           x.acs.translation_blocking == y.acs.translation_blocking &&
           x.acs.request_redirect == y.acs.request_redirect &&
           x.acs.completion_redirect == y.acs.completion_redirect &&
           x.acs.upstream_forwarding == y.acs.upstream_forwarding;
  };
  return same(a.upstream, b.upstream) && std::equal(a.downstream.begin(), a.downstream.end(),
                                                    b.downstream.begin(), b.downstream.end(), same_port);
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
  if (ntb.lut_entries == 0 || ntb.lut_entries > spec::ntb::kMaxLut) refuse("LUT entries: 1 to 512");
  if (ntb.windows == 0 || ntb.windows > spec::ntb::kMaxWindows) refuse("NTB windows: 1 to 128");
}

void check(const Options& options) {
  if (options.hosts.empty()) refuse("a rack needs a management host");
  if (options.hosts.size() - 1 + options.endpoints.size() > kMaxPorts)
    refuse("more compute hosts and endpoints than the switch has ports (253)");
  for (const auto& endpoint : options.endpoints)
    if (endpoint.device == nullptr) refuse("an endpoint without a device");
  for (std::size_t domain = 1; domain < options.hosts.size(); ++domain) check(options.hosts[domain].ntb);
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

}  // namespace

Fabric::Impl::Host::Host(const Options& options, std::size_t domain)
    : host_bridge(pcie::ConfigSpace::endpoint(identity(pci::kHostBridgeDevice, 0x060000))),
      root_port(bridge(pci::kRootPortDevice, pcie::PortType::root_port)),
      memory(std::make_shared<std::vector<MemoryRange>>()),
      unit(unit_options(options, domain)),
      log(options.fault_log) {}

Fabric::Impl::Impl(const Options& wanted)
    : options((check(wanted), wanted)), upstream(bridge(pci::kSwitchDevice, pcie::PortType::upstream)) {
  auto next = std::make_shared<Tables>();
  next->defences = options.defences;
  auto names = std::make_shared<Names>();
  const auto down = [](bool is_ntb, std::size_t index) {
    return Port{bridge(pci::kSwitchDevice, pcie::PortType::downstream),
                {.is_ntb = is_ntb, .index = static_cast<std::uint16_t>(index)}};
  };
  for (std::size_t domain = 0; domain < options.hosts.size(); ++domain) {
    hosts.push_back(std::make_unique<Host>(options, domain));
    names->hosts.push_back(options.hosts[domain].name);
    next->hosts.push_back(host_table(*hosts.back()));
    if (domain == 0) continue;
    const auto index = static_cast<std::uint16_t>(domain - 1);
    ports.push_back(down(true, index));
    ntbs.push_back(std::make_unique<Ntb>(options.hosts[domain].ntb, index, *this));
    next->ntbs.push_back(std::make_shared<NtbTable>(ntbs.back()->table(port_of(true, index))));
  }
  for (std::uint16_t e = 0; e < options.endpoints.size(); ++e) {
    ports.push_back(down(false, e));
    decode_versions.push_back(options.endpoints[e].device->decode_version());
    names->endpoints.push_back(options.endpoints[e].name);
    next->endpoints.push_back(endpoint_table(e));
  }
  for (std::size_t p = kDevices; p < ports.size(); ++p) ports[p % kDevices].space.set_multi_function();
  next->packet_switch = switch_table();
  next->names = std::move(names);
  tables = std::move(next);
}

Fabric::Impl::Host* Fabric::Impl::host(pcie::Domain domain) {
  const auto index = static_cast<std::size_t>(domain);
  return index < hosts.size() ? hosts[index].get() : nullptr;
}

std::uint16_t Fabric::Impl::port_of(bool is_ntb, std::uint16_t index) const {
  const auto it = std::find_if(ports.begin(), ports.end(), [&](const Port& port) {
    return port.below.is_ntb == is_ntb && port.below.index == index;
  });
  return static_cast<std::uint16_t>(it - ports.begin());
}

std::shared_ptr<const HostTable> Fabric::Impl::host_table(const Host& host) const {
  auto table = std::make_shared<HostTable>();
  table->memory = host.memory;
  table->root_port = bridge_table(host.root_port);
  table->iommu = host.unit.table();
  for (const auto& [vm, second_level] : host.vms) table->vms.push_back({vm, second_level});
  return table;
}

std::shared_ptr<const SwitchTable> Fabric::Impl::switch_table() const {
  auto table = std::make_shared<SwitchTable>();
  table->upstream = bridge_table(upstream);
  for (const Port& port : ports) {
    auto acs = port.space.acs();
    if (!options.defences.acs)
      acs.request_redirect = acs.completion_redirect = acs.upstream_forwarding = false;
    table->downstream.push_back({.bridge = bridge_table(port.space), .acs = acs, .below = port.below});
  }
  return table;
}

std::shared_ptr<const EndpointTable> Fabric::Impl::endpoint_table(std::uint16_t endpoint) const {
  auto table = std::make_shared<EndpointTable>();
  table->port = port_of(false, endpoint);
  pcie::Endpoint& device = *options.endpoints[endpoint].device;
  table->functions = device.functions();
  for (const std::uint16_t index : table->functions) {
    const pcie::Function* function = device.function(index);
    table->bus_masters.push_back(function != nullptr && function->bus_master() ? 1 : 0);
    if (function == nullptr) continue;
    for (const auto& bar : function->decoded())
      add_claim(table->claims,
                {.range = bar.range, .base = bar.range.first(), .function = index, .bar = bar.bar});
  }
  std::sort(table->claims.begin(), table->claims.end(),
            [](const Claim& a, const Claim& b) { return a.range.first() < b.range.first(); });
  return table;
}

void Fabric::Impl::publish(std::shared_ptr<Tables> next, AffectedSet& set) {
  ++next->version;
  const auto before = std::exchange(tables, std::move(next));  // `set` still reads it
  const Affected affected = set.take();
  const bool any = affected.everyone || !affected.functions.empty() || !affected.processors.empty();
  if (any && listener != nullptr) listener->access_changed(affected);
}

void Fabric::Impl::bridges_changed() {
  auto next = std::make_shared<Tables>(*tables);
  bool changed = false;
  for (std::size_t domain = 0; domain < hosts.size(); ++domain) {
    const BridgeTable now = bridge_table(hosts[domain]->root_port);
    if (same(now, tables->hosts[domain]->root_port)) continue;
    auto table = std::make_shared<HostTable>(*tables->hosts[domain]);
    table->root_port = now;
    next->hosts[domain] = std::move(table);
    changed = true;
  }
  if (auto now = switch_table(); !same(*now, *tables->packet_switch)) {
    next->packet_switch = std::move(now);
    changed = true;
  }
  if (!changed) return;
  AffectedSet affected(*tables);
  affected.everyone();
  publish(std::move(next), affected);
}

void Fabric::Impl::endpoints_changed() {
  for (std::uint16_t e = 0; e < options.endpoints.size(); ++e) {
    const std::uint64_t version = options.endpoints[e].device->decode_version();
    if (version == std::exchange(decode_versions[e], version)) continue;
    auto next = std::make_shared<Tables>(*tables);
    next->endpoints[e] = endpoint_table(e);
    AffectedSet affected(*tables);
    affected.endpoint(e, *tables->endpoints[e], *next->endpoints[e]);
    publish(std::move(next), affected);
  }
}

void Fabric::Impl::memory_changed(pcie::Domain domain, const Range<BusAddr>& range, bool only_added) {
  const auto index = static_cast<std::size_t>(domain);
  auto next = std::make_shared<Tables>(*tables);
  auto table = std::make_shared<HostTable>(*tables->hosts[index]);
  table->memory = hosts[index]->memory;
  next->hosts[index] = std::move(table);
  AffectedSet affected(*tables);
  // Memory goes before the root port's windows: what has gone down there ends in it now.
  const BridgeTable& port = tables->hosts[index]->root_port;
  const auto covers = [&](const auto& window) { return window && window->overlaps(range); };
  if (!only_added || covers(port.memory) || covers(port.prefetchable)) affected.memory(domain, range);
  publish(std::move(next), affected);
}

void Fabric::Impl::iommu_changed(pcie::Domain domain, bool only_added, const pcie::Bdf* unrouted) {
  const auto index = static_cast<std::size_t>(domain);
  auto next = std::make_shared<Tables>(*tables);
  auto table = std::make_shared<HostTable>(*tables->hosts[index]);
  table->iommu = hosts[index]->unit.table();
  next->hosts[index] = table;
  AffectedSet affected(*tables);
  const bool exact = table->iommu->enforcement == iommu::Enforcement::full;
  if (!only_added || !exact) affected.iommu(domain, *tables->hosts[index]->iommu, *table->iommu);
  if (unrouted != nullptr) {
    // Without a check of the source anyone may have used the entry.
    if (table->iommu->interrupts->mode == iommu::InterruptMode::unchecked)
      affected.everyone();
    else
      affected.requester(domain, *unrouted);
  }
  publish(std::move(next), affected);
}

void Fabric::Impl::vms_changed(pcie::Domain domain, bool only_added) {
  const auto index = static_cast<std::size_t>(domain);
  auto next = std::make_shared<Tables>(*tables);
  auto table = std::make_shared<HostTable>(*tables->hosts[index]);
  table->vms.clear();
  for (const auto& [vm, second_level] : hosts[index]->vms) table->vms.push_back({vm, second_level});
  next->hosts[index] = std::move(table);
  AffectedSet affected(*tables);
  if (!only_added || !options.defences.ept) affected.processor(domain);
  publish(std::move(next), affected);
}

void Fabric::Impl::ntb_changed(std::uint16_t ntb) {
  auto next = std::make_shared<Tables>(*tables);
  next->ntbs[ntb] = std::make_shared<NtbTable>(ntbs[ntb]->table(port_of(true, ntb)));
  AffectedSet affected(*tables);
  affected.ntb(ntb, *tables->ntbs[ntb], *next->ntbs[ntb]);
  publish(std::move(next), affected);
}

}  // namespace ladon::fabric
