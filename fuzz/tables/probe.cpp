#include "tables/probe.h"

#include <algorithm>

#include "audit/reach.h"
#include "tables/operands.h"

namespace ladon::fuzz::tables {

using pcie::Access;

namespace {

constexpr std::size_t kRemembered = 32, kPerStep = 8, kPerSweep = 64;
// Fewer never are too many for resolve().
constexpr std::size_t kCrossings = 2;

std::optional<End> end_of(const fabric::Resolution& way) {
  if (const auto* memory = std::get_if<fabric::MemoryTarget>(&way.outcome))
    return End{.kind = End::Kind::memory,
               .domain = static_cast<std::uint16_t>(memory->domain),
               .at = memory->at.bits(),
               .memory = static_cast<std::uint32_t>(memory->memory),
               .offset = memory->offset};
  if (const auto* registers = std::get_if<fabric::RegisterTarget>(&way.outcome))
    return End{.kind = End::Kind::registers,
               .function = registers->function,
               .bar = registers->bar,
               .at = registers->offset};
  if (const auto* raised = std::get_if<fabric::InterruptTarget>(&way.outcome))
    return End{.kind = End::Kind::interrupt,
               .domain = static_cast<std::uint16_t>(raised->domain),
               .at = raised->vector,
               .source = raised->source.bdf.bits};
  return std::nullopt;
}

// Where an access goes that was emitted `distance` further.
End further(End end, std::uint64_t distance) {
  if (end.kind == End::Kind::interrupt) return end;
  end.at += distance;
  if (end.kind == End::Kind::memory) end.offset += distance;
  return end;
}

pcie::Transaction at(pcie::Transaction access, std::uint64_t address) {
  std::visit([&](auto& a) { a = std::decay_t<decltype(a)>(address); }, access.address);
  return access;
}

bool affects(const fabric::Affected& change, const audit::Initiator& who) {
  if (change.everyone) return true;
  if (const auto* function = std::get_if<fabric::FunctionId>(&who))
    return std::ranges::binary_search(change.functions, *function);
  const auto* cpu = std::get_if<audit::Processor>(&who);
  const auto domain = cpu != nullptr ? cpu->domain : std::get<audit::VirtualMachine>(who).domain;
  return std::ranges::binary_search(change.processors, domain);
}

bool same_way(const fabric::Resolution& a, const fabric::Resolution& b, std::uint64_t distance) {
  return std::ranges::equal(a.hops, b.hops, [&](const fabric::Hop& x, const fabric::Hop& y) {
    return x.component == y.component && y.out - x.out == distance;
  });
}

}  // namespace

std::optional<End> Prober::compare(const pcie::Transaction& access, const fabric::Resolution& way) const {
  const Followed expected = rack_.model().follow(access);
  const auto* fault = way.fault();
  if (fault != nullptr && fault->reason == fabric::Reason::too_long) {
    require(expected.crossings > kCrossings);
    return std::nullopt;
  }
  const auto end = end_of(way);
  require(end == expected.end);
  require(way.extent.first <= pcie::address_bits(access.address));
  require(pcie::address_bits(access.address) <= way.extent.last);
  return end;
}

// Inside, all go the same way; just outside, another.
void Prober::check_extent(const pcie::Transaction& access, const fabric::Resolution& way) const {
  const std::uint64_t here = pcie::address_bits(access.address);
  const auto end = end_of(way);
  const bool message = end && end->kind == End::Kind::interrupt;
  for (const std::uint64_t inside : {way.extent.first, way.extent.last}) {
    if (message) break;  // its address must be aligned
    const auto there = fabric::resolve(tables(), at(access, inside));
    require(there.extent == way.extent);
    require(end_of(there) == (end ? std::optional(further(*end, inside - here)) : std::nullopt));
    if (!end) require(there.fault()->reason == way.fault()->reason);
  }
  // Without checks a mapping and what passes beside it may agree by chance; they are two answers all the
  // same.
  const auto& on = rack_.model().on;
  if (!end || message || !on.mh_iommu || !on.ch_iommu || !on.ept) return;
  for (const bool below : {true, false}) {
    if (below ? way.extent.first == 0 : way.extent.last == ~std::uint64_t{0}) continue;
    const std::uint64_t outside = below ? way.extent.first - 1 : way.extent.last + 1;
    const auto there = fabric::resolve(tables(), at(access, outside));
    const bool goes_on =
        end_of(there) == further(*end, outside - here) && same_way(way, there, outside - here);
    require(!goes_on);
  }
}

void Prober::probe(const audit::Initiator& who, std::uint64_t address, Access access) {
  auto transaction = audit::emitted_by(tables(), who, address, access);
  const bool message = access == Access::write && address >> 20 == 0xFEE;
  if (message) transaction.length = 4;
  const auto way = fabric::resolve(tables(), transaction);
  const auto end = compare(transaction, way);
  const auto* fault = way.fault();
  if (fault == nullptr || fault->reason != fabric::Reason::too_long) {
    if (!message) check_extent(transaction, way);
    if (end) remember(who, transaction, way, *end);
  }
}

void Prober::remember(const audit::Initiator& who, const pcie::Transaction& access,
                      const fabric::Resolution& way, const End& end) {
  Remembered entry{who, pcie::address_bits(access.address), access.access, access.data, way.extent, end};
  if (remembered_.size() < kRemembered)
    remembered_.push_back(entry);
  else
    remembered_[turn_++ % kRemembered] = entry;
}

void Prober::check_remembered() {
  auto& changes = rack_.rig().changes;
  std::erase_if(remembered_, [&](const Remembered& entry) {
    return std::ranges::any_of(changes, [&](const auto& change) { return affects(change, entry.who); });
  });
  changes.clear();
  for (const Remembered& entry : remembered_) {
    const bool message = entry.end.kind == End::Kind::interrupt;
    for (const std::uint64_t address : {entry.at, entry.extent.first, entry.extent.last}) {
      if (message && address != entry.at) continue;
      auto access = audit::emitted_by(tables(), entry.who, address, entry.access);
      access.data = entry.data;
      if (message) access.length = 4;
      require(end_of(fabric::resolve(tables(), access)) == further(entry.end, address - entry.at));
    }
  }
}

void Prober::after_step() {
  check_remembered();
  const auto initiators = audit::initiators(tables());
  const auto all = edges();
  for (std::size_t i = 0; i < kPerStep; ++i) {
    const auto& touched = rack_.touched();
    const std::size_t turn = turn_++;
    const std::uint64_t address =
        i % 2 == 0 && !touched.empty() ? touched[turn / 2 % touched.size()] : all[turn * 7 % all.size()];
    probe(initiators[turn * 5 % initiators.size()], address, turn % 3 == 0 ? Access::read : Access::write);
  }
}

void Prober::any(Script& script) {
  const auto initiators = audit::initiators(tables());
  const auto& who = initiators[script.below(initiators.size())];
  const std::uint8_t form = script.u8();
  const std::uint64_t place = address(script), at = place + script.below(5);
  auto access = audit::emitted_by(tables(), who, at, (form & 1) != 0 ? Access::read : Access::write);
  access.length = script.of(std::to_array<std::uint32_t>({1, 4, 4, 8, 64, 4096, 0, 0xFFFF'FFFF}));
  if (audit::is_device(who)) {
    if ((form & 2) != 0) access.rid.bdf = requester(script);
    if ((form & 4) != 0) access.address = BusAddr(pcie::address_bits(access.address));
    if ((form & 8) != 0) access.pasid = 1;
    if ((form & 16) != 0) access.data = script.u32();
  }
  const auto way = fabric::resolve(tables(), access);
  (void)compare(access, way);
  rack_.rig().fabric->record(access, way, Instant{});
  require(!fabric::format_table(tables(), access, way).empty());
}

std::vector<std::uint64_t> Prober::edges() const {
  std::vector<std::uint64_t> all{0, ~std::uint64_t{0}, 0xFEE0'0000, 0xFEF0'0000};
  const auto add = [&](const Span& span) {
    for (const std::uint64_t edge : {span.first, span.last})
      all.insert(all.end(), {edge, edge + 1, edge - 1});
  };
  const auto add_maps = [&](const std::vector<PageMap>& maps) {
    for (const PageMap& map : maps) add(map.from);
  };
  const Model& model = rack_.model();
  for (const Host& host : model.hosts) {
    for (const Memory& memory : host.memory) add(memory.range);
    for (const Span& window : host.root.windows) add(window);
    for (const auto& [id, space] : host.domains) add_maps(space.mappings), add_maps(space.stale);
    for (const auto& [vm, maps] : host.vms) add_maps(maps);
  }
  for (const Ntb& ntb : model.ntbs)
    for (const NtbSide* side : {&ntb.management, &ntb.link})
      for (const Bar& bar : side->bars) {
        add(bar.range);
        for (const Window& window : side->windows)
          if (window.bar == bar.index)
            add({bar.range.first + window.map.from.first, bar.range.first + window.map.from.last});
      }
  for (const Port& port : model.ports)
    for (const Span& window : port.bridge.windows) add(window);
  for (const NicFunction& function : model.nic)
    for (const Bar& bar : function.bars) add(bar.range);
  return all;
}

void Prober::sweep() {
  const auto initiators = audit::initiators(tables());
  const auto all = edges();
  const std::size_t pairs = all.size() * initiators.size();
  const std::size_t step = std::max<std::size_t>(1, pairs / kPerSweep);
  for (std::size_t i = turn_ % step; i < pairs; i += step)
    probe(initiators[i % initiators.size()], all[i / initiators.size()],
          i % 2 == 0 ? Access::read : Access::write);
  if (rack_.is_audited()) check_audit();
}

// Each stretch is what the model says at both ends, and what a probe reaches is in the audit's set.
void Prober::check_audit() const {
  const auto all = edges();
  for (const auto& who : audit::initiators(tables())) {
    const audit::Reach reach = audit::reach_of(tables(), who);
    for (const auto& stretch : reach.stretches())
      for (const std::uint64_t target : {stretch.targets.first, stretch.targets.last}) {
        const auto access = reach.witness(tables(), stretch.space, stretch.access, target);
        const auto way = fabric::resolve(tables(), access);
        const auto end = compare(access, way);
        require(end && stretch.space.domain == way.hops[way.hops.size() - 1].domain);
        if (end->kind != End::Kind::registers) require(end->at == target);
      }
    const auto sets = reach.sets();
    for (std::size_t i = 0; i < all.size(); i += 1 + all.size() / 16)
      for (const Access kind : {Access::read, Access::write}) {
        const auto access = audit::emitted_by(tables(), who, all[i], kind);
        const auto end = rack_.model().follow(access).end;
        if (!end || end->kind != End::Kind::memory) continue;
        const auto way = fabric::resolve(tables(), access);
        if (way.refused()) continue;  // too long
        const auto set = sets.find({{pcie::Domain{end->domain}, audit::Kind::memory}, kind});
        require(set != sets.end() && set->second.contains(end->at));
      }
  }
}

}  // namespace ladon::fuzz::tables
