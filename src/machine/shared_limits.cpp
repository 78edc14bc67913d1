#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/table.h"
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

std::expected<SharedLimits, mh::LevelMistake> changed(const SharedLimits& limits, const Settings& fields) {
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

std::optional<std::string> disturbs_sharers(const std::vector<SharedFunctionReport>& functions,
                                            const std::string& nic, std::uint16_t vf,
                                            const Settings& settings) {
  for (const SharedFunctionReport& function : functions) {
    if (function.nic != nic) continue;
    for (const auto& [field, text] : settings) {
      const bool may_change = LevelReader::is_field(field) && !field.starts_with("memory");
      if (function.vf == vf && !may_change)
        return fmt::format(
            "{}: VF {} of {} is shared by guests of {}, whose software needs it as it is; only its "
            "rates, weights and priorities can be changed",
            printable(field), vf, nic, function.host);
      const auto mac = field == "mac" ? parse_mac(text) : std::nullopt;
      for (const SharedGuestReport& guest : function.guests)
        if (mac == guest.mac) return fmt::format("mac: {} is the address of {}", text, guest.name);
    }
  }
  return std::nullopt;
}

}  // namespace ladon::machine
