#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/units.h"
#include "machine/placement.h"
#include "mh/plan.h"

namespace ladon::machine {
namespace {

// The rings of the driver that the host's software is, and their buffers.
constexpr std::uint64_t kSoftwareMemory = std::uint64_t{4} << 20;

std::string rate(std::uint64_t bits_per_second) {
  return format_rate(static_cast<double>(bits_per_second));
}

}  // namespace

std::string_view name(Why why) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Why::count_)> kNames = {
      "named by the file",   "has a guarantee",    "asked for it",
      "a function was left", "the NIC is used up", "the host is used up"};
  return kNames[static_cast<std::size_t>(why)];
}

std::string describe(const Rack& rack, const Shortage& shortage) {
  const HostSpec& host = rack.hosts[shortage.host];
  const std::string& nic = rack.nics[shortage.nic].name;
  const std::string who = fmt::format("{} of {}", host.guests[shortage.guest].name, host.name);
  switch (shortage.what) {
    case Short::functions:
      return fmt::format("no function of {} is left for {}: all {} are taken", nic, who, shortage.there);
    case Short::slots:
      return fmt::format("{} carries no function more for {}: its {} are taken", host.name, who,
                         shortage.there);
    case Short::filters:
      return fmt::format(
          "{} has no address filter left for {}, which would share a function: of {} no function "
          "may have more than are left for the others",
          nic, who, shortage.there);
    case Short::ports:
      return fmt::format("the shared function of {} at {} has no place for {}: all {} are taken", nic,
                         host.name, who, shortage.there);
    case Short::receive_rate:
      return fmt::format("{} cannot promise {} what it is to receive: {} are wanted and {} are left", nic,
                         who, rate(shortage.needed), rate(shortage.there));
    case Short::transmit_rate:
      return fmt::format("{} cannot promise {} what it is to send: {} are wanted and {} are left", nic, who,
                         rate(shortage.needed), rate(shortage.there));
    case Short::memory:
      return fmt::format("{} has no packet memory for {}: {} are wanted and {} are left", nic, who,
                         format_size(shortage.needed), format_size(shortage.there));
    case Short::count_:
      break;
  }
  std::unreachable();
}

std::string mend(const Rack& rack, const Shortage& shortage) {
  const HostSpec& host = rack.hosts[shortage.host];
  switch (shortage.what) {
    case Short::functions:
      return fmt::format("write vfs: {} or more for the NIC, or path: shared for some guests of one host",
                         shortage.needed);
    case Short::slots:
      return host.role == HostRole::management
                 ? "write path: shared for some of its guests"
                 : fmt::format("write ntb: {{lut: {}, windows: {}}} or more, or path: shared for some guests",
                               shortage.needed, mh::kWindowsPerSlot * shortage.needed);
    case Short::filters:
    case Short::ports:
      return "let some of these guests use another NIC";
    case Short::receive_rate:
    case Short::transmit_rate:
    case Short::memory:
      return "promise less, or use another NIC";
    case Short::count_:
      break;
  }
  std::unreachable();
}

void apply(Rack& rack, const Placement& placement) {
  for (const PlacedNetwork& placed : placement.guests) {
    GuestSpec& guest = rack.hosts[placed.host].guests[placed.guest];
    if (!guest.network) continue;
    guest.vf.reset();
    guest.shared.reset();
    const NetworkSpec& wish = *guest.network;
    if (placed.shared) {
      guest.shared = SharedPort{placed.nic, placed.mac, wish.vlan, wish.level};
      continue;
    }
    VfSpec& vf = guest.vf.emplace();
    vf.nic = placed.nic;
    vf.index = placed.vf;
    vf.mac = placed.mac;
    vf.vlan = wish.vlan;
    vf.level = wish.level;
  }
  for (HostSpec& host : rack.hosts) host.software.clear();
  for (const PlacedFunction& function : placement.shared) {
    HostSpec& host = rack.hosts[function.host];
    GuestSpec& software = host.software.emplace_back();
    // No guest's name has a blank.
    software.name = fmt::format("{} software", host.name);
    software.memory = kSoftwareMemory;
    VfSpec& vf = software.vf.emplace();
    vf.nic = function.nic;
    vf.index = function.vf;
    vf.mac = function.mac;
    // It has its guests' addresses besides its own. What one of them may have brought about ends with a
    // reset.
    vf.trust = true;
    vf.on_fault = OnFault::reset;
  }
}

}  // namespace ladon::machine
