#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "app/commands.h"
#include "app/signals.h"
#include "machine/management.h"

namespace ladon::app {

void print_mistakes(const std::vector<machine::RackError>& mistakes, const Common& common) {
  if (common.json) {
    nlohmann::json errors = nlohmann::json::array();
    for (const auto& e : mistakes)
      errors.push_back({{"file", e.file},
                        {"line", e.line},
                        {"column", e.column},
                        {"field", e.field},
                        {"message", e.message},
                        {"mend", e.mend}});
    fmt::print("{}\n", nlohmann::json{{"errors", errors}}.dump(2, ' ', false,
                                                               nlohmann::json::error_handler_t::replace));
  }
  for (const auto& error : mistakes) fmt::print(stderr, "{}\n", machine::to_string(error));
}

std::optional<machine::Rack> read_rack(const std::string& path, const Common& common) {
  auto rack = machine::load_rack(path);
  if (rack) return std::move(*rack);
  print_mistakes(rack.error(), common);
  return std::nullopt;
}

std::optional<lab::Assets> assets_and_folder(const std::string& assets, const std::string& out,
                                             const Common& common) {
  auto loaded = lab::load_assets(assets);
  if (!loaded) {
    common.log.error("{}", loaded.error());
    return std::nullopt;
  }
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (!error) return std::move(*loaded);
  common.log.error("{}: {}", out, error.message());
  return std::nullopt;
}

int management(const ManagementArguments& arguments, const Common& common) {
  const StopSignals signals;
  const auto served = machine::run_management({.socket = arguments.bridge,
                                               .intent = arguments.intent,
                                               .journal = arguments.journal,
                                               .control = arguments.control},
                                              common.log, signals.stopped());
  if (served) return kOk;
  common.log.error("management host: {}", served.error());
  return kFinding;
}

}  // namespace ladon::app
