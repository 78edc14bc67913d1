#include <algorithm>

#include "mh/actions.h"

namespace ladon::mh {

namespace {

// Some guarantee of `wanted` is less than it is now.
bool shrinks(const ServiceLevel& now, const ServiceLevel& wanted) {
  return wanted.receive.guaranteed < now.receive.guaranteed ||
         wanted.transmit.guaranteed < now.transmit.guaranteed ||
         wanted.memory.value_or(0) < now.memory.value_or(0);
}

bool has_levels(const Plan& plan, std::uint16_t nic) {
  const auto first = plan.levels.lower_bound({nic, 0});
  return first != plan.levels.end() && first->first.nic == nic;
}

const ServiceLevel* level_in(const Plan& plan, VfId vf) {
  const auto found = plan.levels.find(vf);
  return found == plan.levels.end() ? nullptr : &found->second;
}

NicCapacity capacity_in(const Plan& plan, std::uint16_t nic) {
  const auto found = plan.capacities.find(nic);
  return found == plan.capacities.end() ? NicCapacity{} : found->second;
}

void change_capacities(std::vector<Action>& out, const Plan& now, const Plan& wanted) {
  std::set<std::uint16_t> nics;
  for (const Plan* plan : {&now, &wanted})
    for (const auto& [nic, capacity] : plan->capacities) nics.insert(nic);
  for (const std::uint16_t nic : nics)
    if (const NicCapacity capacity = capacity_in(wanted, nic); capacity != capacity_in(now, nic))
      out.push_back(SetCapacity{nic, capacity});
}

// Of the way from one level to another the first half: `wanted`, but with no more guaranteed than both have.
// null: not known, and then nothing.
ServiceLevel lowered(const ServiceLevel& wanted, const ServiceLevel* now) {
  ServiceLevel level = wanted;
  const ServiceLevel none{.memory = 0};
  const ServiceLevel& before = now != nullptr ? *now : none;
  level.receive.guaranteed = std::min(wanted.receive.guaranteed, before.receive.guaranteed);
  level.transmit.guaranteed = std::min(wanted.transmit.guaranteed, before.transmit.guaranteed);
  // The partition stays as large as it will be, only that less of it is its own for a moment.
  const std::uint64_t most = wanted.memory.value_or(0) + wanted.memory_shared;
  level.memory = std::min(wanted.memory.value_or(0), before.memory.value_or(0));
  level.memory_shared = most - *level.memory;
  if (*level.memory < wanted.memory.value_or(0)) level.memory_lendable = 0;
  return level;
}

}  // namespace

void change_levels(std::vector<Action>& out, const Plan& now, const Plan& wanted) {
  for (const auto& [vf, level] : wanted.levels) {
    const ServiceLevel* before = level_in(now, vf);
    if (before == nullptr || shrinks(*before, level)) out.push_back(SetLevel{vf, lowered(level, before)});
  }
  std::set<std::uint16_t> defaults;
  for (const auto& [vf, level] : now.levels)
    if (!has_levels(wanted, vf.nic)) defaults.insert(vf.nic);
  for (const std::uint16_t nic : defaults) out.push_back(DefaultLevels{nic});
  change_capacities(out, now, wanted);
  for (const auto& [vf, level] : wanted.levels) {
    const ServiceLevel* before = level_in(now, vf);
    const bool first = before == nullptr || shrinks(*before, level);
    if (first ? lowered(level, before) != level : *before != level) out.push_back(SetLevel{vf, level});
  }
}

}  // namespace ladon::mh
