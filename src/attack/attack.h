// The catalogue: each row an attack that is really tried on a live rack.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attack/scene.h"

namespace ladon::attack {

enum class Party : std::uint8_t {
  vf,    // values in a VF's rings, registers and mailbox; or, where said, silicon that lies
  vm,    // a VM's own processor
  ch,    // software of a compute host that holds its HostBridge
  mh,    // a mistake or a ghost of the management host's software
  wire,  // frames from outside
};
[[nodiscard]] std::string_view name(Party party);

struct Attack {
  std::string_view id;  // row of the catalogue, with a letter where a row has several
  std::string_view title;
  Party by{};
  Control control;  // what refuses it: with this away it succeeds
  Verdict (*perform)(Scene& scene) = nullptr;
  bool watched_dma = false;      // needs Testbed::meanwhile or hold
  bool one_entry_short = false;  // the NTB's look-up table is as large as its host has guests
};

// A row that is not tried, and why.
struct LeftOut {
  std::string_view id, title, reason;
};

// By group; one file each.
[[nodiscard]] std::span<const Attack> dma_attacks();
[[nodiscard]] std::span<const Attack> requester_attacks();
[[nodiscard]] std::span<const Attack> peer_attacks();
[[nodiscard]] std::span<const Attack> ntb_attacks();
[[nodiscard]] std::span<const Attack> interrupt_attacks();
[[nodiscard]] std::span<const Attack> config_attacks();
[[nodiscard]] std::span<const Attack> control_attacks();
[[nodiscard]] std::span<const Attack> lifecycle_attacks();
[[nodiscard]] std::span<const Attack> hand_over_attacks();
[[nodiscard]] std::span<const Attack> queue_attacks();
[[nodiscard]] std::span<const Attack> processor_attacks();

// All of them, in the catalogue's order.
[[nodiscard]] const std::vector<Attack>& catalogue();
[[nodiscard]] std::span<const LeftOut> left_out();
// Rows, however many attacks each has.
[[nodiscard]] std::size_t rows_tried();

}  // namespace ladon::attack
