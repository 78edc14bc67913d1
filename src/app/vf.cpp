#include <nlohmann/json.hpp>

#include "app/asking.h"

namespace ladon::app {

using console::Json;

int set_vf(const VfOptions& options, const Common& common) {
  const auto settings = settings_in(options.settings, "vf set");
  if (!settings) return kBadInput;
  const Json request{{"verb", "vf_set"}, {"nic", options.nic}, {"vf", options.vf}, {"settings", *settings}};
  return print_answer(ask(options.live, request, common), common);
}

int recover_vf(const VfOptions& options, const Common& common) {
  const Json request{{"verb", "vf_recover"}, {"nic", options.nic}, {"vf", options.vf}};
  return print_answer(ask(options.live, request, common), common);
}

int show_vfs(const VfOptions& options, const Common& common) {
  return print_answer(ask(options.live, {{"verb", "vf_show"}, {"text", !common.json}}, common), common);
}

}  // namespace ladon::app
