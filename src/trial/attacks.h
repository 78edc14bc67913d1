// The attacks of the catalogue (doc/attacks.md) that a stock guest can make: by what its VF's registers,
// rings, mailbox, interrupt table and configuration space are made to hold.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "trial/stage.h"

namespace ladon::trial {

using attack::Verdict;

struct GuestAttack {
  std::string_view id;     // row of the catalogue
  std::string_view title;  // empty: the catalogue's
  Verdict (*perform)(Stage& stage) = nullptr;
};

// By group; one file each.
[[nodiscard]] std::span<const GuestAttack> memory_attacks();
[[nodiscard]] std::span<const GuestAttack> peer_attacks();
[[nodiscard]] std::span<const GuestAttack> interrupt_attacks();
[[nodiscard]] std::span<const GuestAttack> control_attacks();
[[nodiscard]] std::span<const GuestAttack> queue_attacks();

// All of them, in the catalogue's order.
[[nodiscard]] std::vector<GuestAttack> guest_attacks();
[[nodiscard]] std::string_view title(const GuestAttack& attack);
// What refuses it: "ch_iommu"; empty if the catalogue does not say.
[[nodiscard]] std::string control(const GuestAttack& attack);

}  // namespace ladon::trial
