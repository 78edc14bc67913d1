// The parts of a rack file, each read by a function of its own: field by field, then what the fields must be
// together.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "machine/rack_fields.h"

namespace ladon::machine {

// What must be unique over the whole file, and what later sections look up.
struct RackContext {
  explicit RackContext(RackErrors& all_errors) : errors(all_errors) {}
  RackErrors& errors;
  Unique hosts{"name"}, guests{"name"}, nics{"name"}, macs{"MAC address"}, addresses{"address"}, vfs{"VF"},
      files{"file"};
  std::map<std::string, std::size_t, std::less<>> nic_indices;
  // The VFs that guests get, in the order of the file, for what they are promised together.
  struct Promised {
    std::size_t nic = 0;
    Field vf;
    mh::ServiceLevel level;
  };
  std::vector<Promised> promised;
};

// What fits into the management host's 2,028 MiB of 32-bit addresses: a compute host's NTB takes 2 MiB of
// them and a NIC's PF 1, since bridges' windows go by 1 MiB.
inline constexpr std::size_t kMaxNics = 512, kMaxHosts = 1 + 512;
inline constexpr std::size_t kMaxPorts = 253;    // NICs and compute hosts of one segment: its switch's ports
inline constexpr std::size_t kMaxSegments = 32;  // of the management host
inline constexpr std::size_t kMaxGuests = 64;    // of one host
inline constexpr std::size_t kMaxAcceptances = 4096;

void read_defences(RackContext& context, const Field& field, Defences& defences);
void read_capture(RackContext& context, const Field& field, CaptureSpec& capture);
[[nodiscard]] NicSpec read_nic(RackContext& context, const Field& field);
// Over all NICs: a link has two ends.
void check_links(RackContext& context, const std::vector<NicSpec>& nics, const std::vector<Field>& fields);
// Over all NICs and compute hosts: how the management host's segments are numbered, and what fits into them.
// `hosts` are in the order of the file, as `fields` are.
void check_segments(RackContext& context, const std::vector<NicSpec>& nics,
                    const std::vector<Field>& nic_fields, const std::vector<HostSpec>& hosts,
                    const std::vector<Field>& host_fields);
// Over all VFs of each NIC: whether the NIC has what they are promised.
void check_levels(RackContext& context, const std::vector<NicSpec>& nics);
[[nodiscard]] inline Written written_at(const Field& field) {
  return {field.node->place.line, field.node->place.column, field.path};
}
// Where a section has its field; the section itself if the field is left out.
[[nodiscard]] inline YamlPlace place_of(const Field& section, std::string_view key) {
  for (const auto& entry : section.node->entries)
    if (entry.key == key) return entry.value.place;
  return section.node->place;
}

// A compute host's `ntb`, whose mode has been read: what its part has, or less.
void read_ntb(RackContext& context, const std::optional<Field>& field, HostSpec& host);
// What the host's NTB must be able to carry. `field` is the host's.
void check_ntb(RackContext& context, const HostSpec& host, const Field& field);
// Over a rack whose guests are placed: whose functions an NTB cannot tell apart.
void check_devices(RackErrors& errors, const Rack& rack);
// `nics` are those of the file, already read.
[[nodiscard]] HostSpec read_host(RackContext& context, const Field& field, const std::vector<NicSpec>& nics);
[[nodiscard]] GuestSpec read_guest(RackContext& context, const Field& field, const std::vector<NicSpec>& nics,
                                   const HostSpec& host);
// A guest's `network`. `guest` has what comes before it.
[[nodiscard]] std::optional<NetworkSpec> read_network(RackContext& context, const Field& field,
                                                      const std::vector<NicSpec>& nics, const HostSpec& host);
// A field that names a NIC: its index, if there is such a NIC and the host's guests can have functions of it.
[[nodiscard]] std::optional<std::size_t> read_nic_name(RackContext& context, Section& section,
                                                       const std::vector<NicSpec>& nics,
                                                       const HostSpec& host);
// Over a rack without mistakes: gives guests with a `network` their functions, or says what is short.
void place_guests(RackErrors& errors, Rack& rack);

// `rack` has its defences and hosts already.
[[nodiscard]] Acceptance read_acceptance(RackContext& context, const Field& field, const Rack& rack);

}  // namespace ladon::machine
