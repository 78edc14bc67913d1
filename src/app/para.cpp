#include <nlohmann/json.hpp>

#include "app/asking.h"

namespace ladon::app {

using console::Json;

int para_show(const ParaOptions& options, const Common& common) {
  return print_answer(ask(options.live, {{"verb", "para_show"}, {"text", !common.json}}, common), common);
}

int para_set(const ParaOptions& options, const Common& common) {
  const auto settings = settings_in(options.settings, "para set");
  if (!settings) return kBadInput;
  const Json request{{"verb", "para_set"}, {"guest", options.guest}, {"settings", *settings}};
  return print_answer(ask(options.live, request, common), common);
}

}  // namespace ladon::app
