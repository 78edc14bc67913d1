#include "machine/counter_report.h"

#include <fmt/format.h>

#include "base/table.h"

namespace ladon::machine {
namespace {

template <class Reason>
void add(std::vector<CounterLine>& lines, const std::string& where, const Counters<Reason>& counters) {
  counters.each([&](Reason reason, std::uint64_t count) {
    lines.push_back({where, std::string(name(reason)), count});
  });
}

}  // namespace

std::vector<CounterLine> counter_report(Machine& machine) {
  std::vector<CounterLine> lines;
  add(lines, "fabric", machine.fabric().refusals());
  add(lines, "engine", machine.live().refusals());
  for (std::size_t i = 0; i < machine.nics(); ++i) {
    const nic::Nic& nic = machine.nic(i);
    const std::string& title = machine.rack().nics[i].name;
    for (std::uint16_t vf = 0; vf < nic.vfs(); ++vf) {
      add(lines, fmt::format("{}/vf{}", title, vf), nic.drops(vf));
      add(lines, fmt::format("{}/vf{}/faults", title, vf), nic.faults(vf));
      add(lines, fmt::format("{}/vf{}/former owners", title, vf), nic.former_drops(vf));
      add(lines, fmt::format("{}/vf{}/former owners' faults", title, vf), nic.former_faults(vf));
    }
    add(lines, title + "/from the wire", nic.wire_drops());
    add(lines, title + "/wire", machine.wire(i).wire->stats().drops);
  }
  for (const GuestPlace& guest : machine.guests()) {
    const std::string& title = guest.placed.guest->name;
    add(lines, title + "/vfio-user", guest.server->refusals());
    add(lines, title + "/slot", guest.slot->vf_slot().refusals());
    add(lines, title + "/guest", guest.slot->mistakes());
  }
  add(lines, "management socket", machine.management_refusals());
  return lines;
}

std::string format_counters(const std::vector<CounterLine>& lines) {
  if (lines.empty()) return "nothing was dropped or refused\n";
  Table table({{"where"}, {"reason"}, {"count", Align::right}});
  for (const auto& line : lines) table.add_row({line.where, line.reason, std::to_string(line.count)});
  return table.to_string();
}

}  // namespace ladon::machine
