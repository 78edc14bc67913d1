// Carries all that one initiator can emit through resolve(): the room's own, not for others.
#pragma once

#include <optional>
#include <vector>

#include "audit/messages.h"
#include "audit/reach.h"
#include "fabric/resolve.h"

namespace ladon::audit {

// What is computed once for a snapshot and used for every initiator.
class Rack {
 public:
  explicit Rack(const fabric::Tables& tables);

  [[nodiscard]] const fabric::Tables& tables() const { return tables_; }
  [[nodiscard]] const EntriesByRequester& entries(pcie::Segment segment) const {
    return entries_[static_cast<std::size_t>(segment)];
  }
  // Requester IDs that some table of this segment names, ascending.
  [[nodiscard]] const std::vector<pcie::Bdf>& known_requesters(pcie::Segment segment) const {
    return requesters_[static_cast<std::size_t>(segment)];
  }

 private:
  const fabric::Tables& tables_;
  std::vector<EntriesByRequester> entries_;         // by segment
  std::vector<std::vector<pcie::Bdf>> requesters_;  // by segment
};

class Walker {
 public:
  Walker(const Rack& rack, const Initiator& who) : rack_(rack), who_(who) {}
  // Every address, with one kind of access under one requester ID (nullopt: its own).
  void walk(pcie::Access access, bool translated, std::optional<pcie::Bdf> rid);
  [[nodiscard]] std::vector<Stretch> take() { return std::move(found_); }

 private:
  void note(const pcie::Transaction& request, const fabric::Resolution& way);
  void raise(const pcie::Transaction& request, const fabric::Resolution& way);
  void raise_remapped(pcie::Transaction request, const fabric::Fault& met, const Interval& area);
  void raise_unremapped(pcie::Transaction request, const fabric::Fault& met, const Interval& area);
  void add(const pcie::Transaction& request, Space space, Interval targets);

  const Rack& rack_;
  Initiator who_;
  std::vector<Stretch> found_;
};

[[nodiscard]] Reach reach_of(const Rack& rack, const Initiator& who, const ReachOptions& options);

}  // namespace ladon::audit
