#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/units.h"
#include "machine/rack_sections.h"

namespace ladon::machine {
namespace {

constexpr std::uint64_t kKiB = 1 << 10, kMiB = 1 << 20, kGiB = 1 << 30;
constexpr std::uint64_t kMaxVfs = 63, kMinMtu = 68, kMaxMtu = 9710;  // of the NIC; of IPv4 and of the X550
constexpr std::array kWireKinds = {WireKind::none, WireKind::tap, WireKind::peer, WireKind::link};
constexpr std::array kDevices = {NicDevice::x550, NicDevice::i82599};

void read_wire(RackContext& context, const Field& field, WireSpec& wire) {
  Section section(context.errors, field);
  (void)section.require("kind", "write one of: none, tap, peer, link");
  // Which other fields are right depends on the kind.
  if (!section.read_choice<WireKind>("kind", wire.kind, kWireKinds)) return;
  const bool has_host = wire.kind == WireKind::tap || wire.kind == WireKind::peer;
  const bool has_name = wire.kind == WireKind::tap || wire.kind == WireKind::link;
  if (has_host) {
    (void)section.require("address", "give the remote test host an address, like 10.10.0.1/24");
    wire.address = section.read_address("address");
    if (const auto address = section.find("address"); address && wire.address)
      context.addresses.claim(context.errors, to_string(wire.address->address), *address);
    section.read_integer("mtu", wire.mtu, kMinMtu, kMaxMtu);
  } else {
    section.forbid("address", "no remote test host is at a wire of this kind",
                   "write kind: tap, or leave it out");
    section.forbid("mtu", "no remote test host is at a wire of this kind",
                   "write kind: tap, or leave it out");
  }
  if (has_name) {
    wire.name = section.read_name("name", wire.kind == WireKind::link);
    if (const auto name = section.find("name"); name && wire.name.size() > 15)
      context.errors.add(name->node->place, name->path, "longer than an interface's name may be",
                         "write at most 15 characters");
  } else {
    section.forbid("name", "a wire of this kind has no name", "leave it out");
  }
  section.read_file("pcap", wire.pcap);
  if (const auto pcap = section.find("pcap"); pcap && !wire.pcap.empty())
    context.files.claim(context.errors, wire.pcap, *pcap);
  section.finish();
}

// In each direction; 0 if it is left out.
std::uint64_t read_capacity(Section& section, std::string_view key) {
  constexpr std::string_view kAllowed = "write 1Mbit to 10Gbit in whole kbit/s, like 100Mbit";
  const auto field = section.find(key);
  const auto* const text = section.scalar(field, kAllowed);
  if (text == nullptr) return 0;
  const auto rate = parse_rate(*text);
  if (rate && *rate >= 1'000'000 && *rate <= mh::kLinkRate && *rate % 1000 == 0) return *rate;
  section.errors().add(
      field->node->place, field->path,
      fmt::format("{} {}", quoted(*text), rate ? "is no rate of this NIC's" : describe(rate.error())),
      std::string(kAllowed));
  return 0;
}

}  // namespace

void read_defences(RackContext& context, const Field& field, Defences& defences) {
  Section section(context.errors, field);
  for (const DefenceSwitch& defence : kDefenceSwitches)
    section.read_switch(defence.name, defences.*defence.on);
  section.finish();
}

void read_capture(RackContext& context, const Field& field, CaptureSpec& capture) {
  Section section(context.errors, field);
  (void)section.require("file", "name the file, like rack.pcapng");
  section.read_file("file", capture.file);
  if (const auto file = section.find("file"); file && !capture.file.empty())
    context.files.claim(context.errors, capture.file, *file);
  section.read_switch("fabric", capture.fabric);
  section.read_size("limit", capture.limit, kMiB, 1024 * kGiB, 1);
  section.finish();
}

NicSpec read_nic(RackContext& context, const Field& field) {
  NicSpec nic;
  Section section(context.errors, field);
  nic.name = section.read_name("name", true);
  if (const auto name = section.find("name"); name && !nic.name.empty())
    context.nics.claim(context.errors, nic.name, *name);
  section.read_integer("vfs", nic.vfs, 1, kMaxVfs);
  section.read_choice<NicDevice>("device", nic.device, kDevices);
  section.read_size("packet_memory", nic.packet_memory, 64 * kKiB, kGiB, 4 * kKiB);
  if (const auto memory = section.find("packet_memory");
      memory && nic.packet_memory / nic.vfs < mh::kLeastShare)
    context.errors.add(memory->node->place, memory->path,
                       fmt::format("not a frame's for each of {} VFs", nic.vfs),
                       fmt::format("write {} KiB or more", nic.vfs * mh::kLeastShare / kKiB));
  nic.rx_capacity = read_capacity(section, "rx_capacity");
  nic.tx_capacity = read_capacity(section, "tx_capacity");
  section.read_integer("segment", nic.segment, 0, kMaxSegments - 1);
  if (const auto wire = section.find("wire")) read_wire(context, *wire, nic.wire);
  section.finish();
  return nic;
}

void check_links(RackContext& context, const std::vector<NicSpec>& nics, const std::vector<Field>& fields) {
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const WireSpec& wire = nics[i].wire;
    if (wire.kind != WireKind::link || wire.name.empty()) continue;
    const auto ends = std::ranges::count_if(nics, [&](const NicSpec& other) {
      return other.wire.kind == WireKind::link && other.wire.name == wire.name;
    });
    if (ends == 2) continue;
    context.errors.add(fields[i].node->place, fields[i].path + ".wire.name",
                       fmt::format("{} NICs are at the link {}", ends, quoted(wire.name)),
                       "give the name to exactly two NICs");
  }
}

}  // namespace ladon::machine
