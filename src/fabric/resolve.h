// The one function that follows an access through the rack. It is pure: it reads a snapshot of the tables and
// changes nothing, so the live machine, simulated time and the audit can never disagree.
//
//   const Resolution r = resolve(*fabric.tables(), transaction);
//   if (const auto* memory = std::get_if<MemoryTarget>(&r.outcome)) ...
//
// PCIe Base Specification 6.0: 2.2 (requests), 2.2.9 (completions are routed by requester ID), 6.12 (ACS).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "fabric/component.h"
#include "fabric/tables.h"
#include "pcie/id.h"
#include "pcie/transaction.h"

namespace ladon::fabric {

// One table that the access passed. Addresses are plain numbers here, because hops are there to be shown;
// each is in `domain`'s space before, and after an NTB's window in the other domain's.
struct Hop {
  ComponentId component;
  Table table{};
  pcie::Domain domain{};
  pcie::Segment segment{};        // where it is, as the rack numbers it
  std::uint64_t in = 0, out = 0;  // address; both 0 on a completion's way
  pcie::Rid rid_in, rid_out;      // requester
  bool operator==(const Hop&) const = default;
};

inline constexpr std::size_t kMaxHops = 40;

// A list of hops without a heap; the unused part is not initialized, since a resolution is made per cache
// miss.
class Hops {
 public:
  Hops() {}  // NOLINT: leaves the storage alone on purpose
  Hops(const Hops& other) { *this = other; }
  Hops& operator=(const Hops& other) {
    size_ = other.size_;
    std::copy_n(other.storage_, size_, storage_);
    return *this;
  }
  // False if it is full.
  bool push(const Hop& hop) {
    if (size_ == kMaxHops) return false;
    storage_[size_++] = hop;
    return true;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const Hop* begin() const { return storage_; }
  [[nodiscard]] const Hop* end() const { return storage_ + size_; }
  [[nodiscard]] const Hop& operator[](std::size_t i) const { return storage_[i]; }

 private:
  std::size_t size_ = 0;
  union {
    Hop storage_[kMaxHops];
  };
};

// The addresses first..last, in the space in which the transaction's own address is, for which this access
// has the same way and the same outcome: a target at the same distance, or the same fault.
struct Extent {
  std::uint64_t first = 0, last = ~std::uint64_t{0};
  bool operator==(const Extent&) const = default;
};

struct MemoryTarget {
  pcie::Domain domain{};
  BusAddr at;                // in that domain
  MemoryId memory{};         // whose bytes
  std::uint64_t offset = 0;  // within that memory, of `at`
  bool operator==(const MemoryTarget&) const = default;
};

struct RegisterTarget {
  FunctionId function;  // whose registers were hit
  std::uint8_t bar = 0;
  std::uint64_t offset = 0;  // within the BAR
  bool operator==(const RegisterTarget&) const = default;
};

struct InterruptTarget {
  pcie::Domain domain{};
  std::uint32_t vector = 0;
  pcie::Rid source;  // as that domain saw it
  bool operator==(const InterruptTarget&) const = default;
};

struct Fault {
  ComponentId component;
  Table table{};
  Reason reason{};
  std::uint64_t address = 0;  // as that component saw it
  pcie::Rid rid;              // likewise
  bool on_completion = false;
  bool operator==(const Fault&) const = default;
};

struct Resolution {
  Hops hops;         // up to and with the target, or the table that refused
  Hops return_hops;  // reads: the completion's way back, from the completer
  std::variant<Fault, MemoryTarget, RegisterTarget, InterruptTarget> outcome;
  // Exact for memory and registers: just outside, the offset differs or a fault stands. For an interrupt,
  // the four bytes of the message. Of an access that is refused for its form (bad_length, crosses_4k) the
  // address alone; of one that reaches over an end (crosses_end) the extent of its first byte.
  Extent extent;
  // Of a device's request that meets a domain's interrupt range, whatever becomes of it: the addresses around
  // it that meet that range by the same way. There `extent` says nothing of its neighbours' way.
  std::optional<Extent> interrupts;

  [[nodiscard]] bool refused() const { return std::holds_alternative<Fault>(outcome); }
  [[nodiscard]] const Fault* fault() const { return std::get_if<Fault>(&outcome); }
};

// Follows `transaction`. Its origin is trusted (where it physically enters), its requester ID is not; but a
// requester ID on the bus has 16 bits, and its segment is the one where it enters. For a CPU's or VM's access
// the requester ID is taken to be the host bridge's (00:00.0 of the segment that it leads to), whatever the
// transaction says.
[[nodiscard]] Resolution resolve(const Tables& tables, const pcie::Transaction& transaction);

}  // namespace ladon::fabric
