#include "app/vf_report.h"

#include <fmt/format.h>

#include <string_view>

#include "base/table.h"
#include "base/units.h"

namespace ladon::app {
namespace {

using nic::VfDrop;
using nlohmann::json;

DeviceView::Vf view_of(const nic::Nic& nic, std::uint16_t vf) {
  const auto& memory = nic.packet_memory();
  return {.link_up = nic.link_up(vf),
          .memory_used = memory.held(vf),
          .memory = memory.size(vf).guaranteed,
          .memory_most = memory.size(vf).most,
          .statistics = nic.statistics(vf),
          .drops = nic.drops(vf)};
}

// A range as [guaranteed, most, burst] of the management program, spelled out; what is not stated is null.
void add_range(json& level, std::string_view prefix, std::string_view unit, std::string_view burst_unit,
               const json& range) {
  const auto stated = [](const json& value) { return value == 0 ? json() : value; };
  level[fmt::format("{}_guaranteed_{}", prefix, unit)] = stated(range.at(0));
  level[fmt::format("{}_max_{}", prefix, unit)] = stated(range.at(1));
  level[fmt::format("{}_burst_{}", prefix, burst_unit)] = stated(range.at(2));
}

json level_report(const json& level) {
  json report;
  add_range(report, "rx", "bits_per_second", "bytes", level.at("receive_bits"));
  add_range(report, "rx_packets", "per_second", "packets", level.at("receive_packets"));
  add_range(report, "rx_cost", "units_per_second", "units", level.at("receive_cost"));
  add_range(report, "tx", "bits_per_second", "bytes", level.at("transmit_bits"));
  for (const auto& [prefix, turns] : {std::pair{"rx", "receive_turns"}, {"tx", "transmit_turns"}}) {
    report[fmt::format("{}_priority", prefix)] = level.at(turns).at("priority");
    report[fmt::format("{}_weight", prefix)] = level.at(turns).at("weight");
  }
  return report;
}

json drops_of(const Counters<VfDrop>& drops) {
  json counted = json::object();
  drops.each([&](VfDrop reason, std::uint64_t count) { counted[std::string(name(reason))] = count; });
  return counted;
}

json vf_of(const machine::Rack& rack, const json& granted, const DeviceView::Vf& device) {
  const auto host = granted.at("host").get<std::size_t>();
  const auto& statistics = device.statistics;
  const auto& drops = device.drops;
  return {{"vf", granted.at("vf")},
          {"guest", granted.at("guest")},
          {"host", rack.hosts.at(host).name},
          {"mac", granted.at("mac")},
          {"vlan", granted.value("vlan", json())},
          {"spoof_check", granted.at("spoof_check")},
          {"trust", granted.at("trust")},
          {"backpressure", granted.at("backpressure")},
          {"coalesce", granted.value("coalesce", false)},
          {"coalesced_frames", statistics.coalesced_packets},
          {"unsegmented", granted.value("unsegmented", false)},
          {"unsegmented_frames", statistics.whole_packets},
          {"on_fault", granted.at("on_fault")},
          {"state", granted.at("state")},
          {"link", device.link_up ? "up" : "down"},
          {"level", level_report(granted.at("level"))},
          {"memory_used_bytes", device.memory_used},
          {"memory_guaranteed_bytes", device.memory},
          {"memory_most_bytes", device.memory_most},
          {"refused_frames",
           {{"rate", drops[VfDrop::rx_over_rate]},
            {"packet_rate", drops[VfDrop::rx_over_packet_rate]},
            {"cost", drops[VfDrop::rx_over_cost]},
            {"memory", drops[VfDrop::rx_no_memory] + drops[VfDrop::rx_memory_called]}}},
          {"received", {{"packets", statistics.received_packets}, {"bytes", statistics.received_bytes}}},
          {"sent", {{"packets", statistics.sent_packets}, {"bytes", statistics.sent_bytes}}},
          {"drops", drops_of(drops)}};
}

// "1.00 to 2.00 Gb/s", "at most 100 Mb/s", "at least 10.0 Mb/s"; "-" if nothing is stated.
template <class Format>
std::string range_text(const json& level, const std::string& least_key, const std::string& most_key,
                       Format format) {
  const json &least = level.at(least_key), &most = level.at(most_key);
  if (least.is_null() && most.is_null()) return "-";
  if (most.is_null()) return ">= " + format(least);
  if (least.is_null()) return "<= " + format(most);
  return format(least) + " .. " + format(most);
}

std::string rate_text(const json& level, const std::string& prefix) {
  return range_text(level, prefix + "_guaranteed_bits_per_second", prefix + "_max_bits_per_second",
                    [](const json& rate) { return format_rate(rate.get<double>()); });
}

std::string turns_text(const json& level, const std::string& prefix) {
  return fmt::format("{}/{}", level.at(prefix + "_priority").get<int>(),
                     level.at(prefix + "_weight").get<int>());
}

std::string packets_text(const json& level) {
  return range_text(level, "rx_packets_guaranteed_per_second", "rx_packets_max_per_second",
                    [](const json& rate) { return format_packet_rate(rate.get<double>()); });
}

std::string memory_text(const json& vf) {
  const auto size = [&](const char* key) { return format_size(vf.at(key).get<std::uint64_t>() >> 10 << 10); };
  const std::string most = vf.at("memory_most_bytes") == vf.at("memory_guaranteed_bytes")
                               ? ""
                               : fmt::format(" (to {})", size("memory_most_bytes"));
  return fmt::format("{} of {}{}", size("memory_used_bytes"), size("memory_guaranteed_bytes"), most);
}

std::string string_of(const json& vf, const char* key) {
  return vf.at(key).get<std::string>();
}
std::string number_of(const json& value) {
  return std::to_string(value.get<std::uint64_t>());
}
std::string switch_of(const json& vf, const char* key) {
  return vf.at(key).get<bool>() ? "on" : "off";
}

std::string options_of(const json& vf) {
  std::string on;
  for (const char* option : {"backpressure", "coalesce", "unsegmented"})
    if (vf.at(option).get<bool>()) on += (on.empty() ? "" : ", ") + std::string(option);
  return on.empty() ? "-" : on;
}

// Who has each VF, and what he may do with it.
std::string owners_table(const json& nic) {
  Table table({{"VF", Align::right},
               {"guest"},
               {"host"},
               {"MAC"},
               {"VLAN", Align::right},
               {"state"},
               {"link"},
               {"spoof check"},
               {"trust"},
               {"on fault"},
               {"options"},
               {"memory"}});
  for (const json& vf : nic.at("vfs"))
    table.add_row({number_of(vf.at("vf")), string_of(vf, "guest"), string_of(vf, "host"),
                   string_of(vf, "mac"), vf.at("vlan").is_null() ? "-" : number_of(vf.at("vlan")),
                   string_of(vf, "state"), string_of(vf, "link"), switch_of(vf, "spoof_check"),
                   switch_of(vf, "trust"), string_of(vf, "on_fault"), options_of(vf), memory_text(vf)});
  return table.to_string();
}

// What each is promised and allowed, and what was refused it.
std::string levels_table(const json& nic) {
  Table table({{"VF", Align::right},
               {"transmit"},
               {"priority/weight"},
               {"receive"},
               {"priority/weight"},
               {"receive packets"},
               {"over rate", Align::right},
               {"over packets", Align::right},
               {"over cost", Align::right},
               {"no memory", Align::right}});
  for (const json& vf : nic.at("vfs")) {
    const json &level = vf.at("level"), &refused = vf.at("refused_frames");
    table.add_row({number_of(vf.at("vf")), rate_text(level, "tx"), turns_text(level, "tx"),
                   rate_text(level, "rx"), turns_text(level, "rx"), packets_text(level),
                   number_of(refused.at("rate")), number_of(refused.at("packet_rate")),
                   number_of(refused.at("cost")), number_of(refused.at("memory"))});
  }
  return table.to_string();
}

}  // namespace

std::vector<DeviceView> device_view(machine::Machine& machine) {
  std::vector<DeviceView> views;
  for (std::size_t i = 0; i < machine.nics(); ++i) {
    const nic::Nic& nic = machine.nic(i);
    DeviceView view{.vfs = {},
                    .memory = nic.packet_memory().pool(),
                    .memory_guaranteed = nic.packet_memory().guaranteed()};
    for (std::uint16_t vf = 0; vf < nic.vfs(); ++vf) view.vfs.push_back(view_of(nic, vf));
    views.push_back(std::move(view));
  }
  return views;
}

json vf_report(const machine::Rack& rack, const json& granted, const std::vector<DeviceView>& devices) {
  json nics = json::array();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    json vfs = json::array();
    for (const json& grant : granted)
      if (grant.at("nic") == i)
        vfs.push_back(vf_of(rack, grant, devices[i].vfs.at(grant.at("vf").get<std::size_t>())));
    nics.push_back({{"name", rack.nics[i].name},
                    {"memory_bytes", devices[i].memory},
                    {"memory_guaranteed_bytes", devices[i].memory_guaranteed},
                    {"vfs", vfs}});
  }
  return {{"nics", nics}};
}

std::string to_text(const json& report) {
  std::string text;
  for (const json& nic : report.at("nics")) {
    text += fmt::format("{}{}: {} of {} of packet memory guaranteed\n\n", text.empty() ? "" : "\n",
                        nic.at("name").get<std::string>(),
                        format_size(nic.at("memory_guaranteed_bytes").get<std::uint64_t>()),
                        format_size(nic.at("memory_bytes").get<std::uint64_t>()));
    text += owners_table(nic) + "\n" + levels_table(nic);
  }
  return text;
}

}  // namespace ladon::app
