#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "app/commands.h"
#include "console/client.h"

namespace ladon::app {
namespace {

using console::Json;

int asked(const std::string& socket, const Json& request, const Common& common, auto&& print) {
  const auto result = console::ask(socket, request);
  if (!result) {
    common.log.error("{}", result.error());
    // What the rack has refused is a mistake of the words; a socket that is not there, of the path.
    return kBadInput;
  }
  print(*result);
  return kOk;
}

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

int para_show(const ParaOptions& options, const Common& common) {
  return asked(options.live, {{"verb", "para_show"}, {"text", !common.json}}, common,
               [&](const Json& result) {
                 if (common.json)
                   print_json(result);
                 else
                   fmt::print("{}", result.value("text", ""));
               });
}

int para_set(const ParaOptions& options, const Common& common) {
  Json fields = Json::object();
  for (const std::string& word : options.fields) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      fmt::print(stderr, "ladon para set: \"{}\" is not FIELD=VALUE, like rx_max=100Mbit\n", word);
      return kBadInput;
    }
    fields[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return asked(options.live, {{"verb", "para_set"}, {"guest", options.guest}, {"fields", fields}}, common,
               [&](const Json& result) {
                 if (common.json) print_json(result);
               });
}

}  // namespace ladon::app
