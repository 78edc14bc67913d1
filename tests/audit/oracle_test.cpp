// The audit's reach against a model that tries every page, over random racks and all sets of defences; and
// each of its witnesses against resolve().
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "audit/audit.h"
#include "audit/facts.h"
#include "audit/model.h"
#include "fabric/resolve.h"

namespace ladon::audit::test {
namespace {

constexpr pcie::Access kAccesses[] = {pcie::Access::read, pcie::Access::write};

bool in_universe(Page page) {
  return std::any_of(std::begin(kUniverse), std::end(kUniverse),
                     [&](const Pages& pages) { return pages.hold(page); });
}

using Parts = std::map<std::pair<Space, pcie::Access>, std::vector<Interval>>;

void try_pages(Model& model, const Initiator& who, pcie::Access access, bool translated, std::uint16_t rid,
               Parts& parts) {
  for (const Pages& pages : kUniverse)
    for (Page page = pages.first; page < pages.first + pages.count; ++page) {
      const auto end = model.follow(who, page, access, translated, rid);
      if (!end) continue;
      auto& set = parts[{{pcie::Domain{static_cast<std::uint16_t>(end->domain)}, end->kind}, access}];
      if (end->kind != Kind::interrupts)
        set.push_back({end->page * kPage, end->page * kPage + kPage - 1});
      else
        for (const Interval& vectors : model.vectors(*end)) set.push_back(vectors);
    }
}

// Everything that `who` reaches under these requester IDs, page by page.
Reach::Sets tried(Model& model, const Initiator& who, const std::vector<std::uint16_t>& rids) {
  Parts parts;
  for (const std::uint16_t rid : rids)
    for (const auto access : kAccesses)
      for (const bool translated : {false, true})
        if (!translated || is_device(who)) try_pages(model, who, access, translated, rid, parts);
  Reach::Sets sets;
  for (auto& [key, intervals] : parts)
    if (!intervals.empty()) sets.emplace(key, IntervalSet(std::move(intervals)));
  return sets;
}

std::string describe(const Reach::Sets& sets) {
  std::string text;
  for (const auto& [key, set] : sets) {
    text += std::string(name(key.first.kind)) + " of " +
            std::to_string(static_cast<unsigned>(key.first.domain)) +
            (key.second == pcie::Access::read ? " read" : " write");
    for (const Interval& part : set.parts()) {
      char buffer[64];
      std::snprintf(buffer, sizeof buffer, " %llx-%llx", static_cast<unsigned long long>(part.first),
                    static_cast<unsigned long long>(part.last));
      text += buffer;
    }
    text += "\n";
  }
  return text;
}

// What a resolution reaches, as the audit names it.
std::optional<std::pair<Space, std::uint64_t>> target_of(const fabric::Resolution& way) {
  if (const auto* memory = std::get_if<fabric::MemoryTarget>(&way.outcome))
    return {{{memory->domain, Kind::memory}, memory->at.bits()}};
  if (const auto* raised = std::get_if<fabric::InterruptTarget>(&way.outcome))
    return {{{raised->domain, Kind::interrupts}, raised->vector}};
  if (way.refused()) return std::nullopt;
  const auto& arrival = way.hops[way.hops.size() - 1];
  return {{{arrival.domain, Kind::registers}, arrival.out}};
}

// Every stretch is what it says at both ends, and comes from pages that the model has tried.
void check_stretches(const fabric::Tables& tables, const Reach& reach) {
  for (const Stretch& s : reach.stretches()) {
    if (s.space.kind != Kind::interrupts) {
      RC_ASSERT(in_universe(s.emitted / kPage));
      RC_ASSERT(in_universe((s.emitted + (s.targets.last - s.targets.first)) / kPage));
    }
    for (const std::uint64_t target : {s.targets.first, s.targets.last}) {
      const auto way = fabric::resolve(tables, reach.witness(tables, s.space, s.access, target));
      RC_ASSERT(target_of(way) == std::pair(s.space, target));
    }
  }
}

// What one initiator reaches, by the audit and by the model. False if the model does not follow it.
bool compare(const Facts& facts, const fabric::Tables& tables, const Initiator& who,
             const std::vector<std::uint16_t>& rids, const ReachOptions& options) {
  Model model(facts);
  const Reach::Sets expected = tried(model, who, rids);
  if (model.too_deep()) return false;
  const Reach reach = reach_of(tables, who, options);
  const Reach::Sets found = reach.sets();
  if (found != expected)
    RC_FAIL(name(tables, who) + "\naudit:\n" + describe(found) + "model:\n" + describe(expected));
  check_stretches(tables, reach);
  return true;
}

RC_GTEST_PROP(AuditOracle, ReachesWhatTheModelReaches, ()) {
  Facts facts = random_facts(*rc::gen::arbitrary<std::uint64_t>());
  const bool ept = *rc::gen::arbitrary<bool>();  // it changes nothing for most
  for (unsigned number = 0; number < 32; ++number) {
    facts.on = defences(number + (ept ? 32 : 0));
    const auto tables = tables_of(facts);
    unsigned compared = 0;
    for (const Initiator& who : initiators(*tables))
      compared += compare(facts, *tables, who, {Model(facts).own_rid(who)}, {});
    RC_ASSERT(compared > 0u);
  }
}

// All requester IDs that any table has, and one of each bus that none has.
std::vector<std::uint16_t> all_rids(const Facts& facts) {
  std::set<std::uint16_t> all{0, 0x0177, 0xFF77};
  for (const PortFacts& port : facts.ports) all.insert(static_cast<std::uint16_t>(port.bus << 8 | 0x77));
  for (std::size_t n = 0; n < facts.nics.size(); ++n)
    for (unsigned i = 0; i <= kVfs; ++i) all.insert(facts.nic_rid(n, i));
  for (const HostFacts& host : facts.hosts)
    for (const SegmentFacts& segment : host.segments) {
      for (const auto& [rid, requester] : segment.requesters) all.insert(rid);
      for (const iommu::Irte& entry : segment.interrupts) all.insert(entry.source.bits);
    }
  for (const NtbFacts& ntb : facts.ntbs)
    for (const SideFacts* side : {&ntb.management, &ntb.link})
      for (const auto& [rid, proxy] : side->lut) all.insert(rid);
  return {all.begin(), all.end()};
}

RC_GTEST_PROP(AuditOracle, ALiarReachesWhatTheModelReachesUnderAnyRequesterId, ()) {
  Facts facts = random_facts(*rc::gen::arbitrary<std::uint64_t>());
  for (unsigned i = 0; i < 4; ++i) {
    facts.on = defences(*rc::gen::inRange(0u, 64u));
    const auto tables = tables_of(facts);
    for (const Initiator& who : initiators(*tables)) {
      const auto* function = std::get_if<fabric::FunctionId>(&who);
      if (function == nullptr || (!function->is_ntb && function->function != 0)) continue;
      (void)compare(facts, *tables, who, all_rids(facts), {.lying = true});
    }
  }
}

// Addresses of all 64 bits, more of them where something is.
std::uint64_t any_address() {
  const std::uint64_t low = *rc::gen::inRange<std::uint64_t>(0, 0x400 * kPage);
  const std::uint64_t any = *rc::gen::arbitrary<std::uint64_t>();
  const std::uint64_t message = 0xFEE0'0000 + low / 4;
  return *rc::gen::element(low, low, message, any, ~low);
}

RC_GTEST_PROP(AuditOracle, NothingOutsideTheReachResolves, ()) {
  Facts facts = random_facts(*rc::gen::arbitrary<std::uint64_t>());
  facts.on = defences(*rc::gen::inRange(0u, 64u));
  const auto tables = tables_of(facts);
  for (const Initiator& who : initiators(*tables)) {
    const Reach::Sets sets = reach_of(*tables, who).sets();
    for (int i = 0; i < 20; ++i) {
      auto access = emitted_by(*tables, who, any_address(), *rc::gen::element(kAccesses[0], kAccesses[1]));
      const std::uint64_t at = pcie::address_bits(access.address);
      if (is_device(who) && *rc::gen::arbitrary<bool>()) access.address = BusAddr(at);
      access.length = *rc::gen::element(1u, 4u, 64u);
      access.data = *rc::gen::inRange(0u, 8u);
      const auto target = target_of(fabric::resolve(*tables, access));
      if (!target) continue;
      const auto set = sets.find({target->first, access.access});
      RC_ASSERT(set != sets.end());
      RC_ASSERT(set->second.contains(target->second));
      if (target->first.kind != Kind::interrupts)
        RC_ASSERT(set->second.contains(target->second + access.length - 1));
    }
  }
}

}  // namespace
}  // namespace ladon::audit::test
