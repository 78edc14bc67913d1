#include "tables/rack.h"

#include "tables/operands.h"
#include "tables/read_back.h"

namespace ladon::fuzz::tables {

namespace ntb = spec::ntb;
namespace pci = spec::pci;
using fabric::test::Rig;
using pcie::Domain;

namespace {

// `table`: the first NTB has a requester-ID table, as the others do.
fabric::test::RigOptions options(std::uint8_t off, bool deferred, bool table) {
  const auto on = [off](unsigned bit) { return (off >> bit & 1) == 0; };
  std::vector<fabric::NtbOptions> ntbs(kComputeHosts, {.lut_entries = kNtbLut, .windows = kNtbWindows});
  if (!table) ntbs.front().lut_entries = 0, ntbs.front().requester_table = false;
  return {.compute_hosts = kComputeHosts,
          .defences = {.acs = on(0),
                       .mh_iommu = on(1),
                       .lut = on(2),
                       .ch_iommu = on(3),
                       .interrupt_remapping = on(4),
                       .ept = on(5)},
          .ntbs = std::move(ntbs),
          .invalidation = deferred ? iommu::Invalidation::deferred : iommu::Invalidation::strict};
}

// A word of one of the blocks of registers, or any offset after 0xFF.
std::uint32_t register_offset(Script& script) {
  static constexpr auto kBlocks = std::to_array<std::uint32_t>(
      {ntb::kLink, ntb::kOutbound, ntb::kInbound, ntb::kLutOutbound, ntb::kLutInbound, ntb::kDoorbellPeer,
       ntb::kMsixTable, ntb::kScratchpads});
  const std::uint8_t which = script.u8();
  if (which == 0xFF) return script.u16() & 0xFFFCu;
  return kBlocks[which % kBlocks.size()] + 4u * script.u8();
}

}  // namespace

// What Rig's own bring-up has put into tables that cannot be read back.
Rack::Rack(Script& script)
    : off_(script.u8()),
      how_(script.u8()),
      deferred_((how_ & 1) != 0),
      audited_((how_ & 2) != 0),
      rig_(options(off_, deferred_, (how_ & 4) == 0)) {
  model_.on = rig_.fabric->options().defences;
  model_.hosts.resize(kComputeHosts + 1);
  model_.ntbs.resize(kComputeHosts);
  model_.ntbs.front().table = (how_ & 4) == 0;
  model_.ports.resize(kComputeHosts + 1);
  created_.assign(kComputeHosts + 1, 0);
  for (std::uint32_t d = 0; d <= kComputeHosts; ++d)
    model_.hosts[d].memory = {
        {{0, fabric::test::kDram - 1}, d, 0},
        {{fabric::test::kHighDram, fabric::test::kHighDram + fabric::test::kHighDramSize - 1},
         d,
         fabric::test::kDram}};
  for (std::size_t k = 0; k < kComputeHosts; ++k) {
    const auto id = static_cast<std::uint32_t>(rig_.nic_pages[k]);
    model_.hosts[0].domains[id];
    model_.hosts[0].requesters[static_cast<std::uint16_t>((3 + k) << 8 | 1)] = {.domain = id};
    created_[0] = id;
    read_ntb(rig_, model_, k);
  }
  read_configuration(rig_, model_);
}

void Rack::step(Script& script) {
  touched_.clear();
  using Step = void (Rack::*)(Script&);
  static constexpr auto kSteps = std::to_array<Step>(
      {&Rack::open_window,    &Rack::close_window, &Rack::set_lut,       &Rack::clear_lut,
       &Rack::write_register, &Rack::set_link,     &Rack::create_domain, &Rack::destroy_domain,
       &Rack::attach,         &Rack::detach,       &Rack::map,           &Rack::unmap,
       &Rack::flush,          &Rack::route,        &Rack::unroute,       &Rack::map_vm,
       &Rack::unmap_vm,       &Rack::add_memory,   &Rack::remove_memory, &Rack::configure,
       &Rack::assign});
  (this->*script.of(kSteps))(script);
}

void Rack::touch(const Span& span) {
  touched_.insert(touched_.end(), {span.first, span.last, span.first - 1, span.last + 1});
}

std::uint32_t Rack::io_domain(Script& script, Domain domain) const {
  // Numbers count from 1; 0 and one past the last have never been.
  return static_cast<std::uint32_t>(script.below(created_[static_cast<std::size_t>(domain)] + 2));
}

// ---- NTB

// Fields, then the control register; accepted exactly if spec/ntb.h permits it beside what is enabled.
void Rack::open_window(Script& script) {
  const std::size_t k = script.below(kComputeHosts);
  const bool outbound = script.flag();
  const auto index = static_cast<std::uint32_t>(script.below(kNtbWindows + 1));
  const std::uint8_t bar = script.of(std::to_array<std::uint8_t>({2, 2, 2, 1, 0, 7}));
  const std::uint64_t offset = address(script), bytes = length(script), to = address(script);
  script.behind = offset + bytes;
  const std::uint32_t granted = access(script).bits;
  const NtbSide& side = outbound ? model_.ntbs[k].management : model_.ntbs[k].link;
  const auto reads = [&](std::uint32_t at) { return rig_.read_ntb(static_cast<unsigned>(k + 1), at); };
  const std::uint32_t base = (outbound ? ntb::kOutbound : ntb::kInbound) + index * ntb::kWindowStride;
  const bool reachable = reads(ntb::kId) == ntb::kMagic;
  const std::uint32_t before = reachable && index < kNtbWindows ? reads(base) : 0;
  bool legal = is_legal(outbound, bar, offset, bytes, to) && index < kNtbWindows;
  for (const Window& other : side.windows)
    legal &= other.bar != bar || !other.map.from.touches({offset, offset + bytes - 1});
  const std::uint32_t control =
      rig_.open_window(static_cast<unsigned>(k + 1), outbound, index, bar, offset, bytes, to, granted << 1);
  if (reachable && (before & ntb::kWindowEnable) == 0)
    require(((control & ntb::kWindowEnable) != 0) == legal);
  if (reachable && (before & ntb::kWindowEnable) != 0) require(control == before);
  read_ntb(rig_, model_, k);
  touch({to, to + bytes - 1});
}

void Rack::close_window(Script& script) {
  const std::size_t k = script.below(kComputeHosts);
  const bool outbound = script.flag();
  rig_.close_window(static_cast<unsigned>(k + 1), outbound, static_cast<unsigned>(script.below(kNtbWindows)));
  read_ntb(rig_, model_, k);
}

void Rack::set_lut(Script& script) {
  const std::size_t k = script.below(kComputeHosts);
  const bool outbound = script.flag();
  const auto index = static_cast<unsigned>(script.below(kNtbLut + 1));
  const pcie::Bdf rid = requester(script);
  const auto proxy = static_cast<std::uint8_t>(script.below(12));
  const NtbSide before = outbound ? model_.ntbs[k].management : model_.ntbs[k].link;
  rig_.set_lut(static_cast<unsigned>(k + 1), outbound, index, rid, proxy);
  read_ntb(rig_, model_, k);
  const NtbSide& after = outbound ? model_.ntbs[k].management : model_.ntbs[k].link;
  bool taken = before.lut.contains(rid.bits);
  for (const auto& [other, its] : before.lut) taken |= its == proxy;
  if (taken) require(after.lut == before.lut);
}

void Rack::clear_lut(Script& script) {
  const std::size_t k = script.below(kComputeHosts);
  const bool outbound = script.flag();
  rig_.clear_lut(static_cast<unsigned>(k + 1), outbound, static_cast<unsigned>(script.below(kNtbLut)));
  read_ntb(rig_, model_, k);
}

// Any register of either side. The link side's writes change no translation: NtbSide is read back on the
// management side, so that read_ntb() and the probes say whether they did.
void Rack::write_register(Script& script) {
  const std::size_t k = script.below(kComputeHosts);
  const bool link = script.flag();
  const std::uint32_t offset = register_offset(script), value = script.u32();
  const Ntb before = model_.ntbs[k];
  rig_.write_side(static_cast<unsigned>(k + 1), link, offset, value);
  read_ntb(rig_, model_, k);
  rig_.deliver();
  if (!link) return;
  const Ntb& after = model_.ntbs[k];
  require(before.link_up == after.link_up && before.link.lut == after.link.lut &&
          before.management.lut == after.management.lut &&
          before.link.windows.size() == after.link.windows.size() &&
          before.management.windows.size() == after.management.windows.size());
}

void Rack::set_link(Script& script) {
  const std::size_t k = script.below(kComputeHosts);
  rig_.write_ntb(static_cast<unsigned>(k + 1), ntb::kLink, script.flag() ? 1 : 0);
  read_ntb(rig_, model_, k);
}

// All that makes a VF usable, so that a short script has somewhere to start.
void Rack::assign(Script& script) {
  const auto vf = static_cast<unsigned>(script.below(fabric::test::kVfs));
  const auto k = static_cast<unsigned>(1 + script.below(kComputeHosts));
  const auto slot = static_cast<unsigned>(script.below(kNtbWindows - 2));
  const pcie::Domain mh{0}, ch{static_cast<std::uint16_t>(k)};
  if (!rig_.fabric->rid(0, rig_.nic.index_of(vf)) || created_[0] >= 200 || created_[k] >= 200) return;
  const std::uint16_t rid = rig_.vf_rid(vf).bits, proxy = Rig::proxy_rid(slot).bits;
  const std::uint64_t registers = fabric::test::kVfBars + vf * fabric::test::kVfBarSize;
  const Span window{0, fabric::test::kDmaSpan - 1};
  if (host(mh).requesters.contains(rid) || host(ch).requesters.contains(proxy)) return;
  const auto own = static_cast<std::uint32_t>(rig_.assign(vf, k, slot));
  const auto at_mh = ++created_[0];
  require(own == ++created_[k]);
  auto& pages = host(mh).domains;
  const auto pages_id = static_cast<std::uint32_t>(rig_.nic_pages[k - 1]);
  if (pages.contains(pages_id))
    model_map(pages[pages_id].mappings,
              {{registers, registers + fabric::test::kVfBarSize - 1}, registers, pcie::kReadWrite});
  pages[at_mh].mappings = {{window, fabric::test::dma_window(k), pcie::kReadWrite},
                           {{fabric::test::kMsiIova, fabric::test::kMsiIova + 0xF'FFFF},
                            fabric::test::msi_window(k),
                            pcie::kWriteOnly}};
  host(mh).requesters[rid] = {.domain = at_mh};
  host(ch).domains[own].mappings = {{{0, 0xF'FFFF}, 0x1000'0000, pcie::kReadWrite}};
  host(ch).requesters[proxy] = {.domain = own};
  read_ntb(rig_, model_, k - 1);
  touch({0, 0xF'FFFF});
}

// ---- configuration space of any host

void Rack::configure(Script& script) {
  const Domain where = domain(script);
  static constexpr auto kFields = std::to_array<std::uint16_t>(
      {pci::kCommand, pci::kCommand, pci::kPrimaryBus, pci::kMemoryBase, pci::kPrefetchableBase,
       pci::kPrefetchableBaseUpper, pci::kPrefetchableLimitUpper, pci::kBar0, pci::kBar0 + 4, pci::kBar0 + 8,
       pci::kBar0 + 12, 0x100 + 0x48 + pci::kAcsControl});
  const std::uint8_t which = script.u8();
  const auto bdf = which < 8    ? pcie::Bdf(2, which % (kComputeHosts + 1), 0)
                   : which < 10 ? pcie::Bdf(1, 0, 0)
                   : which < 12 ? pcie::Bdf(0, 1, 0)
                   : which < 16 ? pcie::Bdf(3u + which % (kComputeHosts + 1), 0, 0)
                                : requester(script);
  const std::uint8_t field = script.u8();
  const std::uint16_t offset = field == 0xFF ? script.u16() & 0xFFC : kFields[field % kFields.size()];
  const std::uint32_t value = script.u32();
  rig_.fabric->config_write(where, bdf, offset, offset % 4 == 0 ? 4 : 2, value);
  read_configuration(rig_, model_);
  rig_.deliver();
}

}  // namespace ladon::fuzz::tables
