#include "lab/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/table.h"

namespace ladon::lab {
namespace {

using nlohmann::json;

std::string verdict(bool ok) {
  return ok ? "ok" : "FAILED";
}

json to_json(const GuestReport& g) {
  return {{"name", g.name},     {"host", g.host},     {"kind", g.kind},       {"mode", g.mode},
          {"kernel", g.kernel}, {"driver", g.driver}, {"version", g.version}, {"vf", g.vf},
          {"mac", g.mac},       {"link", g.link},     {"address", g.address}, {"msix_vectors", g.vectors},
          {"ok", g.ok()}};
}

json to_json(const AttackReport& attack) {
  json attempts = json::array();
  std::string by;
  for (const auto& a : attack.attempts) {
    attempts.push_back(
        {{"what", a.what}, {"refused", a.refused}, {"refused_by", a.refused_by}, {"output", a.output}});
    if (!a.refused_by.empty()) by += (by.empty() ? "" : "; ") + a.refused_by;
  }
  return {{"attacker", attack.attacker},
          {"refused", attack.refused()},
          {"refused_by", by},
          {"collateral_packets", attack.collateral_packets},
          {"attempts", attempts}};
}

std::string guests_table(const std::vector<GuestReport>& guests) {
  Table table({{"guest"},
               {"host"},
               {"kind"},
               {"mode"},
               {"kernel"},
               {"driver"},
               {"VF"},
               {"MAC"},
               {"link"},
               {"MSI-X", Align::right},
               {""}});
  for (const auto& g : guests)
    table.add_row({g.name, g.host, g.kind, g.mode, g.kernel, g.driver, g.vf, g.mac, g.link,
                   std::to_string(g.vectors), verdict(g.ok())});
  return table.to_string();
}

std::string traffic_table(const Report& report) {
  Table table({{"from"}, {"to"}, {"path"}, {"ping ms", Align::right}, {"TCP Gb/s", Align::right}, {""}});
  for (const auto& ping : report.pings)
    table.add_row({ping.from, ping.to, ping.kind, ping.ok ? fmt::format("{:.2f}", ping.rtt_ms) : "-", "",
                   verdict(ping.ok)});
  for (const auto& stream : report.streams)
    table.add_row({stream.from, stream.to, stream.kind, "",
                   stream.ok ? fmt::format("{:.2f}", stream.gbps) : "-", verdict(stream.ok)});
  return table.to_string();
}

std::string attack_table(const AttackReport& attack) {
  Table table({{"attack from inside " + attack.attacker}, {"outcome"}, {"refused by"}});
  for (const auto& a : attack.attempts)
    table.add_row({a.what, a.refused ? "refused" : "SUCCEEDED", a.refused_by});
  return table.to_string();
}

}  // namespace

bool GuestReport::ok() const {
  return (driver == "ixgbevf" || driver == "virtio_net") && link == "up" && !mac.empty() &&
         mac == wanted_mac && vectors >= 2;
}

bool AttackReport::refused() const {
  return !attempts.empty() && std::ranges::all_of(attempts, [](const Attempt& a) { return a.refused; });
}

bool Report::ok() const {
  return failures.empty() && !guests.empty() && !pings.empty() && !streams.empty() &&
         std::ranges::all_of(guests, &GuestReport::ok) && std::ranges::all_of(pings, &PingReport::ok) &&
         std::ranges::all_of(streams, &StreamReport::ok) && attack.refused() &&
         attack.collateral_packets == 0;
}

std::string Report::to_json() const {
  json document = {{"rack", rack},       {"accelerator", accelerator}, {"ok", ok()},
                   {"seconds", seconds}, {"failures", failures},       {"attack", lab::to_json(attack)}};
  document["guests"] = json::array();
  for (const auto& g : guests) document["guests"].push_back(lab::to_json(g));
  document["pings"] = json::array();
  for (const auto& p : pings)
    document["pings"].push_back(
        {{"from", p.from}, {"to", p.to}, {"kind", p.kind}, {"ok", p.ok}, {"rtt_ms", p.rtt_ms}});
  document["streams"] = json::array();
  for (const auto& s : streams)
    document["streams"].push_back(
        {{"from", s.from}, {"to", s.to}, {"kind", s.kind}, {"ok", s.ok}, {"gbps", s.gbps}});
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string Report::to_text() const {
  std::string text = guests_table(guests) + "\n" + traffic_table(*this) + "\n" + attack_table(attack);
  text += fmt::format("{:>8} packets lost by the others during the attack\n", attack.collateral_packets);
  for (const auto& failure : failures) text += fmt::format("FAILED: {}\n", failure);
  text += fmt::format("\n{} - {:.0f} s, {}\n", ok() ? "All of it held" : "NOT all of it held", seconds,
                      accelerator);
  return text;
}

}  // namespace ladon::lab
