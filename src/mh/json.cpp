#include "mh/json.h"

namespace ladon::mh {

Json json_of(const pcie::Sbdf& address) {
  return Json::array({number(address.segment), address.bdf.bits});
}

pcie::Sbdf address_of(const Json& json) {
  if (!json.is_array() || json.size() != 2) throw std::out_of_range("a function: two numbers are wanted");
  const auto at = [&](std::size_t i) {
    if (!json.at(i).is_number_unsigned() || json.at(i).get<std::uint64_t>() > 0xFFFF)
      throw std::out_of_range("a function: segment and number of 16 bits each");
    return json.at(i).get<std::uint16_t>();
  };
  return {pcie::HostSegment{at(0)}, pcie::Bdf(at(1))};
}

Json json_of(const Grant& grant) {
  Json json{{"nic", grant.nic},
            {"vf", grant.vf},
            {"host", number(grant.host)},
            {"slot", grant.slot},
            {"vm", number(grant.vm)},
            {"guest", grant.guest},
            {"mac", to_string(grant.mac)},
            {"spoof_check", grant.spoof_check},
            {"trust", grant.trust},
            {"link_forced", grant.link_forced},
            {"backpressure", grant.backpressure},
            {"on_fault", number(grant.on_fault)}};
  if (grant.vlan) json["vlan"] = *grant.vlan;
  if (grant.disabled) json["disabled"] = true;
  if (grant.coalesce) json["coalesce"] = true;
  if (grant.unsegmented) json["unsegmented"] = true;
  if (grant.level != ServiceLevel{}) json["level"] = json_of(grant.level);
  return json;
}

Grant grant_of(const Json& json) {
  Grant grant{.nic = get<std::uint16_t>(json, "nic"),
              .vf = get<std::uint16_t>(json, "vf"),
              .host = pcie::Domain{get<std::uint16_t>(json, "host")},
              .slot = get<std::uint8_t>(json, "slot"),
              .vm = pcie::Vm{get<std::uint16_t>(json, "vm")},
              .guest = json.at("guest").get<std::string>(),
              .mac = {},
              .vlan = {},
              .spoof_check = json.at("spoof_check").get<bool>(),
              .trust = json.at("trust").get<bool>(),
              .link_forced = json.at("link_forced").get<bool>(),
              .backpressure = json.at("backpressure").get<bool>(),
              .on_fault = get_enum(json, "on_fault", OnFault::quarantine)};
  const auto mac = parse_mac(json.at("mac").get<std::string>());
  if (!mac) throw std::out_of_range("mac: six hexadecimal bytes are wanted");
  grant.mac = *mac;
  if (json.contains("vlan")) grant.vlan = get<std::uint16_t>(json, "vlan");
  if (json.contains("disabled")) grant.disabled = json.at("disabled").get<bool>();
  if (json.contains("coalesce")) grant.coalesce = json.at("coalesce").get<bool>();
  if (json.contains("unsegmented")) grant.unsegmented = json.at("unsegmented").get<bool>();
  if (json.contains("level")) grant.level = level_of(json.at("level"));
  return grant;
}

}  // namespace ladon::mh
