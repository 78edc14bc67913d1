#include <fmt/format.h>

#include <array>

#include "machine/placement.h"
#include "machine/rack_levels.h"
#include "machine/rack_sections.h"
#include "machine/shared_port.h"

namespace ladon::machine {
namespace {

constexpr std::array kPaths = {NetworkPath::any, NetworkPath::own, NetworkPath::shared};

void check_path(RackContext& context, const Field& field, const NetworkSpec& network, const HostSpec& host) {
  const auto complain = [&](std::string message, std::string mend) {
    context.errors.add(field.node->place, field.path, std::move(message), std::move(mend));
  };
  if (host.kind == HostKind::bare && network.path == NetworkPath::shared)
    return complain("a bare host's operating system drives its function itself",
                    "write path: own, or leave path out");
  if (network.path != NetworkPath::shared) return;
  if (network.guaranteed())
    return complain("a shared function has nothing to promise one of its guests",
                    "write path: own, or leave path out; or take the guarantee away");
  if (!only_limits(network.level))
    complain("the host's software limits rates only, where a function is shared",
             "leave all but tx_max or max_tx_rate, tx_burst, rx_max and rx_burst out, or write path: own");
}

}  // namespace

std::optional<NetworkSpec> read_network(RackContext& context, const Field& field,
                                        const std::vector<NicSpec>& nics, const HostSpec& host) {
  NetworkSpec network;
  Section section(context.errors, field);
  const auto nic = read_nic_name(context, section, nics, host);
  network.nic = nic.value_or(0);
  section.read_choice<NetworkPath>("path", network.path, kPaths);
  network.mac = section.read_mac("mac");
  if (const auto mac = section.find("mac"); mac && network.mac)
    context.macs.claim(context.errors, to_string(*network.mac), *mac);
  if (section.find("vlan")) section.read_integer("vlan", network.vlan.emplace(), 1, 4094);
  network.level = read_level(section);
  section.finish();
  check_path(context, field, network, host);
  // What only a function of its own can keep is a wish for one.
  if (network.path == NetworkPath::any && (host.kind == HostKind::bare || !only_limits(network.level)))
    network.path = NetworkPath::own;
  network.written = written_at(field);
  return nic ? std::optional(network) : std::nullopt;
}

void place_guests(RackErrors& errors, Rack& rack) {
  const Placement placement = place(rack);
  for (const Shortage& shortage : placement.shortages) {
    // Guests that name their function are promised things, too.
    const GuestSpec& guest = rack.hosts[shortage.host].guests[shortage.guest];
    const Written& at = guest.network ? guest.network->written : guest.vf->written;
    errors.add({at.line, at.column}, at.field, describe(rack, shortage), mend(rack, shortage));
  }
  if (placement.shortages.empty()) apply(rack, placement);
}

}  // namespace ladon::machine
