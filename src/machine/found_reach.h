// Findings as sets: what of each space can be read or written by whom and was not granted.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "audit/audit.h"

namespace ladon::machine {

class FoundReach {
 public:
  FoundReach() = default;
  explicit FoundReach(const std::vector<audit::Finding>& findings) {
    std::map<Key, std::vector<audit::Interval>> parts;
    for (const auto& finding : findings)
      each_key(finding, [&](const Key& key) { parts[key].push_back(finding.targets); });
    for (auto& [key, intervals] : parts) sets_.emplace(key, audit::IntervalSet(std::move(intervals)));
  }

  // Some access of the finding is among these.
  [[nodiscard]] bool meets(const audit::Finding& finding) const {
    bool met = false;
    each_key(finding, [&](const Key& key) {
      const auto set = sets_.find(key);
      met |= set != sets_.end() && !set->second.intersect(audit::IntervalSet({finding.targets})).empty();
    });
    return met;
  }

 private:
  using Key = std::tuple<audit::Initiator, audit::Space, pcie::Access>;
  template <class Take>
  static void each_key(const audit::Finding& finding, Take take) {
    for (const auto access : {pcie::Access::read, pcie::Access::write})
      if (finding.access.allows(access)) take(Key{finding.who, finding.space, access});
  }
  std::map<Key, audit::IntervalSet> sets_;
};

}  // namespace ladon::machine
