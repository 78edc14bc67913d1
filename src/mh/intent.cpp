#include "mh/intent.h"

#include "mh/json.h"

namespace ladon::mh {

std::string_view name(OnFault on_fault) {
  switch (on_fault) {
    case OnFault::log:
      return "log";
    case OnFault::reset:
      return "reset";
    case OnFault::quarantine:
      return "quarantine";
  }
  return "?";
}

std::string to_json(const Intent& intent) {
  Json hosts = Json::array(), grants = Json::array();
  for (const auto& host : intent.hosts)
    hosts.push_back(
        {{"domain", number(host.domain)}, {"dma_span_bytes", host.dma_span}, {"name", host.name}});
  for (const auto& grant : intent.grants) grants.push_back(json_of(grant));
  Json json{{"hosts", hosts}, {"local_slots", intent.local_slots}, {"grants", grants}};
  for (const auto& capacity : intent.capacities) json["capacities"].push_back(json_of(capacity));
  return json.dump();
}

std::expected<Intent, std::string> intent_from_json(std::string_view text) {
  return parse<Intent>(text, [](const Json& json) {
    Intent intent;
    for (const auto& host : json.at("hosts"))
      intent.hosts.push_back({.domain = pcie::Domain{get<std::uint16_t>(host, "domain")},
                              .dma_span = get<std::uint64_t>(host, "dma_span_bytes"),
                              .name = host.at("name").get<std::string>()});
    intent.local_slots = get<std::uint8_t>(json, "local_slots");
    for (const auto& grant : json.at("grants")) intent.grants.push_back(grant_of(grant));
    if (json.contains("capacities"))
      for (const auto& capacity : json.at("capacities")) intent.capacities.push_back(capacity_of(capacity));
    return intent;
  });
}

}  // namespace ladon::mh
