// What stands between a rack file and a rack that runs: the audit of its plan.
#include <fmt/format.h>

#include <cstdio>

#include "app/audit_report.h"
#include "app/commands.h"

namespace ladon::app {

std::optional<int> refused_by_audit(const machine::Rack& rack, const Common& common) {
  const auto planned = machine::audit_plan(rack);
  if (!planned) {
    common.log.error("{}", planned.error());
    return kFinding;
  }
  if (!planned->stale.empty()) {
    print_mistakes(planned->stale, common);
    return kBadInput;
  }
  if (!planned->report.unreachable.empty())
    common.log.warning("{} ranges are granted and not reachable; see ladon audit",
                       planned->report.unreachable.size());
  if (machine::all_accepted(planned->accepted)) return std::nullopt;

  const Audited audited{rack, *planned->tables, planned->report, planned->accepted, planned->seconds};
  const auto suggestion = machine::suggest(rack, *planned);
  if (common.json) {
    auto report = to_json(audited);
    report["suggestion"] = "accept:\n" + suggestion.yaml;
    fmt::print("{}\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}\n", to_text(audited));
  }
  fmt::print(
      stderr,
      "{}: nothing was started, because more can be reached than was granted. Mend it, or accept it in "
      "the rack file, each with its why:\n\naccept:\n{}",
      rack.name, suggestion.yaml);
  if (suggestion.left != 0) fmt::print(stderr, "  # and {} more\n", suggestion.left);
  return kFinding;
}

}  // namespace ladon::app
