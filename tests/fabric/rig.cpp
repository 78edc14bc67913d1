#include "fabric/rig.h"

#include <algorithm>
#include <stdexcept>

namespace ladon::fabric::test {

namespace ntb = spec::ntb;
namespace pci = spec::pci;
using pcie::Bdf;
using pcie::Domain;

namespace {

constexpr pcie::Identity kNic{.vendor = 0x8086,
                              .device = 0x1563,
                              .subsystem_vendor = 0,
                              .subsystem = 0,
                              .class_code = 0x020000,
                              .revision = 1};

Range<BusAddr> range(std::uint64_t first, std::uint64_t length) {
  return *Range<BusAddr>::of(BusAddr(first), length);
}

}  // namespace

FakeNic::FakeNic() {
  auto space = pcie::ConfigSpace::endpoint(kNic);
  space.add_bar(0, pcie::BarKind::memory32, 0x1'0000);
  space.add_express(pcie::PortType::endpoint, true);
  space.add_ari();
  space.add_sriov({.total_vfs = kVfs,
                   .first_offset = kFirstVf,
                   .stride = kVfStride,
                   .vf_device = 0x1565,
                   .vf_bar_sizes = {kVfBarSize, 0, 0, 0, 0, 0}});
  pf_ = std::make_unique<FakeFunction>(std::move(space), version_);
  for (unsigned i = 0; i < kVfs; ++i) {
    auto vf = pcie::ConfigSpace::virtual_function(kNic);
    vf.add_express(pcie::PortType::endpoint, true);
    vfs_.push_back(std::make_unique<FakeFunction>(std::move(vf), version_));
    vfs_.back()->bars_of = [this, i]() -> std::vector<pcie::BarRange> {
      const auto sriov = pf_->space.sriov();
      if (!sriov->enabled || !sriov->memory_enabled || !sriov->vf_bars[0]) return {};
      const auto first = sriov->vf_bars[0]->plus(i * kVfBarSize);
      if (!first) return {};
      return {{0, range(first->bits(), kVfBarSize)}};
    };
  }
}

pcie::Function* FakeNic::function(std::uint16_t index) {
  if (index == 0) return pf_.get();
  const auto present = functions();
  if (std::find(present.begin(), present.end(), index) == present.end()) return nullptr;
  return vfs_[(index - kFirstVf) / kVfStride].get();
}

std::vector<std::uint16_t> FakeNic::functions() const {
  std::vector<std::uint16_t> all{0};
  const auto sriov = pf_->space.sriov();
  for (unsigned i = 0; sriov->enabled && i < sriov->vfs; ++i) all.push_back(index_of(i));
  return all;
}

Rig::Rig(const RigOptions& options, bool enumerated)
    : hosts(options.compute_hosts), layout{options.compute_hosts, options.segments} {
  const auto segment = [](unsigned s) { return pcie::HostSegment{static_cast<std::uint16_t>(s)}; };
  Options rack;
  rack.hosts.push_back({.name = "mh", .invalidation = options.invalidation});
  for (unsigned k = 1; k <= hosts; ++k)
    rack.hosts.push_back({.name = "ch" + std::to_string(k),
                          .invalidation = options.invalidation,
                          .ntb = k <= options.ntbs.size() ? options.ntbs[k - 1] : NtbOptions{},
                          .segment = segment(layout.segment_of(k))});
  rack.endpoints.push_back({.name = "nic0", .device = &nic});
  for (unsigned s = 1; s < layout.segments; ++s) {
    more_nics.push_back(std::make_unique<FakeNic>());
    rack.endpoints.push_back(
        {.name = "nic" + std::to_string(s), .device = more_nics.back().get(), .segment = segment(s)});
  }
  rack.defences = options.defences;
  fabric = std::make_unique<Fabric>(rack);
  fabric->listen(this);
  for (unsigned d = 0; d <= hosts; ++d) {
    const Domain domain{static_cast<std::uint16_t>(d)};
    if (!fabric->add_memory(domain, {range(0, kDram), MemoryId{d}, 0}) ||
        !fabric->add_memory(domain, {range(kHighDram, kHighDramSize), MemoryId{d}, kDram}))
      throw std::logic_error("memory");
  }
  if (enumerated) enumerate();
  changes.clear();
}

// Without a prefetchable window: base above limit.
void Rig::bridge(Domain domain, pcie::Sbdf bdf, unsigned primary, unsigned secondary, unsigned subordinate,
                 Range<BusAddr> memory, std::optional<Range<BusAddr>> prefetchable) {
  config(domain, bdf, pci::kPrimaryBus, 4, primary | secondary << 8 | subordinate << 16);
  const auto high = [](BusAddr a) { return static_cast<std::uint32_t>(a.bits() >> 16) & 0xFFF0; };
  config(domain, bdf, pci::kMemoryBase, 4, high(memory.first()) | high(memory.last()) << 16);
  const BusAddr base = prefetchable ? prefetchable->first() : BusAddr(0xFFF0'0000);
  const BusAddr limit = prefetchable ? prefetchable->last() : BusAddr(0);
  config(domain, bdf, pci::kPrefetchableBase, 4, high(base) | high(limit) << 16);
  config(domain, bdf, pci::kPrefetchableBaseUpper, 4, static_cast<std::uint32_t>(base.bits() >> 32));
  config(domain, bdf, pci::kPrefetchableLimitUpper, 4, static_cast<std::uint32_t>(limit.bits() >> 32));
  config(domain, bdf, pci::kCommand, 2, pci::kCommandMemory | pci::kCommandBusMaster);
}

void Rig::bar(Domain domain, pcie::Sbdf bdf, unsigned index, std::uint64_t base, bool wide) {
  const auto at = static_cast<std::uint16_t>(pci::kBar0 + 4 * index);
  config(domain, bdf, at, 4, static_cast<std::uint32_t>(base));
  if (wide)
    config(domain, bdf, static_cast<std::uint16_t>(at + 4), 4, static_cast<std::uint32_t>(base >> 32));
}

// Bus 1: upstream port; bus 2: downstream ports; bus 3 + p: what is below port p.
void Rig::enumerate_segment(unsigned segment) {
  const auto place = [segment](unsigned bus, unsigned device) {
    return in_segment(segment, Bdf(bus, device, 0));
  };
  const unsigned ports = layout.hosts_in(segment) + 1, last_bus = 2 + ports,
                 before = layout.hosts_before(segment);
  const auto all32 = range(port_base(layout.first_place(segment)), ports * kPortStride);
  auto all64 = segment == 0 ? std::optional(range(kVfBars, ports * kDmaSpan)) : std::nullopt;
  if (segment != 0 && ports > 1) all64 = range(dma_window(before + 1), (ports - 1) * kDmaSpan);
  bridge(kMh, place(0, 1), 0, 1, last_bus, all32, all64);
  bridge(kMh, place(1, 0), 1, 2, last_bus, all32, all64);
  constexpr std::uint16_t kCommand = pci::kCommandMemory | pci::kCommandBusMaster;
  for (unsigned p = 0; p < ports; ++p) {
    const unsigned k = before + p + 1;
    const bool is_ntb = p + 1 < ports;
    const std::uint64_t base = port_base(layout.first_place(segment) + p);
    std::optional<Range<BusAddr>> wide;
    if (is_ntb) wide = range(dma_window(k), kDmaSpan);
    if (!is_ntb && segment == 0) wide = range(kVfBars, 0x10'0000);
    bridge(kMh, place(2, p), 2, 3 + p, 3 + p, range(base, kPortStride), wide);
    set_acs(p, 0x1F, segment);
    const pcie::Sbdf device = place(3 + p, 0);
    bar(kMh, device, 0, base, false);
    if (is_ntb) {
      bar(kMh, device, 1, base + 0x10'0000, false);
      bar(kMh, device, 2, dma_window(k), true);
    }
    config(kMh, device, pci::kCommand, 2, kCommand);
  }
}

void Rig::enable_vfs(unsigned segment) {
  const auto sriov = static_cast<std::uint16_t>(*nic.pf().space.extended_capability(pci::kExtSriov));
  const auto offset = [&](unsigned field) { return static_cast<std::uint16_t>(sriov + field); };
  const unsigned port = layout.nic_port(segment);
  const pcie::Sbdf pf = in_segment(segment, Bdf(3 + port, 0, 0));
  const std::uint64_t bars = layout.vf_bars(segment);
  config(kMh, pf, offset(pci::kSriovVfBar0), 4, static_cast<std::uint32_t>(bars));
  config(kMh, pf, offset(pci::kSriovVfBar0 + 4), 4, static_cast<std::uint32_t>(bars >> 32));
  config(kMh, pf, offset(pci::kSriovNumVfs), 2, kVfs);
  config(kMh, pf, offset(pci::kSriovControl), 2, pci::kSriovControlVfEnable | pci::kSriovControlVfMemory);
  // ARI forwarding, so that functions beyond 7 answer.
  config(kMh, in_segment(segment, Bdf(2, port, 0)),
         static_cast<std::uint16_t>(0x40 + pci::kExpressDeviceControl2), 2,
         pci::kDeviceControl2AriForwarding);
  for (unsigned vf = 0; vf < kVfs; ++vf)
    config(kMh, in_segment(segment, vf_rid(vf, segment)), pci::kCommand, 2, pci::kCommandBusMaster);
}

void Rig::enumerate() {
  for (unsigned segment = 0; segment < layout.segments; ++segment) enumerate_segment(segment);
  constexpr std::uint16_t kCommand = pci::kCommandMemory | pci::kCommandBusMaster;
  for (unsigned k = 1; k <= hosts; ++k) {
    const Domain domain{static_cast<std::uint16_t>(k)};
    bridge(domain, Bdf(0, 1, 0), 0, 1, 1, range(kLinkControl, 0x10'0000), range(kLinkWindow, 64 << 20));
    bar(domain, Bdf(1, 0, 0), 0, kLinkControl, false);
    bar(domain, Bdf(1, 0, 0), 2, kLinkWindow, true);
    config(domain, Bdf(1, 0, 0), pci::kCommand, 2, kCommand);
    write_ntb(k, ntb::kLink, 1);
    open_window(k, true, 0, ntb::kDmaBar, 0, kDmaSpan, 0);
    open_window(k, true, 1, ntb::kMsiBar, 0, 0x10'0000, pci::kInterruptBase, ntb::kWindowWrite);
    set_lut(k, false, 0, Bdf(0, 0, 0), 1);
    const auto pages = fabric->create_domain(kMh).value();
    (void)fabric->attach(kMh, pages, in_segment(layout.segment_of(k), Bdf(3 + layout.ntb_port(k), 0, 1)));
    nic_pages.push_back(pages);
  }
  for (unsigned segment = 0; segment < layout.segments; ++segment) enable_vfs(segment);
}

void Rig::set_acs(unsigned port, std::uint16_t bits, unsigned segment) {
  const pcie::Sbdf bdf = in_segment(segment, Bdf(2, port, 0));
  for (std::uint16_t cap = 0x100; cap != 0;) {
    const std::uint32_t header = fabric->config_read(kMh, bdf, cap, 4);
    if ((header & 0xFFFF) == pci::kExtAcs)
      config(kMh, bdf, static_cast<std::uint16_t>(cap + pci::kAcsControl), 2, bits);
    cap = static_cast<std::uint16_t>(header >> 20);
  }
}

pcie::Function* Rig::registers_at(const pcie::Transaction& transaction, std::uint64_t& offset) {
  const Resolution found = go(transaction);
  const auto* target = std::get_if<RegisterTarget>(&found.outcome);
  if (target == nullptr) return nullptr;
  offset = target->offset;
  return fabric->function(target->function);
}

void Rig::write_ntb(unsigned k, std::uint32_t offset, std::uint32_t value) {
  std::uint64_t hit = 0;
  if (auto* function =
          registers_at(cpu(kMh, port_base(layout.ntb_place(k)) + offset, pcie::Access::write), hit))
    function->register_write(0, hit, 4, value);
}

std::uint32_t Rig::read_ntb(unsigned k, std::uint32_t offset) {
  std::uint64_t hit = 0;
  auto* function = registers_at(cpu(kMh, port_base(layout.ntb_place(k)) + offset, pcie::Access::read), hit);
  return function != nullptr ? static_cast<std::uint32_t>(function->register_read(0, hit, 4)) : ~0u;
}

void Rig::write_link(unsigned k, std::uint32_t offset, std::uint32_t value) {
  std::uint64_t hit = 0;
  const Domain domain{static_cast<std::uint16_t>(k)};
  if (auto* function = registers_at(cpu(domain, kLinkControl + offset, pcie::Access::write), hit))
    function->register_write(0, hit, 4, value);
}

std::uint32_t Rig::read_link(unsigned k, std::uint32_t offset) {
  std::uint64_t hit = 0;
  const Domain domain{static_cast<std::uint16_t>(k)};
  auto* function = registers_at(cpu(domain, kLinkControl + offset, pcie::Access::read), hit);
  return function != nullptr ? static_cast<std::uint32_t>(function->register_read(0, hit, 4)) : ~0u;
}

std::uint32_t Rig::open_window(unsigned k, bool outbound, unsigned index, std::uint8_t bar_index,
                               std::uint64_t offset, std::uint64_t length, std::uint64_t to,
                               std::uint32_t access) {
  const std::uint32_t base = (outbound ? ntb::kOutbound : ntb::kInbound) + index * ntb::kWindowStride;
  const auto wide = [&](std::uint32_t field, std::uint64_t value) {
    write_ntb(k, base + field, static_cast<std::uint32_t>(value));
    write_ntb(k, base + field + 4, static_cast<std::uint32_t>(value >> 32));
  };
  wide(ntb::kWindowOffsetLow, offset);
  wide(ntb::kWindowLengthLow, length);
  wide(ntb::kWindowTranslationLow, to);
  write_ntb(k, base, ntb::kWindowEnable | access | std::uint32_t{bar_index} << ntb::kWindowBarShift);
  return read_ntb(k, base);
}

void Rig::close_window(unsigned k, bool outbound, unsigned index) {
  write_ntb(k, (outbound ? ntb::kOutbound : ntb::kInbound) + index * ntb::kWindowStride, 0);
}

void Rig::set_lut(unsigned k, bool outbound, unsigned index, Bdf rid, std::uint8_t proxy) {
  const std::uint32_t base = (outbound ? ntb::kLutOutbound : ntb::kLutInbound) + index * ntb::kLutStride;
  write_ntb(k, base + ntb::kLutProxy, proxy);
  write_ntb(k, base, ntb::kLutValid | rid.bits);
}

void Rig::clear_lut(unsigned k, bool outbound, unsigned index) {
  write_ntb(k, (outbound ? ntb::kLutOutbound : ntb::kLutInbound) + index * ntb::kLutStride, 0);
}

void Rig::set_msix(unsigned k, bool link, std::uint16_t bits) {
  const Domain domain = domain_of(k, link);
  const Bdf bdf = ntb_rid(k, link);
  auto cap = static_cast<std::uint16_t>(fabric->config_read(domain, bdf, pci::kCapabilityPointer, 1));
  while (cap != 0 && fabric->config_read(domain, bdf, cap, 1) != pci::kCapMsix)
    cap =
        static_cast<std::uint16_t>(fabric->config_read(domain, bdf, static_cast<std::uint16_t>(cap + 1), 1));
  if (cap == 0) throw std::logic_error("no MSI-X");
  config(domain, bdf, static_cast<std::uint16_t>(cap + pci::kMsixControl), 2, bits);
}

void Rig::set_message(unsigned k, bool link, const iommu::Message& message) {
  write_side(k, link, ntb::kMsixTable, message.address);
  write_side(k, link, ntb::kMsixTable + 4, 0);
  write_side(k, link, ntb::kMsixTable + 8, message.data);
}

void Rig::route_doorbell(unsigned k, bool link, std::uint32_t vector) {
  set_message(k, link, fabric->route_interrupt(domain_of(k, link), ntb_rid(k, link), vector).value());
  write_side(k, link, ntb::kMsixTable + 12, 0);
  set_msix(k, link, pci::kMsixControlEnable);
  write_side(k, link, ntb::kDoorbellMask, 0);
}

std::vector<Resolution> Rig::deliver() {
  std::vector<Resolution> all;
  for (const auto& message : fabric->take_emissions()) {
    all.push_back(go(message));
    fabric->record(message, all.back(), Instant{});
  }
  return all;
}

iommu::DomainId Rig::assign(unsigned vf, unsigned k, unsigned slot, std::uint64_t to, std::uint64_t length) {
  const Domain domain{static_cast<std::uint16_t>(k)};
  const unsigned segment = layout.segment_of(k);
  set_lut(k, true, slot, vf_rid(vf, segment), static_cast<std::uint8_t>(1 + slot));
  const std::uint64_t registers = layout.vf_bars(segment) + vf * kVfBarSize;
  open_window(k, false, slot, ntb::kRegisterBar, slot * kVfBarSize, kVfBarSize, registers);
  const auto iova = [](std::uint64_t first, std::uint64_t bytes) {
    return *Range<Iova>::of(Iova(first), bytes);
  };
  (void)fabric->map(kMh, nic_pages[k - 1],
                    {iova(registers, kVfBarSize), BusAddr(registers), pcie::kReadWrite});
  const auto mh = fabric->create_domain(kMh).value();
  const std::uint64_t messages = port_base(layout.ntb_place(k)) + 0x10'0000;
  (void)fabric->attach(kMh, mh, in_segment(segment, vf_rid(vf, segment)));
  (void)fabric->map(kMh, mh, {iova(0, kDmaSpan), BusAddr(dma_window(k)), pcie::kReadWrite});
  (void)fabric->map(kMh, mh, {iova(kMsiIova, 0x10'0000), BusAddr(messages), pcie::kWriteOnly});
  const auto own = fabric->create_domain(domain).value();
  (void)fabric->attach(domain, own, proxy_rid(slot));
  (void)fabric->map(domain, own, {iova(0, length), BusAddr(to), pcie::kReadWrite});
  return own;
}

pcie::Transaction Rig::dma(unsigned vf, std::uint64_t iova, pcie::Access access, std::uint32_t length,
                           unsigned segment) {
  return {.segment = {},
          .domain = kMh,
          .origin = pcie::EndpointOrigin{static_cast<std::uint16_t>(segment)},
          .rid = {{}, vf_rid(vf, segment)},
          .address = Iova(iova),
          .length = length,
          .access = access,
          .pasid = {},
          .tag = 0,
          .data = 0};
}

pcie::Transaction Rig::cpu(Domain domain, std::uint64_t at, pcie::Access access, std::uint32_t length) {
  return {.segment = pcie::Segment{static_cast<std::uint16_t>(domain)},
          .domain = domain,
          .origin = pcie::CpuOrigin{},
          .rid = {},
          .address = BusAddr(at),
          .length = length,
          .access = access,
          .pasid = {},
          .tag = 0,
          .data = 0};
}

pcie::Transaction Rig::vm(Domain domain, unsigned vm, std::uint64_t gpa, pcie::Access access,
                          std::uint32_t length) {
  auto transaction = cpu(domain, 0, access, length);
  transaction.origin = pcie::VmOrigin{pcie::Vm{static_cast<std::uint16_t>(vm)}};
  transaction.address = Gpa(gpa);
  return transaction;
}

}  // namespace ladon::fabric::test
