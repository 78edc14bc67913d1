#include "machine/plan_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "machine/grants.h"
#include "machine/quiet_rack.h"

namespace ladon::machine {
namespace {

constexpr std::size_t kSuggested = 100;

// What this entry was probably for: what its initiator can reach of that kind now.
const audit::Finding* instead_of(const Rack& rack, const PlanAudit& audited, const Acceptance& entry) {
  for (std::size_t f = 0; f < audited.report.findings.size(); ++f) {
    const audit::Finding& finding = audited.report.findings[f];
    if (!audited.accepted[f] && static_cast<std::size_t>(finding.space.domain) == entry.host &&
        finding.space.kind == entry.kind && initiator_name(rack, finding.who) == entry.initiator)
      return &finding;
  }
  return nullptr;
}

RackError stale_entry(const Rack& rack, const PlanAudit& audited, std::size_t index) {
  const Acceptance& entry = rack.accept[index];
  RackError error{entry.file, entry.line, entry.column, fmt::format("accept[{}]", index), {}, {}};
  error.mend = "remove this entry";
  if (entry.defence != nullptr) {
    error.message = fmt::format("accepts nothing: nothing more can be reached in this rack because {} is off",
                                entry.defence->name);
    return error;
  }
  error.message = "accepts nothing: the audit has no finding that is exactly this";
  if (const audit::Finding* now = instead_of(rack, audited, entry))
    error.mend =
        fmt::format("remove this entry, or write what can be reached now: {}", entry_for(rack, *now));
  return error;
}

}  // namespace

std::expected<PlanAudit, std::string> audit_plan(const Rack& rack, const audit::AuditOptions& options) {
  const auto built = QuietRack::build(rack);
  if (!built) return std::unexpected(built.error());
  PlanAudit made;
  const auto begin = std::chrono::steady_clock::now();
  made.tables = (*built)->tables();
  made.grants = grants(**built);
  made.report = audit::audit(*made.tables, made.grants, options);
  made.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Judgement judgement = judge(rack, {*made.tables, made.grants, options}, made.report, Match::exact);
  made.accepted = std::move(judgement.accepted);
  // What a device that lies reaches is larger: an entry may be for a part of it.
  for (std::size_t i = 0; i < rack.accept.size() && !options.lying && made.stale.size() < kMaxRackErrors; ++i)
    if (!judgement.used[i]) made.stale.push_back(stale_entry(rack, made, i));
  return made;
}

Suggestion suggest(const Rack& rack, const PlanAudit& audited) {
  DefenceList off;
  for (const DefenceSwitch& defence : kDefenceSwitches)
    if (!(rack.defences.*defence.on) &&
        std::ranges::find(rack.accept, &defence, &Acceptance::defence) == rack.accept.end())
      off.push_back(&defence);
  const Blame blame({*audited.tables, audited.grants, {}}, off);
  std::vector<bool> blamed(off.size());
  Suggestion made;
  std::string single;
  std::size_t listed = 0;
  for (std::size_t f = 0; f < audited.report.findings.size(); ++f) {
    const audit::Finding& finding = audited.report.findings[f];
    if (audited.accepted[f]) continue;
    if (blame.explains(finding)) {
      for (const std::size_t whose : blame.whose(finding)) blamed[whose] = true;
    } else if (listed < kSuggested) {
      single += fmt::format("  - {}\n", entry_for(rack, finding));
      ++listed;
    } else {
      ++made.left;
    }
  }
  for (std::size_t i = 0; i < off.size(); ++i)
    if (blamed[i]) made.yaml += fmt::format("  - {{defence: {}, why: \"\"}}\n", off[i]->name);
  made.yaml += single;
  return made;
}

}  // namespace ladon::machine
