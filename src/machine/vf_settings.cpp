#include "machine/vf_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "machine/rack_levels.h"

namespace ladon::machine {
namespace {

using mh::Grant;
using mh::LevelMistake;
using Mistake = std::optional<LevelMistake>;

Mistake wrong(std::string_view field, std::string_view text, std::string_view what, std::string_view mend) {
  return LevelMistake{std::string(field), fmt::format("{} {}", quoted(text), what), std::string(mend)};
}

Mistake set_switch(std::string_view field, std::string_view text, bool& value) {
  if (text != "on" && text != "off") return wrong(field, text, "is neither on nor off", "write on or off");
  value = text == "on";
  return {};
}

Mistake set_mac(std::string_view field, std::string_view text, Grant& grant) {
  const auto mac = parse_mac(std::string(text));
  if (!mac || mac->is_multicast() || mac->is_zero())
    return wrong(field, text, "is no station's MAC address",
                 "write six hexadecimal bytes like 52:54:00:12:34:56");
  grant.mac = *mac;
  return {};
}

// 0 is none, as with `ip link`.
Mistake set_vlan(std::string_view field, std::string_view text, Grant& grant) {
  std::uint16_t vlan = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), vlan);
  if (error != std::errc{} || end != text.data() + text.size() || vlan > 4094)
    return wrong(field, text, "is no VLAN", "write 1 to 4094, or 0 for none");
  grant.vlan = vlan == 0 ? std::nullopt : std::optional(vlan);
  return {};
}

Mistake set_state(std::string_view field, std::string_view text, Grant& grant) {
  if (text != "auto" && text != "enable" && text != "disable")
    return wrong(field, text, "is not known here", "write one of: auto, enable, disable");
  grant.link_forced = text == "enable";
  grant.disabled = text == "disable";
  return {};
}

Mistake set_on_fault(std::string_view field, std::string_view text, Grant& grant) {
  const auto* const found =
      std::ranges::find(mh::kOnFaults, text, [](mh::OnFault policy) { return name(policy); });
  if (found == mh::kOnFaults.end())
    return wrong(field, text, "is not known here", "write one of: log, reset, quarantine");
  grant.on_fault = *found;
  return {};
}

struct Setting {
  std::string_view name;
  Mistake (*set)(std::string_view field, std::string_view text, Grant& grant);
};
Mistake set_spoof_check(std::string_view field, std::string_view text, Grant& grant) {
  return set_switch(field, text, grant.spoof_check);
}
Mistake set_trust(std::string_view field, std::string_view text, Grant& grant) {
  return set_switch(field, text, grant.trust);
}
Mistake set_backpressure(std::string_view field, std::string_view text, Grant& grant) {
  return set_switch(field, text, grant.backpressure);
}
Mistake set_coalesce(std::string_view field, std::string_view text, Grant& grant) {
  return set_switch(field, text, grant.coalesce);
}
Mistake set_unsegmented(std::string_view field, std::string_view text, Grant& grant) {
  return set_switch(field, text, grant.unsegmented);
}
constexpr std::array<Setting, 10> kSettings{{{"mac", set_mac},
                                             {"vlan", set_vlan},
                                             {"spoof_check", set_spoof_check},
                                             {"spoofchk", set_spoof_check},
                                             {"trust", set_trust},
                                             {"backpressure", set_backpressure},
                                             {"coalesce", set_coalesce},
                                             {"unsegmented", set_unsegmented},
                                             {"state", set_state},
                                             {"on_fault", set_on_fault}}};

Mistake unknown(std::string_view name) {
  std::set<std::string, std::less<>> known;
  for (const Setting& setting : kSettings) known.emplace(setting.name);
  for (const std::string_view field : LevelReader::fields()) known.emplace(field);
  const auto meant = nearest(name, known);
  return LevelMistake{quoted(name), "nothing that can be set",
                      meant ? fmt::format("did you mean '{}'?", *meant)
                            : fmt::format("write one of: {}", fmt::join(known, ", "))};
}

}  // namespace

Settings settings_in(const console::Json& arguments) {
  Settings settings;
  for (const auto& setting : arguments.at("settings"))
    settings.emplace_back(setting.at(0).get<std::string>(), setting.at(1).get<std::string>());
  return settings;
}

std::expected<Grant, std::string> changed(Grant grant, const Settings& settings) {
  LevelReader level(grant.level);
  const auto apply = [&](const std::string& name, const std::string& text) -> Mistake {
    if (LevelReader::is_field(name)) return level.take(name, text);
    const auto* const setting = std::ranges::find(kSettings, name, &Setting::name);
    return setting == kSettings.end() ? unknown(name) : setting->set(name, text, grant);
  };
  const auto sentence = [](const LevelMistake& mistake) {
    return std::unexpected(fmt::format("{}: {}; {}", mistake.field, mistake.message, mistake.mend));
  };
  for (const auto& [name, text] : settings)
    if (const auto mistake = apply(name, text)) return sentence(*mistake);
  if (const auto mistake = level.check()) return sentence(*mistake);
  return grant;
}

}  // namespace ladon::machine
