#include "machine/acceptance.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "machine/grants.h"

namespace ladon::machine {
namespace {

// A number as the audit prints it: vectors are counted, addresses are not.
std::string number(audit::Kind kind, std::uint64_t target) {
  return kind == audit::Kind::interrupts ? fmt::format("{}", target) : fmt::format("{:#x}", target);
}

bool matches(const Acceptance& entry, const audit::Finding& finding, Match match) {
  if (match == Match::exact)
    return entry.access == finding.access && entry.first == finding.targets.first &&
           entry.last == finding.targets.last;
  return (finding.access.bits & ~entry.access.bits) == 0 && entry.first <= finding.targets.first &&
         finding.targets.last <= entry.last;
}

void accept_single_ones(const Rack& rack, const audit::Report& report, Match match, Judgement& judgement) {
  std::map<audit::Space, std::vector<std::size_t>> entries;
  for (std::size_t i = 0; i < rack.accept.size(); ++i)
    if (const Acceptance& entry = rack.accept[i]; entry.defence == nullptr)
      entries[{pcie::Domain{static_cast<std::uint16_t>(entry.host)}, entry.kind}].push_back(i);
  for (std::size_t f = 0; f < report.findings.size(); ++f) {
    const audit::Finding& finding = report.findings[f];
    const auto here = entries.find(finding.space);
    if (here == entries.end()) continue;
    for (const std::size_t i : here->second) {
      if (!matches(rack.accept[i], finding, match) ||
          rack.accept[i].initiator != initiator_name(rack, finding.who))
        continue;
      judgement.accepted[f] = i;
      judgement.used[i] = true;
      break;
    }
  }
}

void accept_by_defence(const Rack& rack, const AuditInput& input, const audit::Report& report,
                       Judgement& judgement) {
  std::vector<std::size_t> entries;
  DefenceList off;
  for (std::size_t i = 0; i < rack.accept.size(); ++i) {
    const DefenceSwitch* defence = rack.accept[i].defence;
    if (defence == nullptr || std::ranges::find(off, defence) != off.end()) continue;
    entries.push_back(i);
    off.push_back(defence);
  }
  if (off.empty() || report.findings.empty()) return;
  const Blame blame(input, off);
  for (std::size_t f = 0; f < report.findings.size(); ++f) {
    if (!blame.explains(report.findings[f])) continue;
    for (const std::size_t whose : blame.whose(report.findings[f])) {
      judgement.used[entries[whose]] = true;
      if (!judgement.accepted[f]) judgement.accepted[f] = entries[whose];
    }
  }
}

}  // namespace

bool all_accepted(const AcceptedBy& accepted) {
  return std::ranges::all_of(accepted, [](const auto& by) { return by.has_value(); });
}

Judgement judge(const Rack& rack, const AuditInput& input, const audit::Report& report, Match match) {
  Judgement judgement{AcceptedBy(report.findings.size()), std::vector<bool>(rack.accept.size())};
  accept_single_ones(rack, report, match, judgement);
  accept_by_defence(rack, input, report, judgement);
  return judgement;
}

std::string entry_for(const Rack& rack, const audit::Finding& finding) {
  const audit::Kind kind = finding.space.kind;
  return fmt::format(R"({{initiator: "{}", domain: {}, kind: {}, access: {}, first: {}, last: {}, why: ""}})",
                     initiator_name(rack, finding.who),
                     rack.hosts[static_cast<std::size_t>(finding.space.domain)].name, audit::name(kind),
                     name(finding.access), number(kind, finding.targets.first),
                     number(kind, finding.targets.last));
}

}  // namespace ladon::machine
