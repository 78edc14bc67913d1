#include "app/para_report.h"

#include <fmt/format.h>

#include "base/table.h"
#include "base/units.h"

namespace ladon::app {
namespace {

using console::Json;
using machine::SharedFunctionReport;
using machine::SharedGuestReport;

template <class Reason>
Json reasons(const Counters<Reason>& counters) {
  Json all = Json::object();
  counters.each([&](Reason reason, std::uint64_t count) { all[std::string(name(reason))] = count; });
  return all;
}

Json limits_json(const machine::SharedLimits& limits) {
  return {{"tx_max_bits_per_second", limits.transmit.rate},
          {"tx_burst_bytes", limits.transmit.burst},
          {"rx_max_bits_per_second", limits.receive.rate},
          {"rx_burst_bytes", limits.receive.burst}};
}

Json guest_json(const SharedGuestReport& guest) {
  const para::PortTraffic& traffic = guest.traffic;
  Json made = {{"guest", guest.name},
               {"mac", to_string(guest.mac)},
               {"connected", guest.connected},
               {"up", guest.up},
               {"limits", limits_json(guest.limits)},
               {"sent_frames", traffic.sent_frames},
               {"sent_bytes", traffic.sent_bytes},
               {"received_frames", traffic.received_frames},
               {"received_bytes", traffic.received_bytes},
               {"waits_for_turn", traffic.waits_for_turn},
               {"waits_for_limit", traffic.waits_for_limit},
               {"waits_for_guest", traffic.waits_for_guest},
               {"send_drops", reasons(traffic.send_drops)},
               {"receive_drops", reasons(traffic.receive_drops)},
               {"backend_drops", reasons(guest.backend_drops)}};
  if (guest.vlan) made["vlan"] = *guest.vlan;
  return made;
}

std::string limit_text(const para::RateLimit& limit) {
  return limit.rate == 0 ? "-" : format_rate(static_cast<double>(limit.rate));
}

class Drops {
 public:
  template <class Reason>
  void add(const std::string& where, std::string_view direction, const Counters<Reason>& counters) {
    counters.each([&](Reason reason, std::uint64_t count) {
      table_.add_row({where, std::string(direction), std::string(name(reason)), std::to_string(count)});
    });
  }
  [[nodiscard]] std::string to_string() const {
    return table_.rows() == 0 ? "\nnothing was dropped\n" : fmt::format("\n{}", table_.to_string());
  }

 private:
  Table table_{{{"at"}, {"dropped"}, {"reason"}, {"frames", Align::right}}};
};

template <class Reason>
void add_lines(std::vector<machine::CounterLine>& lines, const std::string& where,
               const Counters<Reason>& counters) {
  counters.each([&](Reason reason, std::uint64_t count) {
    lines.push_back({.where = where, .reason = std::string(name(reason)), .count = count});
  });
}

}  // namespace

std::vector<machine::CounterLine> counter_lines(const std::vector<SharedFunctionReport>& functions) {
  std::vector<machine::CounterLine> lines;
  for (const SharedFunctionReport& function : functions) {
    for (const SharedGuestReport& guest : function.guests) {
      add_lines(lines, guest.name + "/virtio", guest.traffic.send_drops);
      add_lines(lines, guest.name + "/virtio", guest.traffic.receive_drops);
      add_lines(lines, guest.name + "/vhost-user", guest.backend_drops);
    }
    add_lines(lines, fmt::format("VF {} of {}/shared", function.vf, function.nic), function.arrival_drops);
  }
  return lines;
}

Json to_json(const std::vector<SharedFunctionReport>& functions) {
  Json all = Json::array();
  for (const SharedFunctionReport& function : functions) {
    Json guests = Json::array();
    for (const SharedGuestReport& guest : function.guests) guests.push_back(guest_json(guest));
    all.push_back({{"host", function.host},
                   {"nic", function.nic},
                   {"vf", function.vf},
                   {"mac", to_string(function.mac)},
                   {"started", function.started},
                   {"up", function.up},
                   {"starts", function.starts},
                   {"sent_frames", function.traffic.sent_frames},
                   {"sent_bytes", function.traffic.sent_bytes},
                   {"sent_segments", function.traffic.sent_segments},
                   {"received_frames", function.traffic.received_frames},
                   {"received_bytes", function.traffic.received_bytes},
                   {"ring_full", function.traffic.full},
                   {"ring_stuck", function.traffic.stuck},
                   {"arrival_drops", reasons(function.arrival_drops)},
                   {"guests", guests}});
  }
  return {{"functions", all}};
}

std::string to_text(const std::vector<SharedFunctionReport>& functions) {
  if (functions.empty()) return "no guest of this rack shares a function\n";
  Table table({{"guest"},
               {"host"},
               {"function"},
               {"MAC"},
               {"link"},
               {"tx max", Align::right},
               {"rx max", Align::right},
               {"sent", Align::right},
               {"received", Align::right}});
  Drops drops;
  for (const SharedFunctionReport& function : functions) {
    const std::string name = fmt::format("VF {} of {}", function.vf, function.nic);
    for (const SharedGuestReport& guest : function.guests) {
      table.add_row({guest.name, function.host, name, to_string(guest.mac),
                     !function.up ? "function down"
                     : guest.up   ? "up"
                                  : "no guest",
                     limit_text(guest.limits.transmit), limit_text(guest.limits.receive),
                     std::to_string(guest.traffic.sent_frames),
                     std::to_string(guest.traffic.received_frames)});
      drops.add(guest.name, "of its own", guest.traffic.send_drops);
      drops.add(guest.name, "for it", guest.traffic.receive_drops);
      drops.add(guest.name, "by its backend", guest.backend_drops);
    }
    drops.add(fmt::format("{} of {}", name, function.host), "from outside", function.arrival_drops);
  }
  return table.to_string() + drops.to_string();
}

std::expected<Json, std::string> para_show(machine::Runner& runner, const Json& arguments) {
  const auto functions = runner.shared_functions();
  if (arguments.value("text", false)) return Json{{"text", to_text(functions)}};
  return to_json(functions);
}

std::expected<Json, std::string> para_set(machine::Runner& runner, const Json& arguments) {
  const std::string guest = arguments.value("guest", "");
  const SharedGuestReport* found = nullptr;
  const auto functions = runner.shared_functions();
  for (const SharedFunctionReport& function : functions)
    for (const SharedGuestReport& one : function.guests)
      if (one.name == guest) found = &one;
  if (found == nullptr)
    return std::unexpected(
        fmt::format("\"{}\" is no guest that shares a function; ladon para show lists them", guest));
  const auto limits = machine::changed(found->limits, machine::settings_in(arguments));
  if (!limits)
    return std::unexpected(
        fmt::format("{}: {}; {}", limits.error().field, limits.error().message, limits.error().mend));
  if (!runner.set_shared_limits(guest, *limits)) return std::unexpected("the guest is gone");
  return Json{{"guest", guest}, {"limits", limits_json(*limits)}};
}

}  // namespace ladon::app
