// Accesses tried after every step: resolve() against the model, its extents at their edges, what a cache
// would have remembered, and the audit.
#pragma once

#include <vector>

#include "audit/initiator.h"
#include "fabric/resolve.h"
#include "input.h"
#include "tables/rack.h"

namespace ladon::fuzz::tables {

class Prober {
 public:
  explicit Prober(Rack& rack) : rack_(rack) {}

  // What the step has touched, by some initiators in turn; and all that is remembered.
  void after_step();
  // Any access, as the script says: it may lie about who it is.
  void any(Script& script);
  // Edges of all tables, by all initiators in turn; and the audit's answer, if the script wants it.
  void sweep();

 private:
  struct Remembered {
    audit::Initiator who;
    std::uint64_t at = 0;
    pcie::Access access{};
    std::uint32_t data = 0;  // of an interrupt message
    fabric::Extent extent;
    End end;
  };
  void probe(const audit::Initiator& who, std::uint64_t at, pcie::Access access);
  std::optional<End> compare(const pcie::Transaction& access, const fabric::Resolution& way) const;
  void check_extent(const pcie::Transaction& access, const fabric::Resolution& way) const;
  void remember(const audit::Initiator& who, const pcie::Transaction& access, const fabric::Resolution& way,
                const End& end);
  // Drops what the fabric has said to be void; the rest must still be so.
  void check_remembered();
  void check_audit() const;
  [[nodiscard]] std::vector<std::uint64_t> edges() const;
  [[nodiscard]] const fabric::Tables& tables() const { return *rack_.rig().fabric->tables(); }

  Rack& rack_;
  std::vector<Remembered> remembered_;
  std::size_t turn_ = 0;
};

}  // namespace ladon::fuzz::tables
