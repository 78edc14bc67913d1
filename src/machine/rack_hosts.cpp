#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/units.h"
#include "machine/placement.h"
#include "machine/rack_levels.h"
#include "machine/rack_sections.h"

namespace ladon::machine {
namespace {

constexpr std::uint64_t kMiB = 1 << 20, kGiB = 1 << 30;
constexpr std::uint64_t kPage = 2 * kMiB;            // the large pages of the IOMMUs
constexpr std::uint64_t kHostReserve = 64 * kMiB;    // of a virtualized host, for itself
constexpr std::uint64_t kMaxHostMemory = 60 * kGiB;  // from 4 GiB to the stride of the global addresses
constexpr std::uint64_t kGuestFirst = 4 * kGiB, kGuestEnd = 64 * kGiB;
constexpr std::uint64_t kMaxVcpus = 64, kMinMtu = 68, kMaxMtu = 9710;
constexpr std::array kRoles = {HostRole::management, HostRole::compute};
constexpr std::array kKinds = {HostKind::virtualized, HostKind::bare};
constexpr std::array kModes = {Mode::mriov, Mode::mriov_plus};
constexpr std::array kInvalidations = {Invalidation::strict, Invalidation::deferred};
constexpr std::array kGuestIommus = {GuestIommu::none, GuestIommu::strict, GuestIommu::lazy};
constexpr std::array kStates = {LinkState::automatic, LinkState::on, LinkState::off};

// The NIC that `name` names; complains if there is none.
std::optional<std::size_t> find_nic(RackContext& context, const Field& field) {
  const auto found = context.nic_indices.find(field.node->text);
  if (field.node->kind == YamlNode::Kind::scalar && found != context.nic_indices.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& [name, index] : context.nic_indices)
    if (!name.empty()) names.push_back(name);
  context.errors.add(field.node->place, field.path,
                     fmt::format("no NIC is named {}", quoted(field.node->text)),
                     names.empty() ? "describe the NIC under nics"
                                   : fmt::format("the NICs are: {}", fmt::join(names, ", ")));
  return std::nullopt;
}

// No request gets from one of the management host's segments to another. Its own VMs are in none of them.
void check_segment(RackContext& context, const Field& field, const NicSpec& nic,
                   const std::vector<NicSpec>& nics, const HostSpec& host) {
  if (host.role == HostRole::management || nic.segment == host.segment) return;
  std::vector<std::string_view> there;
  for (const NicSpec& other : nics)
    if (other.segment == host.segment && !other.name.empty()) there.push_back(other.name);
  const std::string move = fmt::format("write segment: {} for the host", nic.segment);
  context.errors.add(field.node->place, field.path,
                     fmt::format("{} is in segment {} and the host in segment {}", quoted(nic.name),
                                 nic.segment, host.segment),
                     there.empty()
                         ? move
                         : fmt::format("{}, or take a NIC in its segment: {}", move, fmt::join(there, ", ")));
}

std::optional<VfSpec> read_vf(RackContext& context, const Field& field, const std::vector<NicSpec>& nics,
                              const HostSpec& host) {
  VfSpec vf;
  Section section(context.errors, field);
  const auto nic = read_nic_name(context, section, nics, host);
  const auto index = section.require("index", "write which VF of the NIC, from 0");
  vf.nic = nic.value_or(0);
  const std::uint16_t vfs = nic ? nics[*nic].vfs : std::uint16_t{64};
  std::uint16_t read = vfs;  // stays if the field is wrong
  section.read_integer("index", read, 0, vfs - 1u);
  vf.index = read;
  if (nic && index && read < vfs)
    context.vfs.claim(context.errors, fmt::format("{} of {}", vf.index, quoted(nics[*nic].name)), *index);

  const auto mac = section.read_mac("mac");
  vf.mac = mac.value_or(made_mac(vf.nic, vf.index));
  const auto mac_field = section.find("mac");
  if (mac || (!mac_field && nic && read < vfs))
    context.macs.claim(context.errors, to_string(vf.mac), mac_field.value_or(field));
  if (section.find("vlan")) section.read_integer("vlan", vf.vlan.emplace(), 1, 4094);
  section.read_switch("spoof_check", vf.spoof_check);
  section.read_switch("trust", vf.trust);
  section.read_switch("backpressure", vf.backpressure);
  section.read_switch("coalesce", vf.coalesce);
  section.read_switch("unsegmented", vf.unsegmented);
  section.read_choice<OnFault>("on_fault", vf.on_fault, mh::kOnFaults);
  section.read_choice<LinkState>("state", vf.state, kStates);
  vf.level = read_level(section);
  vf.written = written_at(field);
  if (nic.has_value()) context.promised.push_back({vf.nic, field, vf.level});
  section.read_file("pcap", vf.pcap);
  if (const auto pcap = section.find("pcap"); pcap && !vf.pcap.empty())
    context.files.claim(context.errors, vf.pcap, *pcap);
  section.finish();
  return vf;
}

// A guest's memory at a place that the file gives.
std::optional<Range<BusAddr>> placed(const GuestSpec& guest) {
  return guest.memory_at ? Range<BusAddr>::of(*guest.memory_at, guest.memory) : std::nullopt;
}

void check_memory(RackContext& context, const HostSpec& host, const std::vector<Field>& fields,
                  const Field& host_field) {
  std::uint64_t sum = host.kind == HostKind::bare ? 0 : kHostReserve;
  for (std::size_t i = 0; i < host.guests.size(); ++i) {
    const GuestSpec& guest = host.guests[i];
    sum += guest.memory;
    const auto range = placed(guest);
    for (std::size_t j = 0; range && j < i; ++j) {
      const auto other = placed(host.guests[j]);
      if (other && range->overlaps(*other))
        context.errors.add(place_of(fields[i], "memory_at"), fields[i].path + ".memory_at",
                           fmt::format("overlaps the memory of {} in line {}", fields[j].path,
                                       place_of(fields[j], "memory_at").line),
                           "move one of them, or leave memory_at out and let the host choose");
    }
  }
  if (sum > host.memory)
    context.errors.add(
        place_of(host_field, "memory"), host_field.path + ".memory",
        fmt::format("{} do not hold the guests' memory{}, {} together", format_size(host.memory),
                    host.kind == HostKind::bare ? "" : " and 64 MiB for the host", format_size(sum)),
        "give the host more or the guests less");
}

std::vector<Field> guest_fields(Section& section, const HostSpec& host) {
  if (host.kind != HostKind::bare) {
    section.forbid("guest", "only a bare host has a guest that is its operating system",
                   "list VMs under vms");
    return section.list("vms", kMaxGuests);
  }
  section.forbid("vms", "a bare host has no VMs", "describe its operating system under guest");
  const auto guest = section.require("guest", "describe the operating system of the bare host");
  return guest ? std::vector{*guest} : std::vector<Field>{};
}

}  // namespace

std::optional<std::size_t> read_nic_name(RackContext& context, Section& section,
                                         const std::vector<NicSpec>& nics, const HostSpec& host) {
  const auto field = section.require("nic", "write the name of a NIC");
  const auto nic = field ? find_nic(context, *field) : std::nullopt;
  if (nic) check_segment(context, *field, nics[*nic], nics, host);
  return nic;
}

GuestSpec read_guest(RackContext& context, const Field& field, const std::vector<NicSpec>& nics,
                     const HostSpec& host) {
  const bool bare = host.kind == HostKind::bare;
  GuestSpec guest;
  Section section(context.errors, field);
  guest.name = section.read_name("name", !bare);
  const auto name = section.find("name");
  if (bare && !name) guest.name = host.name;
  if (!guest.name.empty()) context.guests.claim(context.errors, guest.name, name.value_or(field));
  if (bare) guest.memory = std::min(guest.memory, host.memory);
  section.read_size("memory", guest.memory, 64 * kMiB, kMaxHostMemory, kPage);
  if (bare) {
    section.forbid("memory_at", "a bare host's operating system has all memory from address 0",
                   "leave it out");
  } else if (section.find("memory_at")) {
    std::uint64_t at = 0;
    section.read_size("memory_at", at, kGuestFirst, kGuestEnd - guest.memory, kPage);
    if (at != 0) guest.memory_at = BusAddr(at);
  }
  section.read_integer("vcpus", guest.vcpus, 1, kMaxVcpus);
  if (const auto vf = section.find("vf")) guest.vf = read_vf(context, *vf, nics, host);
  if (!guest.vf) {
    if (const auto network = section.find("network"))
      guest.network = read_network(context, *network, nics, host);
  } else {
    section.forbid("network", "vf names the function already", "write one of the two");
  }
  if (guest.vf && !bare)
    section.read_choice<GuestIommu>("viommu", guest.viommu, kGuestIommus);
  else
    section.forbid("viommu",
                   bare ? "a bare host's operating system has the host's own IOMMU"
                        : "an IOMMU of the guest's own is there for a function that vf names",
                   "leave it out");
  guest.address = section.read_address("address");
  if (const auto address = section.find("address"); address && guest.address)
    context.addresses.claim(context.errors, to_string(guest.address->address), *address);
  section.read_integer("mtu", guest.mtu, kMinMtu, kMaxMtu);
  section.finish();
  return guest;
}

HostSpec read_host(RackContext& context, const Field& field, const std::vector<NicSpec>& nics) {
  HostSpec host;
  Section section(context.errors, field);
  host.name = section.read_name("name", true);
  if (const auto name = section.find("name"); name && !host.name.empty())
    context.hosts.claim(context.errors, host.name, *name);
  (void)section.require("role", "write management or compute");
  (void)section.read_choice<HostRole>("role", host.role, kRoles);
  section.read_size("memory", host.memory, 128 * kMiB, kMaxHostMemory, kPage);
  if (host.role == HostRole::management) {
    host.mode = Mode::sriov;
    section.forbid("kind", "the management host is always virtualized", "leave it out");
    section.forbid("mode", "the management host's own VMs have the NIC on their host", "leave it out");
    section.forbid("ntb", "no NTB is in front of the management host", "leave it out");
    section.forbid("segment", "the management host has all segments", "write it for compute hosts and NICs");
  } else {
    section.read_choice<HostKind>("kind", host.kind, kKinds);
    section.read_choice<Mode>("mode", host.mode, kModes);
    section.read_integer("segment", host.segment, 0, kMaxSegments - 1);
    read_ntb(context, section.find("ntb"), host);
  }
  if (const auto iommu = section.find("iommu")) {
    Section iommu_section(context.errors, *iommu);
    iommu_section.read_choice<Invalidation>("invalidation", host.invalidation, kInvalidations);
    iommu_section.finish();
  }
  const auto fields = guest_fields(section, host);
  for (const auto& guest : fields) host.guests.push_back(read_guest(context, guest, nics, host));
  check_memory(context, host, fields, field);
  if (host.role == HostRole::compute) check_ntb(context, host, field);
  section.finish();
  return host;
}

}  // namespace ladon::machine
