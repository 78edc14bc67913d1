#include "attack/defences.h"

#include <array>

namespace ladon::attack {

std::string_view name(Defence defence) {
  static constexpr std::array<std::string_view, kDefences> kNames = {
      "acs", "mh_iommu", "ntb_lut", "ch_iommu", "interrupt_remapping", "ept"};
  return kNames[static_cast<std::size_t>(defence)];
}

std::string_view name(Mutant mutant) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Mutant::count_)> kNames = {
      "none",
      "no_scrub",
      "no_quiesce",
      "no_drain",
      "no_unmap",
      "no_spoof_check",
      "trust_everyone",
      "no_source_validation",
      "no_translation_blocking",
      "link_side_programs",
      "unchecked_ntb",
      "config_crosses",
      "raw_msix_table",
      "stale_windows",
      "link_stays_up",
      "deferred_invalidation",
      "no_snapshot",
      "no_fence",
      "no_mailbox_limit",
      "believe_any_host",
      "pass_reserved",
      "no_fault_limit",
      "wait_for_receivers",
      "whole_pages"};
  return kNames[static_cast<std::size_t>(mutant)];
}

std::string to_string(OffSet off) {
  std::string text;
  for (unsigned i = 0; i < kDefences; ++i)
    if (off.has(Defence{static_cast<std::uint8_t>(i)}))
      text +=
          std::string(text.empty() ? "" : " + ") + std::string(name(Defence{static_cast<std::uint8_t>(i)}));
  return text.empty() ? "none" : text;
}

std::string to_string(const Control& control) {
  const std::string switches = control.off == OffSet{} ? "" : to_string(control.off);
  if (control.mutant == Mutant::none) return switches.empty() ? "none" : switches;
  const std::string mutant = "mutant:" + std::string(name(control.mutant));
  return switches.empty() ? mutant : mutant + " + " + switches;
}

}  // namespace ladon::attack
