// Everything in a rack that can emit an access.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "fabric/component.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::audit {

// A host's processor: whatever software runs there.
struct Processor {
  pcie::Domain domain{};
  constexpr auto operator<=>(const Processor&) const = default;
};
// A virtual machine's processor, behind its second-level page table.
struct VirtualMachine {
  pcie::Domain domain{};
  pcie::Vm vm{};
  constexpr auto operator<=>(const VirtualMachine&) const = default;
};
// FunctionId: a function of an endpoint (PF or VF), or what an NTB shows on one of its sides.
using Initiator = std::variant<Processor, VirtualMachine, fabric::FunctionId>;

[[nodiscard]] constexpr bool is_device(const Initiator& who) {
  return std::holds_alternative<fabric::FunctionId>(who);
}

// All of them: every host's processor, every VM that has a page table, every function that is there.
[[nodiscard]] std::vector<Initiator> initiators(const fabric::Tables& tables);

// "cpu of ch1", "vm 0 of ch1", "function 130 of nic0", "ntb1 link side".
[[nodiscard]] std::string name(const fabric::Tables& tables, const Initiator& who);

// An access as `who` emits it at `address`, of one byte, untranslated, under its own requester ID. What a
// processor emits is physical, what a VM emits is its own.
[[nodiscard]] pcie::Transaction emitted_by(const fabric::Tables& tables, const Initiator& who,
                                           std::uint64_t address, pcie::Access access);

}  // namespace ladon::audit
