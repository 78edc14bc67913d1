// What stands between an attack and its target: the six switches of a rack, and what no switch controls. The
// latter can only be taken away here, one at a time, to show that it is what refuses an attack.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ladon::attack {

enum class Defence : std::uint8_t { acs, mh_iommu, ntb_lut, ch_iommu, interrupt_remapping, ept, count_ };
inline constexpr unsigned kDefences = static_cast<unsigned>(Defence::count_);
inline constexpr unsigned kDefenceSets = 1u << kDefences;
[[nodiscard]] std::string_view name(Defence defence);

// Defences that are switched off.
struct OffSet {
  std::uint8_t bits = 0;

  constexpr OffSet() = default;
  explicit constexpr OffSet(unsigned all) : bits(static_cast<std::uint8_t>(all)) {}
  constexpr OffSet(std::initializer_list<Defence> all) {
    for (const Defence one : all) bits = static_cast<std::uint8_t>(bits | 1u << static_cast<unsigned>(one));
  }
  [[nodiscard]] constexpr bool has(Defence defence) const {
    return (bits >> static_cast<unsigned>(defence) & 1) != 0;
  }
  [[nodiscard]] constexpr bool within(OffSet other) const { return (bits & ~other.bits) == 0; }
  [[nodiscard]] constexpr int size() const { return std::popcount(bits); }
  constexpr bool operator==(const OffSet&) const = default;
};
// "mh_iommu + ntb_lut"; "none".
[[nodiscard]] std::string to_string(OffSet off);

// Checks that no switch takes away. One is left out of a rack that is built to prove what it is worth; a rack
// file cannot say so.
enum class Mutant : std::uint8_t {
  none,
  no_scrub,                 // the management host neither resets nor scrubs a VF between two owners
  no_quiesce,               // neither it nor an unmap waits until a VF's DMA has ended
  no_drain,                 // an unmap is answered while accesses are under way
  no_unmap,                 // a host's part frees memory without taking the mapping away
  no_spoof_check,           // VFs send with any source address
  trust_everyone,           // every VF may have any address, others' too, and mode
  no_source_validation,     // switch ports let every requester ID in
  no_translation_blocking,  // switch ports let translated requests in
  link_side_programs,       // an NTB takes translations from its link side too
  unchecked_ntb,            // an NTB enables overlapping windows and duplicate look-up entries
  config_crosses,           // configuration requests pass through NTBs
  raw_msix_table,           // a guest's writes to its MSI-X table reach the device
  stale_windows,            // the management host leaves windows open that it should close
  link_stays_up,            // an NTB's link cannot be taken down
  deferred_invalidation,    // an unmap leaves IOTLB entries usable
  no_snapshot,              // a VF's headers are looked at in the guest's own memory
  no_fence,                 // a management program that was replaced can go on
  no_mailbox_limit,         // every message of a mailbox flood is answered
  believe_any_host,         // a host's part may speak for the slots of others
  pass_reserved,            // link-local frames pass the NIC's switch
  no_fault_limit,           // one requester may fill the fault log
  wait_for_receivers,       // a frame waits for its receiver's buffers, and with it the sender's queue
  whole_pages,              // a mapping is rounded to whole pages
  count_
};
[[nodiscard]] std::string_view name(Mutant mutant);

// What refuses an attack: with all of this away it succeeds.
struct Control {
  OffSet off;
  Mutant mutant = Mutant::none;
};
// "mh_iommu + ntb_lut", "mutant:no_scrub".
[[nodiscard]] std::string to_string(const Control& control);

}  // namespace ladon::attack
