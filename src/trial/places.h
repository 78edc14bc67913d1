// Where things are in a running rack: what an attacker who knows everything would aim at, and whose requester
// ID it was. To be called on the engine's thread.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "attack/testbed.h"
#include "machine/machine.h"

namespace ladon::trial {

[[nodiscard]] fabric::FunctionId vf_function(const machine::GuestPlace& guest);
// Of a function, in the management host's domain (an NTB's: on its management side).
[[nodiscard]] std::optional<BusAddr> bar_address(machine::Machine& machine, const fabric::FunctionId& id,
                                                 std::uint8_t bar);
[[nodiscard]] fabric::FunctionId ntb_function(pcie::Domain host);
// A register of a guest's VF, without its bus.
[[nodiscard]] std::uint32_t vf_register(machine::Machine& machine, const machine::GuestPlace& guest,
                                        std::uint8_t bar, std::uint32_t offset);
// An entry of its MSI-X table, as its host has filled it.
struct MessageEntry {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
  bool operator==(const MessageEntry&) const = default;
};
[[nodiscard]] MessageEntry message_entry(machine::Machine& machine, const machine::GuestPlace& guest,
                                         std::uint16_t vector);
// All 4 KiB of configuration space of every function of a NIC, as one string of bytes.
[[nodiscard]] std::vector<std::uint32_t> configuration(machine::Machine& machine, std::size_t nic);

// Requester IDs of a guest's VF: in the management host's domain, and at its own host.
struct Requesters {
  pcie::Sbdf management, own;
};
[[nodiscard]] Requesters requesters(const machine::Machine& machine, const machine::GuestPlace& guest);
// The guest whose VF has that requester ID there, or else the ID as text.
[[nodiscard]] std::string tenant(const machine::Machine& machine, pcie::Domain domain, pcie::Sbdf rid);
// Where the host has put that of a guest's memory; nullopt if it is none of its.
[[nodiscard]] std::optional<BusAddr> place_of(const machine::GuestPlace& guest, Gpa at);

// A page that holds a secret, again and again, at a host: the host's own, or a guest's.
struct Target {
  static constexpr std::size_t kBytes = 4096;
  pcie::Domain domain{};
  BusAddr at;
  std::array<std::byte, 16> secret{};
};
// A new page of the host's that is no guest's. The error is a sentence.
[[nodiscard]] std::expected<Target, std::string> place_target(machine::Machine& machine, pcie::Domain domain);
void fill(machine::Machine& machine, Target& target, std::uint64_t number);
[[nodiscard]] bool untouched(machine::Machine& machine, const Target& target);
// Both halves of the secret: they cannot be there by chance.
[[nodiscard]] bool is_in(const Target& target, ConstBytes bytes);
[[nodiscard]] std::array<std::byte, 16> secret_of(std::uint64_t number);

}  // namespace ladon::trial
