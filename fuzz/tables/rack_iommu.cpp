// Steps at a host's own tables: IOMMU, interrupt remapping, second-level tables, memory.
#include <algorithm>

#include "tables/operands.h"
#include "tables/rack.h"

namespace ladon::fuzz::tables {

using pcie::Domain;

namespace {

constexpr std::uint64_t kPageMask = 4095;

bool by_pages(const Span& span) {
  return (span.first & kPageMask) == 0 && (span.last & kPageMask) == kPageMask;
}

template <class A>
Range<A> range(const Span& span) {
  return *Range<A>::between(A(span.first), A(span.last));
}

// `map` without what `table` has already: an IOTLB entry that is there stays as it is.
void add_rest(std::vector<PageMap>& table, PageMap map) {
  for (const PageMap& there : std::vector(table)) {
    if (!there.from.touches(map.from)) continue;
    if (map.from.first < there.from.first)
      add_rest(table, {{map.from.first, there.from.first - 1}, map.to, map.access});
    if (there.from.last == ~std::uint64_t{0} || there.from.last >= map.from.last) return;
    map.to += there.from.last + 1 - map.from.first;
    map.from.first = there.from.last + 1;
  }
  table.push_back(map);
  std::ranges::sort(table, {}, [](const PageMap& m) { return m.from.first; });
}

}  // namespace

bool Rack::model_map(std::vector<PageMap>& maps, const PageMap& map) {
  const bool wraps = map.to + (map.from.last - map.from.first) < map.to;
  if (!by_pages(map.from) || (map.to & kPageMask) != 0 || wraps) return false;
  if (std::ranges::any_of(maps, [&](const PageMap& other) { return other.from.touches(map.from); }))
    return false;
  maps.push_back(map);
  return true;
}

bool Rack::model_unmap(std::vector<PageMap>& maps, const Span& wanted, std::vector<PageMap>& gone) {
  const bool cuts = std::ranges::any_of(
      maps, [&](const PageMap& map) { return map.from.touches(wanted) && !map.from.within(wanted); });
  if (cuts) return false;
  for (const PageMap& map : maps)
    if (map.from.within(wanted)) gone.push_back(map);
  std::erase_if(maps, [&](const PageMap& map) { return map.from.within(wanted); });
  return true;
}

// ---- IOMMU

void Rack::create_domain(Script& script) {
  const Domain where = domain(script);
  auto& created = created_[static_cast<std::size_t>(where)];
  if (created >= 200) return;  // one byte names them
  const auto id = rig_.fabric->create_domain(where);
  require(id && static_cast<std::uint32_t>(*id) == ++created);
  host(where).domains[created];
}

void Rack::destroy_domain(Script& script) {
  const Domain where = domain(script);
  const std::uint32_t id = io_domain(script, where);
  const bool used =
      std::ranges::any_of(host(where).requesters, [&](const auto& r) { return r.second.domain == id; });
  const bool done = rig_.fabric->destroy_domain(where, iommu::DomainId{id}).has_value();
  require(done == (!used && host(where).domains.contains(id)));
  if (done) host(where).domains.erase(id);
}

void Rack::attach(Script& script) {
  const Domain where = domain(script);
  const std::uint32_t id = io_domain(script, where);
  const pcie::Bdf rid = requester(script);
  const std::uint8_t grants = script.u8();
  const iommu::Grants granted{.translated = (grants & 1) != 0, .pasid = (grants & 2) != 0};
  const bool done = rig_.fabric->attach(where, iommu::DomainId{id}, rid, granted).has_value();
  require(done == (host(where).domains.contains(id) && !host(where).requesters.contains(rid.bits)));
  if (done) host(where).requesters[rid.bits] = {id, granted.translated, granted.pasid};
}

void Rack::detach(Script& script) {
  const Domain where = domain(script);
  const pcie::Bdf rid = requester(script);
  const bool done = rig_.fabric->detach(where, rid).has_value();
  require(done == (host(where).requesters.erase(rid.bits) > 0));
}

void Rack::map(Script& script) {
  const Domain where = domain(script);
  const std::uint32_t id = io_domain(script, where);
  const PageMap wanted{span(script), address(script), access(script)};
  const bool done =
      rig_.fabric
          ->map(where, iommu::DomainId{id}, {range<Iova>(wanted.from), BusAddr(wanted.to), wanted.access})
          .has_value();
  const auto found = host(where).domains.find(id);
  require(done == (found != host(where).domains.end() && model_map(found->second.mappings, wanted)));
  touch(wanted.from);
}

void Rack::unmap(Script& script) {
  const Domain where = domain(script);
  const std::uint32_t id = io_domain(script, where);
  const Span wanted = span(script);
  const bool done = rig_.fabric->unmap(where, iommu::DomainId{id}, range<Iova>(wanted)).has_value();
  const auto found = host(where).domains.find(id);
  std::vector<PageMap> gone;
  require(done == (found != host(where).domains.end() && model_unmap(found->second.mappings, wanted, gone)));
  if (done && deferred_)
    for (const PageMap& map : gone) add_rest(found->second.stale, map);
  touch(wanted);
}

void Rack::flush(Script& script) {
  const Domain where = domain(script);
  rig_.fabric->flush_iotlb(where);
  for (auto& [id, space] : host(where).domains) {
    for (const PageMap& map : space.stale) touch(map.from);
    space.stale.clear();
  }
}

// ---- interrupts

void Rack::route(Script& script) {
  const Domain where = domain(script);
  const pcie::Bdf rid = requester(script);
  const std::uint32_t vector = script.u8();
  const auto message = rig_.fabric->route_interrupt(where, rid, vector);
  require(message.has_value());
  model_route(where, rid, vector, *message);
  touched_.push_back(message->address);
}

// The message names an entry that was free, or this pair's own.
void Rack::model_route(Domain where, pcie::Bdf rid, std::uint32_t vector, const iommu::Message& message) {
  auto& entries = host(where).interrupts;
  if (!model_.on.interrupt_remapping) {  // then the message itself is the interrupt
    require((message.address >> 12 & 0xFF) == vector >> 8 && message.data == (vector & 0xFF));
    const bool known = std::ranges::any_of(entries, [&](const InterruptEntry& e) {
      return e.present && e.source == rid.bits && e.vector == vector;
    });
    if (!known) entries.push_back({true, vector, rid.bits});
    return;
  }
  const std::size_t index = (message.address >> 5 & 0x7FFF) + (message.address >> 2 & 1) * 0x8000;
  require(index <= entries.size() && (message.address >> 4 & 1) != 0 && message.data == 0);
  if (index == entries.size()) entries.emplace_back();
  InterruptEntry& entry = entries[index];
  require(!entry.present || (entry.source == rid.bits && entry.vector == vector));
  entry = {true, vector, rid.bits};
}

void Rack::unroute(Script& script) {
  const Domain where = domain(script);
  const pcie::Bdf rid = requester(script);
  const std::uint32_t vector = script.u8();
  const bool done = rig_.fabric->unroute_interrupt(where, rid, vector).has_value();
  auto& entries = host(where).interrupts;
  const auto entry = std::ranges::find_if(entries, [&](const InterruptEntry& e) {
    return e.present && e.source == rid.bits && e.vector == vector;
  });
  require(done == (entry != entries.end()));
  if (done) *entry = {};
}

// ---- second-level tables and memory

void Rack::map_vm(Script& script) {
  const Domain where = domain(script);
  const auto vm = static_cast<std::uint16_t>(script.below(3));
  const PageMap wanted{span(script), address(script), access(script)};
  const bool done =
      rig_.fabric->map_vm(where, pcie::Vm{vm}, {range<Gpa>(wanted.from), BusAddr(wanted.to), wanted.access})
          .has_value();
  auto& vms = host(where).vms;
  require(done == model_map(vms[vm], wanted));
  if (vms[vm].empty()) vms.erase(vm);
  touch(wanted.from);
}

void Rack::unmap_vm(Script& script) {
  const Domain where = domain(script);
  const auto vm = static_cast<std::uint16_t>(script.below(3));
  const Span wanted = span(script);
  const bool done = rig_.fabric->unmap_vm(where, pcie::Vm{vm}, range<Gpa>(wanted)).has_value();
  auto& vms = host(where).vms;
  std::vector<PageMap> gone;
  require(done == (vms.contains(vm) && model_unmap(vms[vm], wanted, gone)));
  if (vms.contains(vm) && vms[vm].empty()) vms.erase(vm);
  touch(wanted);
}

void Rack::add_memory(Script& script) {
  const Domain where = domain(script);
  const Span wanted = span(script);
  const auto id = static_cast<std::uint32_t>(100 + script.below(4));
  auto& memory = host(where).memory;
  const bool legal = by_pages(wanted) && !wanted.touches({0xFEE0'0000, 0xFEEF'FFFF}) &&
                     std::ranges::none_of(memory, [&](const Memory& m) { return m.range.touches(wanted); });
  const bool done =
      rig_.fabric->add_memory(where, {range<BusAddr>(wanted), fabric::MemoryId{id}, 0}).has_value();
  require(done == legal);
  if (done) memory.push_back({wanted, id, 0});
  touch(wanted);
}

void Rack::remove_memory(Script& script) {
  const Domain where = domain(script);
  auto& memory = host(where).memory;
  const Span wanted =
      memory.empty() || script.below(4) == 0 ? span(script) : memory[script.below(memory.size())].range;
  const bool done = rig_.fabric->remove_memory(where, range<BusAddr>(wanted)).has_value();
  require(done == (std::erase_if(memory, [&](const Memory& m) { return m.range == wanted; }) > 0));
  touch(wanted);
}

}  // namespace ladon::fuzz::tables
