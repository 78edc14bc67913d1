#include <algorithm>

#include "mh/json.h"

namespace ladon::mh {

namespace {

Json json_of(const RateRange& range) {
  return Json::array({range.guaranteed, range.most, range.burst});
}
RateRange range_of(const Json& json, const char* key) {
  const Json& range = json.at(key);
  if (!range.is_array() || range.size() != 3 ||
      !std::ranges::all_of(range, [](const Json& value) { return value.is_number_unsigned(); }))
    throw std::out_of_range(std::string(key) + ": three natural numbers are wanted");
  return {range.at(0).get<std::uint64_t>(), range.at(1).get<std::uint64_t>(),
          range.at(2).get<std::uint64_t>()};
}

Json json_of(const Turns& turns) {
  return {{"priority", turns.priority}, {"weight", turns.weight}};
}
Turns turns_of(const Json& json) {
  return {get<std::uint8_t>(json, "priority"), get<std::uint16_t>(json, "weight")};
}

}  // namespace

// Rates are [guaranteed, most, burst].
Json json_of(const ServiceLevel& level) {
  Json json{
      {"receive_bits", json_of(level.receive)},        {"receive_packets", json_of(level.receive_packets)},
      {"receive_cost", json_of(level.receive_cost)},   {"transmit_bits", json_of(level.transmit)},
      {"receive_turns", json_of(level.receive_turns)}, {"transmit_turns", json_of(level.transmit_turns)},
      {"memory_shared_bytes", level.memory_shared},    {"memory_lendable_bytes", level.memory_lendable}};
  if (level.memory) json["memory_bytes"] = *level.memory;
  return json;
}

ServiceLevel level_of(const Json& json) {
  ServiceLevel level{.receive = range_of(json, "receive_bits"),
                     .transmit = range_of(json, "transmit_bits"),
                     .receive_packets = range_of(json, "receive_packets"),
                     .receive_cost = range_of(json, "receive_cost"),
                     .receive_turns = turns_of(json.at("receive_turns")),
                     .transmit_turns = turns_of(json.at("transmit_turns")),
                     .memory = {},
                     .memory_shared = get<std::uint64_t>(json, "memory_shared_bytes"),
                     .memory_lendable = get<std::uint64_t>(json, "memory_lendable_bytes")};
  if (json.contains("memory_bytes")) level.memory = get<std::uint64_t>(json, "memory_bytes");
  return level;
}

Json json_of(const NicCapacity& capacity) {
  return {{"receive_bits", capacity.receive}, {"transmit_bits", capacity.transmit}};
}
NicCapacity capacity_of(const Json& json) {
  return {get<std::uint64_t>(json, "receive_bits"), get<std::uint64_t>(json, "transmit_bits")};
}

}  // namespace ladon::mh
