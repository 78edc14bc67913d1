#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "base/table.h"
#include "base/units.h"
#include "machine/placement.h"

namespace ladon::app {
namespace {

using machine::PlacedNetwork;
using machine::Placement;
using nlohmann::json;

const mh::ServiceLevel& level_of(const machine::GuestSpec& guest) {
  return guest.shared ? guest.shared->level : guest.vf->level;
}

std::string rate(std::uint64_t bits_per_second) {
  return format_rate(static_cast<double>(bits_per_second));
}

// What it is promised, and what it is limited to.
std::string promises(const mh::ServiceLevel& level) {
  std::string all;
  const auto add = [&](std::string_view what, std::uint64_t amount, const std::string& text) {
    if (amount != 0) all += fmt::format("{}{} {}", all.empty() ? "" : ", ", what, text);
  };
  add("send", level.transmit.guaranteed, rate(level.transmit.guaranteed));
  add("receive", level.receive.guaranteed, rate(level.receive.guaranteed));
  add("receive", level.receive_packets.guaranteed,
      format_packet_rate(static_cast<double>(level.receive_packets.guaranteed)));
  add("memory", level.memory.value_or(0), format_size(level.memory.value_or(0)));
  return all.empty() ? "-" : all;
}
std::string limits(const mh::ServiceLevel& level) {
  if (level.transmit.most == 0 && level.receive.most == 0) return "-";
  if (level.receive.most == 0) return fmt::format("send {}", rate(level.transmit.most));
  if (level.transmit.most == 0) return fmt::format("receive {}", rate(level.receive.most));
  return fmt::format("send {}, receive {}", rate(level.transmit.most), rate(level.receive.most));
}

std::string to_text(const machine::Rack& rack, const Placement& placement) {
  Table guests({{"guest"},
                {"host"},
                {"NIC"},
                {"path"},
                {"VF", Align::right},
                {"MAC"},
                {"promised"},
                {"limits"},
                {"why"}});
  for (const PlacedNetwork& placed : placement.guests) {
    const auto& guest = rack.hosts[placed.host].guests[placed.guest];
    const auto& level = level_of(guest);
    guests.add_row({guest.name, rack.hosts[placed.host].name, rack.nics[placed.nic].name,
                    placed.shared ? "shared" : "own", std::to_string(placed.vf), to_string(placed.mac),
                    promises(level), limits(level), std::string(name(placed.why))});
  }
  std::string text = guests.to_string();
  if (!placement.shared.empty()) {
    Table shared({{"shared function"}, {"host"}, {"VF", Align::right}, {"MAC"}, {"guests", Align::right}});
    for (const auto& function : placement.shared)
      shared.add_row({rack.nics[function.nic].name, rack.hosts[function.host].name,
                      std::to_string(function.vf), to_string(function.mac), std::to_string(function.guests)});
    text += fmt::format("\n{}", shared.to_string());
  }
  Table nics({{"left of"},
              {"VFs", Align::right},
              {"address filters", Align::right},
              {"packet memory", Align::right},
              {"to send", Align::right},
              {"to receive", Align::right}});
  for (std::size_t n = 0; n < placement.nics.size(); ++n) {
    const auto& left = placement.nics[n];
    nics.add_row({rack.nics[n].name, std::to_string(left.functions), std::to_string(left.filters),
                  format_size(left.memory), rate(left.transmit), rate(left.receive)});
  }
  Table hosts({{"left of"}, {"places for VFs", Align::right}});
  for (std::size_t h = 0; h < placement.host_slots.size(); ++h)
    hosts.add_row({rack.hosts[h].name, std::to_string(placement.host_slots[h])});
  return fmt::format("{}\n{}\n{}", text, nics.to_string(), hosts.to_string());
}

json guest_json(const machine::Rack& rack, const PlacedNetwork& placed) {
  const auto& guest = rack.hosts[placed.host].guests[placed.guest];
  const auto& level = level_of(guest);
  return {{"guest", guest.name},
          {"host", rack.hosts[placed.host].name},
          {"nic", rack.nics[placed.nic].name},
          {"path", placed.shared ? "shared" : "own"},
          {"vf", placed.vf},
          {"mac", to_string(placed.mac)},
          {"guaranteed_tx_bits_per_second", level.transmit.guaranteed},
          {"guaranteed_rx_bits_per_second", level.receive.guaranteed},
          {"guaranteed_rx_packets_per_second", level.receive_packets.guaranteed},
          {"guaranteed_memory_bytes", level.memory.value_or(0)},
          {"max_tx_bits_per_second", level.transmit.most},
          {"max_rx_bits_per_second", level.receive.most},
          {"why", std::string(name(placed.why))}};
}

json to_json(const machine::Rack& rack, const Placement& placement) {
  json guests = json::array(), shared = json::array(), nics = json::array(), hosts = json::array();
  for (const PlacedNetwork& placed : placement.guests) guests.push_back(guest_json(rack, placed));
  for (const auto& function : placement.shared)
    shared.push_back({{"host", rack.hosts[function.host].name},
                      {"nic", rack.nics[function.nic].name},
                      {"vf", function.vf},
                      {"mac", to_string(function.mac)},
                      {"guests", function.guests}});
  for (std::size_t n = 0; n < placement.nics.size(); ++n) {
    const auto& left = placement.nics[n];
    nics.push_back({{"nic", rack.nics[n].name},
                    {"vfs_left", left.functions},
                    {"address_filters_left", left.filters},
                    {"memory_left_bytes", left.memory},
                    {"tx_left_bits_per_second", left.transmit},
                    {"rx_left_bits_per_second", left.receive}});
  }
  for (std::size_t h = 0; h < placement.host_slots.size(); ++h)
    hosts.push_back({{"host", rack.hosts[h].name}, {"vf_places_left", placement.host_slots[h]}});
  return {{"rack", rack.name},
          {"guests", guests},
          {"shared_functions", shared},
          {"nics", nics},
          {"hosts", hosts}};
}

}  // namespace

int plan(const PlanOptions& options, const Common& common) {
  const auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  const Placement placement = machine::place(*rack);
  if (common.json)
    fmt::print("{}\n", to_json(*rack, placement).dump(2));
  else
    fmt::print("{}", to_text(*rack, placement));
  return kOk;
}

}  // namespace ladon::app
