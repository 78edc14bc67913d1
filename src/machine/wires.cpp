#include "machine/wires.h"

#include <fmt/format.h>

#include <map>

#include "machine/capture.h"
#include "port/link_wire.h"
#include "port/pcap.h"
#include "port/peer_wire.h"

namespace ladon::machine {
namespace {

using MadeWire = std::expected<NicWire, std::string>;

// Locally administered, and unlike any that the rack file can make for a VF by itself.
MacAddress remote_mac(std::size_t nic) {
  return MacAddress::from_bits(0x0000'FE'4C'02 | static_cast<std::uint64_t>(nic) << 40);
}

NicWire make_peer(const NicSpec& nic, std::size_t index) {
  const port::PeerOptions options{
      .mac = remote_mac(index), .address = nic.wire.address.value_or(Ipv4Interface{}), .mtu = nic.wire.mtu};
  return {.wire = std::make_unique<port::InProcessPeer>(options), .kind = WireKind::peer};
}

NicWire make_tap(const NicSpec& nic, std::size_t index, const Log& log) {
  port::RemoteHostOptions options{
      .address = nic.wire.address.value_or(Ipv4Interface{}), .mtu = nic.wire.mtu, .mac = remote_mac(index)};
  if (!nic.wire.name.empty()) options.interface = nic.wire.name;
  auto host = port::RemoteHost::start(options);
  if (!host) {
    log.warning("{}: no remote host on a tap ({}); an in-process peer takes its place", nic.name,
                host.error());
    return make_peer(nic, index);
  }
  NicWire made{.kind = WireKind::tap};
  made.wire = host->take_wire();
  made.remote = std::make_unique<port::RemoteHost>(std::move(*host));
  return made;
}

MadeWire capture(NicWire made, const NicSpec& nic, const Clock& clock) {
  if (nic.wire.pcap.empty()) return made;
  auto tap = port::PcapTap::open(nic.wire.pcap, clock, time_of_day_at_zero(clock));
  if (!tap) return std::unexpected(fmt::format("{}: {}", nic.name, tap.error()));
  made.wire = std::make_unique<port::CapturedWire>(std::move(made.wire), std::move(*tap));
  return made;
}

}  // namespace

std::expected<std::vector<NicWire>, std::string> make_wires(const Rack& rack, const Clock& clock,
                                                            const Log& log) {
  std::map<std::string, std::unique_ptr<port::LinkWire>> open_ends;  // by the link's name
  std::vector<NicWire> wires;
  for (std::size_t i = 0; i < rack.nics.size(); ++i) {
    const NicSpec& nic = rack.nics[i];
    NicWire made{.kind = nic.wire.kind};
    switch (nic.wire.kind) {
      case WireKind::tap:
        made = make_tap(nic, i, log);
        break;
      case WireKind::peer:
        made = make_peer(nic, i);
        break;
      case WireKind::link:
        if (auto other = open_ends.extract(nic.wire.name)) {
          made.wire = std::move(other.mapped());
        } else {
          auto [near, far] = port::LinkWire::make_pair();
          made.wire = std::move(near);
          open_ends.emplace(nic.wire.name, std::move(far));
        }
        break;
      case WireKind::none:
        made.wire = port::LinkWire::make_pair().first;  // nothing at the other end: no carrier
        break;
    }
    auto captured = capture(std::move(made), nic, clock);
    if (!captured) return std::unexpected(captured.error());
    wires.push_back(std::move(*captured));
  }
  return wires;
}

}  // namespace ladon::machine
