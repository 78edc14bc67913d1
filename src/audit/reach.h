// What one initiator can read, write and raise, exactly: whole stretches of addresses carried through
// fabric::resolve(), whose extents say how far an answer holds. Nothing is sampled.
//
// Accesses are of one byte, since a longer one reaches nothing that its bytes do not reach one by one;
// interrupt messages are of four. A read counts if its completion finds the way back. A PASID reaches nothing
// more: a requester that may use one has one address space, and others are refused or let through without it.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "audit/initiator.h"
#include "audit/interval.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::audit {

enum class Kind : std::uint8_t { memory, registers, interrupts };
[[nodiscard]] std::string_view name(Kind kind);

// A space of targets. Memory and registers are numbered by their physical address in that domain, interrupts
// by the vector that the domain's processors see.
struct Space {
  pcie::Domain domain{};
  Kind kind{};
  constexpr auto operator<=>(const Space&) const = default;
};

// Emitted addresses that lead, one by one, to a stretch of targets; or messages that raise an interrupt.
struct Stretch {
  Space space;
  Interval targets;
  pcie::Access access{};
  // How it is emitted.
  bool translated = false;  // AT = 10b
  pcie::Bdf rid;            // a device's requester ID
  // Of the first target. Interrupts: of the message; of several vectors, of the one that the bits of
  // 0xFEE00000 and data 0 would be, and each vector has its own bits (iommu::InterruptMode::off).
  std::uint64_t emitted = 0;
  std::uint32_t data = 0;
};

struct ReachOptions {
  // A device that lies: it emits any requester ID, not its own alone. Its functions reach the same then.
  bool lying = false;
};

class Reach {
 public:
  Reach(Initiator who, std::vector<Stretch> stretches) : who_(who), stretches_(std::move(stretches)) {}

  [[nodiscard]] const Initiator& who() const { return who_; }
  [[nodiscard]] const std::vector<Stretch>& stretches() const { return stretches_; }
  // Everything, merged.
  using Sets = std::map<std::pair<Space, pcie::Access>, IntervalSet>;
  [[nodiscard]] Sets sets() const;
  // An access that reaches `target`, which is one of the set.
  [[nodiscard]] pcie::Transaction witness(const fabric::Tables& tables, const Space& space,
                                          pcie::Access access, std::uint64_t target) const;

 private:
  Initiator who_;
  std::vector<Stretch> stretches_;
};

[[nodiscard]] Reach reach_of(const fabric::Tables& tables, const Initiator& who,
                             const ReachOptions& options = {});

}  // namespace ladon::audit
