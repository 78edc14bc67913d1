#include "audit/audit.h"

#include <algorithm>
#include <set>

#include "audit/walker.h"

namespace ladon::audit {

namespace {

constexpr auto kRead = pcie::Access::read, kWrite = pcie::Access::write;

const IntervalSet& set_of(const Reach::Sets& sets, const Space& space, pcie::Access access) {
  static const IntervalSet kNothing;
  const auto found = sets.find({space, access});
  return found == sets.end() ? kNothing : found->second;
}

// Intervals with the accesses that all of each has.
struct Part {
  Interval targets;
  pcie::AccessSet access;
};
std::vector<Part> by_access(const IntervalSet& read, const IntervalSet& write) {
  std::vector<Part> parts;
  const auto add = [&](const IntervalSet& set, pcie::AccessSet access) {
    for (const Interval& targets : set.parts()) parts.push_back({targets, access});
  };
  add(read.intersect(write), pcie::kReadWrite);
  add(read.without(write), pcie::kReadOnly);
  add(write.without(read), pcie::kWriteOnly);
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.targets < b.targets; });
  return parts;
}

// The parts of `all` that `some` lacks, space by space.
template <class Take>
void difference(const Reach::Sets& all, const Reach::Sets& some, Take take) {
  std::set<Space> spaces;
  for (const auto& [key, set] : all) spaces.insert(key.first);
  for (const Space& space : spaces) {
    const auto rest = [&](pcie::Access access) {
      return set_of(all, space, access).without(set_of(some, space, access));
    };
    for (const Part& part : by_access(rest(kRead), rest(kWrite))) take(space, part);
  }
}

// Grants in the order of who has them.
class GrantBook {
 public:
  GrantBook(const std::vector<Grant>& grants, bool lying) : lying_(lying) {
    for (const Grant& grant : grants) by_owner_[who(grant.to)].push_back(&grant);
  }

  // Whom a grant to this function is to: of a liar, its endpoint.
  [[nodiscard]] Initiator who(Initiator initiator) const {
    auto* function = std::get_if<fabric::FunctionId>(&initiator);
    if (lying_ && function != nullptr && !function->is_ntb) function->function = 0;
    return initiator;
  }
  [[nodiscard]] const std::vector<const Grant*>& of(const Initiator& initiator) const {
    static const std::vector<const Grant*> kNone;
    const auto found = by_owner_.find(initiator);
    return found == by_owner_.end() ? kNone : found->second;
  }
  [[nodiscard]] Reach::Sets sets(const Initiator& initiator) const {
    std::map<std::pair<Space, pcie::Access>, std::vector<Interval>> parts;
    for (const Grant* grant : of(initiator))
      for (const auto access : {kRead, kWrite})
        if (grant->access.allows(access)) parts[{grant->space, access}].push_back(grant->targets);
    Reach::Sets sets;
    for (auto& [key, intervals] : parts) sets.emplace(key, IntervalSet(std::move(intervals)));
    return sets;
  }
  [[nodiscard]] std::vector<Initiator> owners() const {
    std::vector<Initiator> all;
    for (const auto& [owner, grants] : by_owner_) all.push_back(owner);
    return all;
  }

 private:
  bool lying_;
  std::map<Initiator, std::vector<const Grant*>> by_owner_;
};

std::optional<pcie::Transaction> attempt(const fabric::Tables& tables, const GrantBook& book,
                                         const Initiator& who, const Space& space, const Part& part) {
  for (const Grant* grant : book.of(who)) {
    const bool holds = grant->space == space && grant->targets.first <= part.targets.first &&
                       part.targets.first <= grant->targets.last;
    if (!holds || !grant->emitted) continue;
    const auto access = part.access.allows(kWrite) ? kWrite : kRead;
    return emitted_by(tables, grant->to, *grant->emitted + (part.targets.first - grant->targets.first),
                      access);
  }
  return std::nullopt;
}

void compare(const fabric::Tables& tables, const Reach& reach, const GrantBook& book, Report& report) {
  const Initiator& who = reach.who();
  const Reach::Sets reached = reach.sets(), granted = book.sets(who);
  difference(reached, granted, [&](const Space& space, const Part& part) {
    const auto access = part.access.allows(kWrite) ? kWrite : kRead;
    report.findings.push_back(
        {who, space, part.targets, part.access, reach.witness(tables, space, access, part.targets.first)});
  });
  difference(granted, reached, [&](const Space& space, const Part& part) {
    report.unreachable.push_back(
        {who, space, part.targets, part.access, attempt(tables, book, who, space, part)});
  });
}

}  // namespace

Report audit(const fabric::Tables& tables, const std::vector<Grant>& grants, const AuditOptions& options) {
  const Rack rack(tables);
  const GrantBook book(grants, options.lying);
  Report report;
  report.mappings = count_mappings(tables);
  std::set<Initiator> left;  // who was granted something and may not be there at all
  for (const Initiator& owner : book.owners()) left.insert(owner);
  for (const Initiator& who : initiators(tables)) {
    if (book.who(who) != who) continue;
    ++report.initiators;
    left.erase(who);
    compare(tables, reach_of(rack, who, {.lying = options.lying}), book, report);
  }
  for (const Initiator& who : left) compare(tables, Reach(who, {}), book, report);
  return report;
}

std::size_t count_mappings(const fabric::Tables& tables) {
  std::size_t count = 0;
  for (const auto& host : tables.hosts) {
    count += host->memory->size();
    for (const auto& hierarchy : host->hierarchies) {
      count += hierarchy.iommu->interrupts->entries.size();
      std::set<const iommu::DomainTable*> domains;
      for (const auto& device : hierarchy.iommu->devices)
        if (domains.insert(device.domain.get()).second)
          count += device.domain->mappings.mappings().size() + device.domain->stale.mappings().size();
    }
    for (const auto& vm : host->vms) count += vm.second_level->mappings().size();
  }
  for (const auto& endpoint : tables.endpoints) count += endpoint->claims.size();
  for (const auto& ntb : tables.ntbs)
    for (const auto* side : {&ntb->management, &ntb->link})
      count += side->bars.size() + side->windows.size() + side->lut.size();
  return count;
}

}  // namespace ladon::audit
