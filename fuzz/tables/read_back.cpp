#include "tables/read_back.h"

#include <set>

#include "input.h"

namespace ladon::fuzz::tables {

namespace ntb = spec::ntb;
namespace pci = spec::pci;
using fabric::test::Rig;
using pcie::Bdf;
using pcie::Domain;

namespace {

// A function's configuration space, wherever it is.
using Read = std::function<std::uint32_t(std::uint16_t offset, unsigned width)>;

std::uint16_t extended(const Read& read, std::uint16_t id) {
  std::uint16_t at = 0x100;
  for (int left = 64; left > 0 && at != 0; --left) {
    const std::uint32_t header = read(at, 4);
    if ((header & 0xFFFF) == id) return at;
    at = static_cast<std::uint16_t>(header >> 20);
  }
  return 0;
}

bool memory_on(const Read& read) {
  return (read(pci::kCommand, 2) & pci::kCommandMemory) != 0;
}
bool masters(const Read& read) {
  return (read(pci::kCommand, 2) & pci::kCommandBusMaster) != 0;
}

Bridge bridge(const Read& read) {
  Bridge made{.secondary = static_cast<std::uint8_t>(read(pci::kSecondaryBus, 1)),
              .subordinate = static_cast<std::uint8_t>(read(pci::kSubordinateBus, 1)),
              .windows = {},
              .bus_master = masters(read)};
  if (!memory_on(read)) return made;
  const auto address = [&](std::uint16_t low, std::uint16_t upper) {
    const std::uint64_t high = upper != 0 ? read(upper, 4) : 0;
    return high << 32 | (read(low, 2) & 0xFFF0) << 16;
  };
  const Span memory{address(pci::kMemoryBase, 0), address(pci::kMemoryLimit, 0) | 0xF'FFFF};
  const Span prefetchable{address(pci::kPrefetchableBase, pci::kPrefetchableBaseUpper),
                          address(pci::kPrefetchableLimit, pci::kPrefetchableLimitUpper) | 0xF'FFFF};
  for (const Span& window : {memory, prefetchable})
    if (window.first <= window.last) made.windows.push_back(window);
  return made;
}

Port port(const Read& read) {
  Port made{.bridge = bridge(read)};
  const std::uint32_t control =
      read(static_cast<std::uint16_t>(extended(read, pci::kExtAcs) + pci::kAcsControl), 2);
  made.source_validation = (control & pci::kAcsSourceValidation) != 0;
  made.translation_blocking = (control & pci::kAcsTranslationBlocking) != 0;
  made.request_redirect = (control & pci::kAcsRequestRedirect) != 0;
  made.completion_redirect = (control & pci::kAcsCompletionRedirect) != 0;
  made.upstream_forwarding = (control & pci::kAcsUpstreamForwarding) != 0;
  return made;
}

std::uint64_t bar_base(const Read& read, std::uint16_t at, bool wide) {
  const std::uint64_t high = wide ? read(static_cast<std::uint16_t>(at + 4), 4) : 0;
  return high << 32 | (read(at, 4) & ~0xFu);
}

void add_bar(std::vector<Bar>& bars, const Read& read, std::uint8_t index, std::uint64_t size, bool wide) {
  const auto base = bar_base(read, static_cast<std::uint16_t>(pci::kBar0 + 4 * index), wide);
  if (base == 0 || !memory_on(read)) return;
  require(base % size == 0);  // whatever was written
  bars.push_back({index, {base, base + size - 1}});
}

Read of(pcie::Function& function) {
  return [&function](std::uint16_t offset, unsigned width) { return function.config_read(offset, width); };
}

void read_nic(Rig& rig, Model& model) {
  model.nic.clear();
  pcie::Function& pf = rig.nic.pf();
  const Read read = of(pf);
  NicFunction first{.index = 0, .bus_master = masters(read), .bars = {}};
  add_bar(first.bars, read, 0, 0x1'0000, false);
  model.nic.push_back(first);
  const std::uint16_t at = extended(read, pci::kExtSriov);
  const auto field = [&](std::uint16_t offset) { return static_cast<std::uint16_t>(at + offset); };
  const std::uint32_t control = read(field(pci::kSriovControl), 2), vfs = read(field(pci::kSriovNumVfs), 2);
  require(vfs <= fabric::test::kVfs);
  if ((control & pci::kSriovControlVfEnable) == 0) return;
  const std::uint64_t base = bar_base(read, field(pci::kSriovVfBar0), true);
  for (std::uint32_t vf = 0; vf < vfs; ++vf) {
    NicFunction made{.index = rig.nic.index_of(vf),
                     .bus_master = masters(of(*rig.nic.function(rig.nic.index_of(vf)))),
                     .bars = {}};
    const std::uint64_t start = base + vf * fabric::test::kVfBarSize;
    const bool there = base != 0 && start >= base && (control & pci::kSriovControlVfMemory) != 0;
    if (there) made.bars.push_back({0, {start, start + fabric::test::kVfBarSize - 1}});
    model.nic.push_back(made);
  }
}

void read_side(const Read& read, NtbSide& side, bool management) {
  side.bars.clear();
  side.bus_master = masters(read);
  add_bar(side.bars, read, ntb::kControlBar, ntb::kControlBarSize, false);
  if (management) add_bar(side.bars, read, ntb::kMsiBar, ntb::kMsiBarSize, false);
  add_bar(side.bars, read, 2, management ? kDmaBarSize : kRegisterBarSize, true);
}

}  // namespace

void read_configuration(Rig& rig, Model& model) {
  const auto at = [&rig](Domain domain, Bdf bdf) -> Read {
    return [&rig, domain, bdf](std::uint16_t offset, unsigned width) {
      return rig.fabric->config_read(domain, bdf, offset, width);
    };
  };
  for (std::size_t d = 0; d < model.hosts.size(); ++d)
    model.hosts[d].root = bridge(at(Domain{static_cast<std::uint16_t>(d)}, Bdf(0, 1, 0)));
  const Bridge& root = model.hosts[0].root;
  if (root.leads_to(root.secondary)) model.upstream = bridge(at(Domain{0}, Bdf(root.secondary, 0, 0)));
  const std::uint8_t bus = model.upstream.secondary;
  if (bus != root.secondary && root.leads_to(bus) && model.upstream.leads_to(bus))
    for (std::size_t p = 0; p < model.ports.size(); ++p)
      model.ports[p] = port(at(Domain{0}, Bdf(bus, static_cast<unsigned>(p), 0)));
  for (std::uint16_t k = 0; k < model.ntbs.size(); ++k) {
    read_side(of(*rig.fabric->function({.is_ntb = true, .index = k, .function = 0})),
              model.ntbs[k].management, true);
    read_side(of(*rig.fabric->function({.is_ntb = true, .index = k, .function = 1})), model.ntbs[k].link,
              false);
  }
  read_nic(rig, model);
}

bool is_legal(bool outbound, std::uint8_t bar, std::uint64_t offset, std::uint64_t length, std::uint64_t to) {
  const bool dma = outbound && bar == ntb::kDmaBar, msi = outbound && bar == ntb::kMsiBar;
  const bool registers = !outbound && bar == ntb::kRegisterBar;
  if (!dma && !msi && !registers) return false;
  const std::uint64_t size = dma ? kDmaBarSize : msi ? ntb::kMsiBarSize : kRegisterBarSize;
  if (offset % 4096 != 0 || length % 4096 != 0 || to % 4096 != 0 || length == 0) return false;
  return length <= size && offset <= size - length && to + (length - 1) >= to;
}

void read_ntb(Rig& rig, Model& model, std::size_t number) {
  auto& function = *rig.fabric->function({.is_ntb = true, .index = static_cast<std::uint16_t>(number)});
  const auto read = [&](std::uint32_t at) {
    return static_cast<std::uint32_t>(function.register_read(ntb::kControlBar, at, 4));
  };
  const auto wide = [&](std::uint32_t low) { return std::uint64_t{read(low + 4)} << 32 | read(low); };
  Ntb& made = model.ntbs[number];
  made.link_up = (read(ntb::kLink) & 1) != 0;
  for (const bool outbound : {true, false}) {
    NtbSide& side = outbound ? made.management : made.link;
    side.windows.clear();
    for (std::uint32_t i = 0; i < kNtbWindows; ++i) {
      const std::uint32_t at = (outbound ? ntb::kOutbound : ntb::kInbound) + i * ntb::kWindowStride;
      const std::uint32_t control = read(at);
      if ((control & ntb::kWindowEnable) == 0) continue;
      const auto bar = static_cast<std::uint8_t>(control >> ntb::kWindowBarShift & 7);
      const std::uint64_t offset = wide(at + ntb::kWindowOffsetLow),
                          length = wide(at + ntb::kWindowLengthLow),
                          to = wide(at + ntb::kWindowTranslationLow);
      require(is_legal(outbound, bar, offset, length, to));
      const Span from{offset, offset + length - 1};
      for (const Window& other : side.windows) require(other.bar != bar || !other.map.from.touches(from));
      side.windows.push_back({bar, {from, to, pcie::AccessSet{static_cast<std::uint8_t>(control >> 1 & 3)}}});
    }
    side.lut.clear();
    std::set<std::uint8_t> proxies;
    for (std::uint32_t i = 0; i < kNtbLut; ++i) {
      const std::uint32_t at = (outbound ? ntb::kLutOutbound : ntb::kLutInbound) + i * ntb::kLutStride;
      const std::uint32_t entry = read(at);
      if ((entry & ntb::kLutValid) == 0) continue;
      const auto proxy = static_cast<std::uint8_t>(read(at + ntb::kLutProxy));
      require(proxies.insert(proxy).second);
      require(side.lut.emplace(static_cast<std::uint16_t>(entry), proxy).second);
    }
  }
}

}  // namespace ladon::fuzz::tables
