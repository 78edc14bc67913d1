#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "machine/rack_levels.h"
#include "machine/shared_port.h"

namespace ladon::machine {
namespace {

constexpr std::string_view kFields = "tx_max or max_tx_rate, tx_burst, rx_max, rx_burst";

mh::ServiceLevel level_of(const SharedLimits& limits) {
  mh::ServiceLevel level;
  level.transmit = {.most = limits.transmit.rate, .burst = limits.transmit.burst};
  level.receive = {.most = limits.receive.rate, .burst = limits.receive.burst};
  return level;
}

bool promises(const mh::ServiceLevel& level) {
  return level.receive.guaranteed != 0 || level.transmit.guaranteed != 0;
}

}  // namespace

SharedLimits shared_limits(const mh::ServiceLevel& level) {
  return {.transmit = {level.transmit.most, level.transmit.burst},
          .receive = {level.receive.most, level.receive.burst}};
}

bool only_limits(const mh::ServiceLevel& level) {
  mh::ServiceLevel rest = level;
  rest.receive = rest.transmit = {};
  return rest == mh::ServiceLevel{};
}

std::expected<SharedLimits, mh::LevelMistake> changed(
    const SharedLimits& limits, const std::vector<std::pair<std::string, std::string>>& fields) {
  mh::ServiceLevel level = level_of(limits);
  LevelReader reader(level);
  for (const auto& [name, text] : fields) {
    if (!LevelReader::is_field(name))
      return std::unexpected(mh::LevelMistake{name, "no such field", fmt::format("write {}", kFields)});
    if (const auto mistake = reader.take(name, text)) return std::unexpected(*mistake);
    if (!only_limits(level) || promises(level))
      return std::unexpected(
          mh::LevelMistake{name, "a host's software limits rates only, where a function is shared",
                           fmt::format("write {}", kFields)});
  }
  for (const auto& [burst, rate, most] :
       {std::tuple{"tx_burst", "tx_max", level.transmit.most}, {"rx_burst", "rx_max", level.receive.most}})
    if (most == 0 && std::ranges::any_of(fields, [&](const auto& field) { return field.first == burst; }))
      return std::unexpected(mh::LevelMistake{burst, fmt::format("there is no {} for it", rate),
                                              fmt::format("give {} too", rate)});
  // Without a limit there is nothing for a burst to be of.
  if (level.transmit.most == 0) level.transmit.burst = 0;
  if (level.receive.most == 0) level.receive.burst = 0;
  if (const auto mistake = reader.check()) return std::unexpected(*mistake);
  return shared_limits(level);
}

}  // namespace ladon::machine
