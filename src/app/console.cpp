#include "app/console.h"

#include <chrono>
#include <thread>

#include "app/audit_report.h"
#include "app/explain_live.h"
#include "app/para_report.h"
#include "app/vf_verbs.h"
#include "machine/counter_report.h"
#include "machine/live_view.h"

namespace ladon::app {
namespace {

using console::Json;

// A VF that is being reset reaches nothing for a moment, and nobody's plan says so.
constexpr int kLooks = 5;
constexpr std::chrono::milliseconds kBetweenLooks(100);

struct LiveAudit {
  machine::LiveView view;
  audit::Report report;
  double seconds = 0;
};

std::expected<LiveAudit, std::string> audit_now(machine::Runner& runner, const audit::AuditOptions& options) {
  const machine::LiveSources sources{
      .rack = runner.machine().rack(), .journal = runner.journal(), .look = [&runner] {
        return runner.on_engine([](machine::Machine& m) { return machine::look_at(m); });
      }};
  for (int look = 1;; ++look) {
    auto view = machine::observe(sources);
    if (!view) return std::unexpected(view.error());
    const auto begin = std::chrono::steady_clock::now();
    auto report = ladon::audit::audit(*view->tables, view->grants, options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (report.unreachable.empty() || look == kLooks)
      return LiveAudit{std::move(*view), std::move(report), seconds};
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

std::expected<Json, std::string> audit(machine::Runner& runner, const Json& arguments) {
  const audit::AuditOptions options{.lying = arguments.value("lying", false)};
  const auto done = audit_now(runner, options);
  if (!done) return std::unexpected(done.error());
  const machine::Rack& rack = runner.machine().rack();
  const auto judgement = machine::judge(rack, {*done->view.tables, done->view.grants, options}, done->report,
                                        machine::Match::within);
  const Audited audited{rack, *done->view.tables, done->report, judgement.accepted, done->seconds};
  Json result = arguments.value("text", false) ? Json{{"text", to_text(audited)}} : to_json(audited);
  result["management"] = done->view.managed ? "up" : "down";
  result["passes"] = audited.passes();
  return result;
}

Json counters(machine::Runner& runner) {
  Json lines = Json::array();
  const auto add = [&](const std::vector<machine::CounterLine>& counted) {
    for (const auto& line : counted)
      lines.push_back({{"where", line.where}, {"reason", line.reason}, {"count", line.count}});
  };
  add(runner.on_engine([](machine::Machine& m) { return machine::counter_report(m); }));
  add(counter_lines(runner.shared_functions()));
  return {{"counters", lines}};
}

}  // namespace

std::expected<std::unique_ptr<console::Server>, std::string> open_console(machine::Runner& runner,
                                                                          const Log& log) {
  console::Verbs verbs;
  verbs["audit"] = [&runner](const Json& arguments) { return audit(runner, arguments); };
  verbs["counters"] = [&runner](const Json&) { return counters(runner); };
  verbs["explain"] = [&runner](const Json& arguments) { return explain_live(runner, arguments); };
  add_vf_verbs(verbs, runner);
  verbs["para_show"] = [&runner](const Json& arguments) { return para_show(runner, arguments); };
  verbs["para_set"] = [&runner](const Json& arguments) { return para_set(runner, arguments); };
  return console::Server::start(runner.directory() + "/control.sock", std::move(verbs), log);
}

}  // namespace ladon::app
