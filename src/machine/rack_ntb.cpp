// A compute host's bridge in the rack file: what its part can do, and what is asked of it.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <map>

#include "base/units.h"
#include "machine/rack_sections.h"
#include "mh/plan.h"
#include "nic/options.h"
#include "spec/ixgbevf.h"

namespace ladon::machine {

namespace ntb = spec::ntb;

namespace {

constexpr std::uint64_t kKiB = 1 << 10, kMiB = 1 << 20, kGiB = 1 << 30;
constexpr std::uint64_t kBounceWindow = 16 * kMiB;  // of a DMA window in mode mriov
// What 32-bit BARs have room for, in the management host's domain and in a compute host's.
constexpr std::uint64_t kNarrowDma = 256 * kMiB, kMaxNarrowDma = kGiB;
constexpr std::uint64_t kNarrowRegisters = 16 * kMiB, kMaxNarrowRegisters = 512 * kMiB;
// The largest register BAR whose slices are as fine as a VF's BARs.
constexpr std::uint64_t kFinest = 16 * kKiB;
static_assert(spec::ixgbevf::kBarSize % kFinest == 0 && spec::ixgbevf::kMsixBarSize % kFinest == 0);

const ntb::Part* find_part(std::string_view name) {
  const auto found = std::ranges::find(ntb::kParts, name, &ntb::Part::name);
  return found == ntb::kParts.end() ? nullptr : &*found;
}

std::string part_names(auto&& wanted) {
  std::vector<std::string_view> names;
  for (const ntb::Part& part : ntb::kParts)
    if (wanted(part)) names.push_back(part.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool has_table(const ntb::Part& part) {
  return part.requesters != ntb::Requesters::none;
}

void read_profile(RackContext& context, Section& section, NtbSpec& spec) {
  const auto field = section.find("profile");
  const std::string all = "the parts are: " + part_names([](const auto&) { return true; });
  const auto* text = section.scalar(field, all);
  if (text == nullptr) return;
  if (const ntb::Part* part = find_part(*text))
    spec.part = part;
  else
    context.errors.add(field->node->place, field->path, fmt::format("no part is named {}", quoted(*text)),
                       all);
}

// The widths of windows are the board's to choose; a 32-bit BAR has less room.
void read_bars(Section& section, NtbSpec& spec) {
  std::uint8_t bits = 64;
  section.read_integer("bars", bits, 32, 64);
  const auto field = section.find("bars");
  if (bits != 32 && bits != 64)
    section.errors().add(field->node->place, field->path, fmt::format("{} is not the width of a BAR", bits),
                         "write 32 or 64");
  spec.narrow = bits == 32;
}

void set_defaults(NtbSpec& spec, Mode mode) {
  spec.lut = std::min(spec.lut, spec.part->lut);
  spec.windows = std::min(spec.windows, spec.part->windows);
  if (spec.narrow) spec.dma_window = kNarrowDma, spec.register_window = kNarrowRegisters;
  if (mode == Mode::mriov) spec.dma_window = kBounceWindow;
  if (spec.part->slices != 0)
    spec.register_window = std::min(spec.register_window, spec.part->slices * kFinest);
}

// A field may ask for less than the part has, and not for more.
void read_count(Section& section, const NtbSpec& spec, std::string_view key, std::uint16_t& value,
                std::uint16_t least, std::uint16_t most, std::uint16_t has) {
  std::uint16_t read = value;
  section.read_integer(key, read, least, most);
  if (read <= has) {
    value = read;
    return;
  }
  const auto field = section.find(key);
  section.errors().add(field->node->place, field->path,
                       fmt::format("{} are more than {} has, {}", read, spec.part->name, has),
                       fmt::format("write {} or less, or another profile", has));
}

std::size_t count_vfs(const HostSpec& host) {
  return static_cast<std::size_t>(
      std::ranges::count_if(host.guests, [](const GuestSpec& g) { return g.vf.has_value(); }));
}

// A field of the host's `ntb`: where it stands if it is written, else the section, else the host.
YamlPlace place_in_ntb(const Field& host, std::string_view key) {
  for (const auto& entry : host.node->entries)
    if (entry.key == "ntb") return place_of({&entry.value, host.path + ".ntb"}, key);
  return host.node->place;
}

using Complain = std::function<void(std::string_view, std::string, std::string)>;

// What comes of how the part tells requesters apart.
void check_requesters(const HostSpec& host, std::size_t vfs, const Complain& complain) {
  const NtbSpec& spec = host.ntb;
  if (!has_table(*spec.part)) {
    if (vfs > 1)
      complain("profile",
               fmt::format("{} has no requester-ID table: the host's IOMMU cannot tell its {} VFs apart",
                           spec.part->name, vfs),
               fmt::format("give the host one VF, or take a part with a table: {}",
                           part_names([](const auto& part) { return has_table(part); })));
    return;
  }
  if (vfs > spec.lut)
    complain("lut", fmt::format("{} entries are too few for the host's {} VFs", spec.lut, vfs),
             vfs <= spec.part->lut
                 ? fmt::format("write {} or more, or give the host fewer VFs", vfs)
                 : fmt::format("give the host fewer VFs, or take a part with more than {} entries",
                               spec.part->lut));
}

void check_windows(const HostSpec& host, std::size_t vfs, const Complain& complain) {
  const NtbSpec& spec = host.ntb;
  const std::size_t windows = vfs * mh::kWindowsPerSlot;
  if (windows > spec.windows && (has_table(*spec.part) || vfs == 1))
    complain("windows", fmt::format("{} windows are too few for the host's {} VFs", spec.windows, vfs),
             fmt::format("write {} or more, or give the host fewer VFs", windows));
  if (const auto granule = ntb::granule(*spec.part, spec.register_window); vfs > 0 && granule > kFinest)
    complain("register_window",
             fmt::format("windows of {} in {} go by {}, which is more than a VF's registers", spec.part->name,
                         format_size(spec.register_window), format_size(granule)),
             fmt::format("write {} or less", format_size(spec.part->slices * kFinest)));
}

void check_dma(const HostSpec& host, const Complain& complain) {
  for (const auto& guest : host.guests)
    if (host.mode == Mode::mriov_plus && (guest.vf || guest.network) &&
        address_span(guest) > host.ntb.dma_window)
      complain("dma_window",
               fmt::format("{} do not hold the addresses of {}, which reach to {}",
                           format_size(host.ntb.dma_window), guest.name, format_size(address_span(guest))),
               host.ntb.narrow && address_span(guest) > kMaxNarrowDma
                   ? std::string("write bars: 64, or mode: mriov")
                   : fmt::format("write {} or more, or write mode: mriov",
                                 format_size(std::bit_ceil(address_span(guest)))));
}

// A VF's device, as requester IDs have it: without the last three bits, and of which bus matters to nobody
// here.
constexpr unsigned kVfsPerDevice = 8 / nic::kVfStride;
static_assert(nic::kFirstVfOffset % 8 == 0 && 8 % nic::kVfStride == 0);
std::pair<std::size_t, unsigned> device_of(const VfSpec& vf) {
  return {vf.nic, vf.index / kVfsPerDevice};
}

// Where the file asks for the function: a guest's vf or network; for a shared one, that of a guest that
// shares it.
const Written& wish_of(const HostSpec& host, const GuestSpec& user) {
  const auto sharer = std::ranges::find_if(
      host.guests, [&](const GuestSpec& guest) { return guest.shared && guest.shared->nic == user.vf->nic; });
  const bool shared = &user >= host.software.data() && &user < host.software.data() + host.software.size();
  const GuestSpec& asking = shared && sharer != host.guests.end() ? *sharer : user;
  return asking.network ? asking.network->written : asking.vf->written;
}

}  // namespace

void read_ntb(RackContext& context, const std::optional<Field>& field, HostSpec& host) {
  NtbSpec& spec = host.ntb;
  if (!field) return set_defaults(spec, host.mode);
  Section section(context.errors, *field);
  read_profile(context, section, spec);
  read_bars(section, spec);
  set_defaults(spec, host.mode);
  if (has_table(*spec.part))
    read_count(section, spec, "lut", spec.lut, 1, ntb::kMaxLut, spec.part->lut);
  else
    section.forbid("lut", fmt::format("{} has no requester-ID table", spec.part->name), "leave it out");
  read_count(section, spec, "windows", spec.windows, 2, ntb::kMaxWindows, spec.part->windows);
  section.read_power_of_two("dma_window", spec.dma_window, kMiB, spec.narrow ? kMaxNarrowDma : 1024 * kGiB);
  section.read_power_of_two("register_window", spec.register_window, (spec.part->slices != 0 ? 1 : 4) * kMiB,
                            spec.narrow ? kMaxNarrowRegisters : kGiB);
  section.finish();
}

void check_ntb(RackContext& context, const HostSpec& host, const Field& field) {
  const Complain complain = [&](std::string_view key, std::string message, std::string mend) {
    context.errors.add(place_in_ntb(field, key), fmt::format("{}.ntb.{}", field.path, key),
                       std::move(message), std::move(mend));
  };
  const std::size_t vfs = count_vfs(host);
  check_requesters(host, vfs, complain);
  check_windows(host, vfs, complain);
  check_dma(host, complain);
}

void check_devices(RackErrors& errors, const Rack& rack) {
  std::map<std::pair<std::size_t, unsigned>, std::map<std::size_t, const GuestSpec*>>
      devices;  // then by host
  for (std::size_t h = 0; h < rack.hosts.size(); ++h)
    for (const auto* guests : {&rack.hosts[h].guests, &rack.hosts[h].software})
      for (const GuestSpec& guest : *guests)
        if (guest.vf) devices[device_of(*guest.vf)].emplace(h, &guest);
  for (const auto& [device, users] : devices)
    for (const auto& [h, guest] : users) {
      const HostSpec& host = rack.hosts[h];
      if (users.size() < 2 || host.ntb.part->requesters != ntb::Requesters::by_device) continue;
      const auto other = std::ranges::find_if(users, [h](const auto& user) { return user.first != h; });
      const Written& at = wish_of(host, *guest);
      errors.add(
          {at.line, at.column}, at.field,
          fmt::format("VF {} of {} is a function of the same device as VF {}, which {} of {} has, and {} of "
                      "{} tells devices apart, not their functions",
                      guest->vf->index, rack.nics[device.first].name, other->second->vf->index,
                      quoted(other->second->name), rack.hosts[other->first].name, host.ntb.part->name,
                      host.name),
          fmt::format("write vf with an index of a device that no other host has VFs of; this one's are "
                      "{} to {}",
                      device.second * kVfsPerDevice, device.second * kVfsPerDevice + kVfsPerDevice - 1));
    }
}

}  // namespace ladon::machine
