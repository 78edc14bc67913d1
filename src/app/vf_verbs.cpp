#include "app/vf_verbs.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/vf_report.h"
#include "base/table.h"

namespace ladon::app {
namespace {

using console::Json;
using Answer = std::expected<Json, std::string>;

// The request with the NIC's number in place of its name.
Answer for_management(const machine::Runner& runner, const Json& arguments) {
  const auto& nics = runner.machine().rack().nics;
  const auto named = arguments.at("nic").get<std::string>();
  const auto found = std::ranges::find(nics, named, &machine::NicSpec::name);
  if (found == nics.end()) {
    std::vector<std::string_view> names;
    for (const auto& nic : nics) names.push_back(nic.name);
    return std::unexpected(
        fmt::format("no NIC is named {}; the NICs are: {}", printable(named), fmt::join(names, ", ")));
  }
  const Json& vf = arguments.at("vf");
  if (!vf.is_number_unsigned() || vf.get<std::uint64_t>() >= found->vfs)
    return std::unexpected(
        fmt::format("{} has no VF {}; write 0 to {}", found->name, vf.dump(), found->vfs - 1));
  Json request = arguments;
  request["nic"] = found - nics.begin();
  return request;
}

Answer change(machine::Runner& runner, const Json& arguments) {
  const auto request = for_management(runner, arguments);
  if (request && arguments.contains("settings"))
    if (auto why = machine::disturbs_sharers(runner.shared_functions(), arguments.at("nic"),
                                             request->at("vf"), machine::settings_in(arguments)))
      return std::unexpected(std::move(*why));
  if (!request) return request;
  return runner.ask_management(*request);
}

Answer show(machine::Runner& runner, const Json& arguments) {
  const auto granted = runner.ask_management({{"verb", "vf_show"}});
  if (!granted) return granted;
  const auto devices = runner.on_engine([](machine::Machine& m) { return device_view(m); });
  Json report = vf_report(runner.machine().rack(), granted->at("vfs"), devices);
  if (!arguments.value("text", false)) return report;
  return Json{{"text", to_text(report)}};
}

}  // namespace

void add_vf_verbs(console::Verbs& verbs, machine::Runner& runner) {
  verbs["vf_set"] = [&runner](const Json& arguments) { return change(runner, arguments); };
  verbs["vf_recover"] = [&runner](const Json& arguments) { return change(runner, arguments); };
  verbs["vf_show"] = [&runner](const Json& arguments) { return show(runner, arguments); };
}

}  // namespace ladon::app
