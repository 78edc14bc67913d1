#include "audit/reach.h"

#include <algorithm>

#include "audit/walker.h"

namespace ladon::audit {

namespace {

// The bit fields of a message without remapping: destination in address [19:12], vector in data [7:0].
constexpr unsigned kDestinationShift = 12, kVectorBits = 8;

bool is_message_space(const Stretch& stretch) {
  return stretch.space.kind == Kind::interrupts && stretch.targets.first != stretch.targets.last;
}

// The requester IDs under which `who` emits. Of all that a liar may choose only those can matter that some
// table names, and one that none does; of those, only what the port above lets pass.
std::vector<pcie::Bdf> requester_ids(const Rack& rack, const fabric::FunctionId& who, bool lying) {
  const fabric::Tables& tables = rack.tables();
  const auto own = tables.emitted_by(who, Iova(0), 1, pcie::Access::write);
  if (!lying) return {own.rid.bdf};
  std::vector<pcie::Bdf> all = rack.known_requesters(own.segment);
  const std::vector<pcie::Bdf> known = all;
  const auto is_unknown = [&](pcie::Bdf rid) { return !std::binary_search(known.begin(), known.end(), rid); };
  const auto bus = static_cast<std::uint16_t>(own.rid.bdf.bus() << 8);
  for (unsigned devfn = 256; devfn-- > 0;)
    if (const pcie::Bdf rid(static_cast<std::uint16_t>(bus | devfn)); is_unknown(rid)) {
      all.push_back(rid);
      break;
    }
  if (own.domain != pcie::kManagementDomain) return all;
  const auto port_above = [&](const auto& table) -> const fabric::PortTable& {
    return tables.port(table.segment, table.port);
  };
  const fabric::PortTable& above =
      who.is_ntb ? port_above(*tables.ntbs[who.index]) : port_above(*tables.endpoints[who.index]);
  if (above.acs.source_validation)
    std::erase_if(all, [&](pcie::Bdf rid) { return !above.bridge.leads_to(rid.bus()); });
  return all;
}

}  // namespace

Reach reach_of(const Rack& rack, const Initiator& who, const ReachOptions& options) {
  constexpr auto kRead = pcie::Access::read, kWrite = pcie::Access::write;
  Walker walker(rack, who);
  const auto* function = std::get_if<fabric::FunctionId>(&who);
  if (function == nullptr) {
    walker.walk(kRead, false, {});
    walker.walk(kWrite, false, {});
    return {who, walker.take()};
  }
  for (const pcie::Bdf rid : requester_ids(rack, *function, options.lying))
    for (const bool translated : {false, true}) {
      walker.walk(kRead, translated, rid);
      walker.walk(kWrite, translated, rid);
    }
  return {who, walker.take()};
}

Reach reach_of(const fabric::Tables& tables, const Initiator& who, const ReachOptions& options) {
  return reach_of(Rack(tables), who, options);
}

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::memory:
      return "memory";
    case Kind::registers:
      return "registers";
    case Kind::interrupts:
      return "interrupts";
  }
  return "unknown";
}

Reach::Sets Reach::sets() const {
  std::map<std::pair<Space, pcie::Access>, std::vector<Interval>> parts;
  for (const Stretch& s : stretches_) parts[{s.space, s.access}].push_back(s.targets);
  Sets sets;
  for (auto& [key, intervals] : parts) sets.emplace(key, IntervalSet(std::move(intervals)));
  return sets;
}

pcie::Transaction Reach::witness(const fabric::Tables& tables, const Space& space, pcie::Access access,
                                 std::uint64_t target) const {
  const auto found = std::find_if(stretches_.begin(), stretches_.end(), [&](const Stretch& s) {
    return s.space == space && s.access == access && s.targets.first <= target && target <= s.targets.last;
  });
  if (found == stretches_.end()) return emitted_by(tables, who_, 0, access);
  std::uint64_t at = found->emitted;
  std::uint32_t data = found->data;
  if (is_message_space(*found)) {
    at += (target >> kVectorBits) << kDestinationShift;
    data = static_cast<std::uint32_t>(target & ((1u << kVectorBits) - 1));
  } else {
    at += target - found->targets.first;
  }
  pcie::Transaction request = emitted_by(tables, who_, at, access);
  if (found->translated) request.address = BusAddr(at);
  if (is_device(who_)) request.rid.bdf = found->rid;
  if (space.kind == Kind::interrupts) request.length = 4;
  request.data = data;
  return request;
}

}  // namespace ladon::audit
