#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/audit_report.h"
#include "app/commands.h"
#include "console/client.h"

namespace ladon::app {
namespace {

int audit_file(const AuditOptions& options, const Common& common) {
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  const auto planned = machine::audit_plan(*rack, {.lying = options.lying});
  if (!planned) {
    common.log.error("{}", planned.error());
    return kFinding;
  }
  if (!planned->stale.empty()) {
    print_mistakes(planned->stale, common);
    return kBadInput;
  }
  const Audited audited{*rack, *planned->tables, planned->report, planned->accepted, planned->seconds};
  if (common.json)
    fmt::print("{}\n", to_json(audited).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    fmt::print("{}", to_text(audited));
  return audited.passes() ? kOk : kFinding;
}

// A running rack audits itself; it is told how the result is wanted.
int audit_live(const AuditOptions& options, const Common& common) {
  auto result =
      console::ask(options.live, {{"verb", "audit"}, {"lying", options.lying}, {"text", !common.json}});
  if (!result) {
    common.log.error("{}", result.error());
    return std::filesystem::exists(options.live) ? kFinding : kBadInput;
  }
  const bool passes = result->value("passes", false);
  if (result->value("management", "") == "down")
    fmt::print(stderr, "the management host's program is not running: what was granted is its last plan\n");
  if (common.json) {
    result->erase("passes");
    fmt::print("{}\n", result->dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}", result->value("text", ""));
  }
  return passes ? kOk : kFinding;
}

}  // namespace

int audit(const AuditOptions& options, const Common& common) {
  if (options.rack.empty() == options.live.empty()) {
    fmt::print(stderr,
               "ladon audit: give a rack file, or --live with the control socket of a running rack\n");
    return kBadInput;
  }
  return options.live.empty() ? audit_file(options, common) : audit_live(options, common);
}

}  // namespace ladon::app
