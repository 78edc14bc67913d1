#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/commands.h"
#include "console/client.h"

namespace ladon::app {
namespace {

using console::Json;

// Nothing after the mistake was printed.
std::optional<Json> ask(const VfOptions& options, const Common& common, const Json& request) {
  if (options.socket.empty() && options.directory.empty()) {
    fmt::print(stderr,
               "ladon vf: give --socket with the control socket that ladon up prints, or --rack-dir\n");
    return std::nullopt;
  }
  auto result =
      console::ask(options.socket.empty() ? options.directory + "/control.sock" : options.socket, request);
  if (result) return std::move(*result);
  common.log.error("{}", result.error());
  return std::nullopt;
}

// Pairs of what is written as "key value" or "key=value"; nothing after the mistake was printed.
std::optional<Json> settings_in(const std::vector<std::string>& words) {
  Json settings = Json::array();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    if (equals != std::string::npos) {
      settings.push_back({words[i].substr(0, equals), words[i].substr(equals + 1)});
    } else if (i + 1 < words.size()) {
      settings.push_back({words[i], words[i + 1]});
      ++i;
    } else {
      fmt::print(stderr, "ladon vf set: {} has no value; write {} VALUE\n", words[i], words[i]);
      return std::nullopt;
    }
  }
  return settings;
}

int report(const std::optional<Json>& result, const Common& common) {
  if (!result) return kBadInput;
  if (common.json) fmt::print("{}\n", result->dump(2, ' ', false, Json::error_handler_t::replace));
  return kOk;
}

}  // namespace

int set_vf(const VfOptions& options, const Common& common) {
  const auto settings = settings_in(options.settings);
  if (!settings) return kBadInput;
  return report(ask(options, common,
                    {{"verb", "vf_set"}, {"nic", options.nic}, {"vf", options.vf}, {"settings", *settings}}),
                common);
}

int recover_vf(const VfOptions& options, const Common& common) {
  return report(ask(options, common, {{"verb", "vf_recover"}, {"nic", options.nic}, {"vf", options.vf}}),
                common);
}

int show_vfs(const VfOptions& options, const Common& common) {
  const auto result = ask(options, common, {{"verb", "vf_show"}, {"text", !common.json}});
  if (result && !common.json) fmt::print("{}", result->value("text", ""));
  return report(result, common);
}

}  // namespace ladon::app
