#include "app/asking.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

namespace ladon::app {

using console::Json;

std::optional<Json> ask(const std::string& socket, const Json& request, const Common& common) {
  auto answer = console::ask(socket, request);
  if (answer) return std::move(*answer);
  common.log.error("{}", answer.error());
  return std::nullopt;
}

int print_answer(const std::optional<Json>& answer, const Common& common) {
  if (!answer) return kBadInput;
  if (common.json)
    fmt::print("{}\n", answer->dump(2, ' ', false, Json::error_handler_t::replace));
  else
    fmt::print("{}", answer->value("text", ""));
  return kOk;
}

std::optional<machine::Settings> settings_in(const std::vector<std::string>& words,
                                             std::string_view command) {
  machine::Settings settings;
  std::set<std::string, std::less<>> given;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    const std::string key = words[i].substr(0, equals);
    if (!given.insert(key).second) {
      fmt::print(stderr, "ladon {}: {} is given twice; leave one out\n", command, key);
      return std::nullopt;
    }
    if (equals != std::string::npos) {
      settings.emplace_back(key, words[i].substr(equals + 1));
    } else if (i + 1 < words.size()) {
      settings.emplace_back(key, words[i + 1]);
      ++i;
    } else {
      fmt::print(stderr, "ladon {}: {} has no value; write {} VALUE\n", command, words[i], words[i]);
      return std::nullopt;
    }
  }
  return settings;
}

}  // namespace ladon::app
