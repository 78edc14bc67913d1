#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/asking.h"
#include "app/commands.h"
#include "app/explain_report.h"
#include "app/guest_access.h"
#include "explain/parse.h"
#include "fabric/format.h"
#include "fabric/what_if.h"
#include "machine/grants.h"

namespace ladon::app {
namespace {

using nlohmann::json;

// A rack file's rack, as it would run, but for the tables that were emptied on purpose.
struct Subject {
  machine::Rack rack;
  std::unique_ptr<machine::QuietRack> quiet;
  std::shared_ptr<const fabric::Tables> wanted;
  fabric::Tables running;
  std::vector<audit::Grant> grants;

  [[nodiscard]] explain::Rack judged() const {
    return {running, *wanted, grants,
            [this](const audit::Initiator& who) { return machine::initiator_name(rack, who); }};
  }
};

// Empties the table "COMPONENT/TABLE", as faults name it; false after the mistake was printed.
bool lose(fabric::Tables& tables, const std::string& place) {
  for (const auto& component : explain::components(tables))
    for (std::uint8_t t = 0; t < fabric::kTables; ++t) {
      const std::string name = fabric::table_place(tables, component, fabric::Table{t});
      if (name != place) continue;
      if (auto without = fabric::without_entries(tables, component, fabric::Table{t})) {
        tables = std::move(*without);
        return true;
      }
    }
  std::string known;
  for (const auto& component : explain::components(tables))
    for (std::uint8_t t = 0; t < fabric::kTables; ++t)
      if (fabric::without_entries(tables, component, fabric::Table{t}))
        known += "\n  " + fabric::table_place(tables, component, fabric::Table{t});
  fmt::print(stderr, "--without {}: no such table can be emptied; there are:{}\n", place, known);
  return false;
}

std::optional<Subject> make_subject(const ExplainOptions& options, const Common& common, int& status) {
  status = kBadInput;
  auto rack = read_rack(options.rack, common);
  if (!rack) return std::nullopt;
  auto quiet = machine::QuietRack::build(*rack);
  if (!quiet) {
    common.log.error("{}", quiet.error());
    status = kFinding;
    return std::nullopt;
  }
  const auto wanted = (*quiet)->tables();
  auto grants = machine::grants(**quiet);
  Subject made{std::move(*rack), std::move(*quiet), wanted, *wanted, std::move(grants)};
  for (const auto& place : options.without)
    if (!lose(made.running, place)) return std::nullopt;
  return made;
}

// Of a line of a log.
std::optional<std::vector<Explained>> explain_line(const Subject& subject, const std::string& line) {
  const auto refused = explain::parse_fault(*subject.wanted, line);
  if (!refused) {
    fmt::print(stderr,
               "--fault: the line names no fault of this rack; give it as Ladon prints it, for example\n"
               "  \"ch1/iommu/DMA remapping: not mapped (read at 0x3010000000) 0000:01:01.0\"\n");
    return std::nullopt;
  }
  return std::vector{Explained{.access = line, .explanation = explain::explain(subject.judged(), *refused)}};
}

struct Followed {
  std::vector<Explained> refused;
  std::vector<std::string> passed;  // "DMA read by the VF of vm-a: memory of ch1 at 0x..."
};

std::optional<Followed> follow(Subject& subject, const ExplainOptions& options) {
  const auto guest = chosen_guest(subject.rack, options.rack, options.guest, options.choice);
  if (!guest) return std::nullopt;
  Followed made;
  for (const auto& [title, transaction] : guest_accesses(*subject.quiet, *guest, options.choice)) {
    const auto way = fabric::resolve(subject.running, transaction);
    if (const auto* fault = way.fault())
      made.refused.push_back(
          {.access = fmt::format("{}: {}", title, access_text(transaction)),
           .explanation = explain::explain(
               subject.judged(),
               {.fault = *fault, .access = transaction.access, .transaction = transaction})});
    else
      made.passed.push_back(
          fmt::format("{}: not refused; {}", title, fabric::describe_outcome(subject.running, way)));
  }
  return made;
}

int print(const Followed& followed, const Common& common) {
  if (common.json) {
    json refused = json::array();
    for (const auto& one : followed.refused) refused.push_back(to_json(one));
    fmt::print("{}\n", json{{"refusals", refused}, {"passed", followed.passed}}.dump(
                           2, ' ', false, json::error_handler_t::replace));
  } else {
    for (const auto& one : followed.refused) fmt::print("{}\n", to_text(one));
    for (const auto& one : followed.passed) fmt::print("{}\n", one);
  }
  return finds(followed.refused) ? kFinding : kOk;
}

int explain_file(const ExplainOptions& options, const Common& common) {
  int status = kOk;
  auto subject = make_subject(options, common, status);
  if (!subject) return status;
  if (!options.fault.empty()) {
    auto explained = explain_line(*subject, options.fault);
    return explained ? print({std::move(*explained), {}}, common) : kBadInput;
  }
  const auto followed = follow(*subject, options);
  return followed ? print(*followed, common) : kBadInput;
}

int explain_running(const ExplainOptions& options, const Common& common) {
  auto answer =
      ask(options.live, {{"verb", "explain"}, {"count", options.count}, {"text", !common.json}}, common);
  const bool finding = answer && answer->value("finding", false);
  if (answer) answer->erase("finding");
  const int status = print_answer(answer, common);
  return status == kOk && finding ? kFinding : status;
}

}  // namespace

int explain(const ExplainOptions& options, const Common& common) {
  if (options.rack.empty() == options.live.empty()) {
    fmt::print(stderr,
               "ladon explain: give a rack file, or --live with the control socket of a running rack\n");
    return kBadInput;
  }
  return options.live.empty() ? explain_file(options, common) : explain_running(options, common);
}

}  // namespace ladon::app
