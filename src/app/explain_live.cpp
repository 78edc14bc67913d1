#include "app/explain_live.h"

#include <algorithm>

#include "app/explain_report.h"
#include "base/time.h"
#include "machine/grants.h"
#include "machine/quiet_rack.h"

namespace ladon::app {

namespace {

using console::Json;

struct Seen {
  std::vector<machine::RecentRefusal> refusals;
  std::shared_ptr<const fabric::Tables> tables;
};

}  // namespace

std::expected<Json, std::string> explain_live(machine::Runner& runner, const Json& arguments) {
  const auto count = arguments.value("count", std::size_t{8});
  auto seen = runner.on_engine([](machine::Machine& machine) {
    return Seen{machine.live().recent_refusals().newest_first(), machine.fabric().tables()};
  });
  seen.refusals.resize(std::min(seen.refusals.size(), count));
  const bool as_text = arguments.value("text", false);
  if (seen.refusals.empty())
    return as_text ? Json{{"finding", false}, {"text", "nothing was refused\n"}}
                   : Json{{"finding", false}, {"refusals", Json::array()}};
  // The rack as its file plans it, with every guest there: what the running one is compared with.
  const machine::Rack& rack = runner.machine().rack();
  const auto planned = machine::QuietRack::build(rack);
  if (!planned) return std::unexpected(planned.error());
  const auto wanted = (*planned)->tables();
  const auto grants = machine::grants(**planned);
  const explain::Rack judged{*seen.tables, *wanted, grants, [&rack](const audit::Initiator& who) {
                               return machine::initiator_name(rack, who);
                             }};
  const Instant now = SteadyClock().now();
  std::vector<Explained> all;
  for (const auto& refusal : seen.refusals)
    all.push_back({.access = access_text(refusal.transaction),
                   .explanation = explain::explain(judged, {.fault = refusal.fault,
                                                            .access = refusal.transaction.access,
                                                            .transaction = refusal.transaction}),
                   .count = refusal.count,
                   .seconds_ago = std::chrono::duration<double>(now - refusal.last).count()});
  Json answer{{"finding", finds(all)}};
  if (as_text) {
    std::string text;
    for (const auto& one : all) {
      if (!text.empty()) text += '\n';
      text += to_text(one);
    }
    answer["text"] = text;
    return answer;
  }
  answer["refusals"] = Json::array();
  for (const auto& one : all) answer["refusals"].push_back(to_json(one));
  return answer;
}

}  // namespace ladon::app
