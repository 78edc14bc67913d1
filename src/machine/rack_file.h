// The rack file: what a person writes (YAML) becomes `Rack`, a plain value that has passed every check which
// needs no hardware. doc/rack-file.md is the reference of the format.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/reach.h"
#include "base/address.h"
#include "base/ipv4.h"
#include "base/mac.h"
#include "mh/intent.h"
#include "pcie/transaction.h"
#include "spec/ntb_parts.h"

namespace ladon::machine {

// Each can be taken away on its own; "off" removes the check and keeps the translation.
struct Defences {
  bool acs = true, mh_iommu = true, ntb_lut = true, ch_iommu = true, interrupt_remapping = true, ept = true;
  bool operator==(const Defences&) const = default;
};
struct DefenceSwitch {
  std::string_view name;  // of the field
  bool Defences::* on;
};
inline constexpr std::array<DefenceSwitch, 6> kDefenceSwitches{
    {{"acs", &Defences::acs},
     {"mh_iommu", &Defences::mh_iommu},
     {"ntb_lut", &Defences::ntb_lut},
     {"ch_iommu", &Defences::ch_iommu},
     {"interrupt_remapping", &Defences::interrupt_remapping},
     {"ept", &Defences::ept}}};

enum class WireKind : std::uint8_t {
  none,  // no carrier
  tap,   // a tap device in a network namespace of its own: the remote test host
  peer,  // an in-process remote test host, for machines without privileges
  link,  // in-process: the two NICs that give the same name are joined
};
struct WireSpec {
  WireKind kind = WireKind::none;
  std::string name;                      // tap: of the interface; link: of the link; empty: chosen
  std::optional<Ipv4Interface> address;  // of the remote test host: tap and peer have one
  std::uint32_t mtu = 1500;
  std::string pcap;  // file that every frame of the wire is written to; empty: none
};

enum class NicDevice : std::uint8_t { x550, i82599 };
struct NicSpec {
  std::string name;
  std::uint16_t vfs = 8;      // 1..63
  std::uint16_t segment = 0;  // of the management host
  NicDevice device = NicDevice::x550;
  std::uint64_t packet_memory = 4 << 20;  // bytes, all VFs together
  // What it takes on in each direction, bits a second; 0: as much as it is able to.
  std::uint64_t rx_capacity = 0, tx_capacity = 0;
  WireSpec wire;
};

using mh::OnFault;
// Of a VF's link, as `ip link` has it. on: up without a carrier too, so that VFs reach one another.
enum class LinkState : std::uint8_t { automatic, on, off };

// Where a section stands in the file, and what it is called there.
struct Written {
  std::size_t line = 0, column = 0;
  std::string field = {};
};

struct VfSpec {
  std::size_t nic = 0;  // index in Rack::nics
  std::uint16_t index = 0;
  MacAddress mac;                     // given, or made from NIC and index
  std::optional<std::uint16_t> vlan;  // 1..4094
  bool spoof_check = true, trust = false, backpressure = false, coalesce = false, unsegmented = false;
  LinkState state = LinkState::on;
  OnFault on_fault = OnFault::log;
  mh::ServiceLevel level;
  std::string pcap;  // file for this VF's frames; empty: none
  Written written = {};
};

// How a guest reaches its NIC: by a function of its own, or by one that its host's software shares among
// several (doc/paravirtual.md).
enum class NetworkPath : std::uint8_t { any, own, shared };

// What a guest needs of a NIC, where the file leaves the choice of the function to the planner (placement.h).
struct NetworkSpec {
  std::size_t nic = 0;  // index in Rack::nics
  NetworkPath path = NetworkPath::any;
  std::optional<MacAddress> mac;      // nullopt: made when it is placed
  std::optional<std::uint16_t> vlan;  // 1..4094
  mh::ServiceLevel level;
  Written written = {};
  // Something is promised: only a function of its own can keep it.
  [[nodiscard]] bool guaranteed() const;
};

// A guest's place at the function that its host shares.
struct SharedPort {
  std::size_t nic = 0;
  MacAddress mac;
  std::optional<std::uint16_t> vlan;
  mh::ServiceLevel level;  // what it may send and be sent; nothing in it is promised
};

// The IOMMU that a guest has of its own, over its function: how its system invalidates what it unmaps.
enum class GuestIommu : std::uint8_t { none, strict, lazy };

// A virtual machine, or the operating system of a bare host.
struct GuestSpec {
  std::string name;
  std::uint64_t memory = 256 << 20;  // bytes, a multiple of 2 MiB
  std::optional<BusAddr> memory_at;  // where in the host's domain; nullopt: the host chooses
  std::uint16_t vcpus = 1;
  GuestIommu viommu = GuestIommu::none;
  std::optional<NetworkSpec> network;  // not beside `vf` of the file
  std::optional<VfSpec> vf;            // as the file names it, or as it was placed
  std::optional<SharedPort> shared;    // as it was placed
  std::optional<Ipv4Interface> address;
  std::uint32_t mtu = 1500;
};

struct NtbSpec {
  const spec::ntb::Part* part = &spec::ntb::kGenericPart;
  std::uint16_t lut = 32, windows = 16;                // entries each way; lut: 0 where the part has no table
  std::uint64_t dma_window = std::uint64_t{64} << 30;  // bytes, a power of two
  std::uint64_t register_window = 64 << 20;            // bytes, a power of two
  bool narrow = false;                                 // both windows are 32-bit BARs
};

enum class HostRole : std::uint8_t { management, compute };
enum class HostKind : std::uint8_t { virtualized, bare };
enum class Mode : std::uint8_t { sriov, mriov, mriov_plus };  // sriov: the management host's own VMs
enum class Invalidation : std::uint8_t { strict, deferred };

struct HostSpec {
  std::string name;
  HostRole role = HostRole::compute;
  HostKind kind = HostKind::virtualized;
  Mode mode = Mode::mriov_plus;
  std::uint64_t memory = std::uint64_t{1} << 30;  // bytes of DRAM, a multiple of 2 MiB
  NtbSpec ntb;                                    // compute hosts only
  std::uint16_t segment = 0;                      // compute hosts: of the management host, where the NTB is
  Invalidation invalidation = Invalidation::strict;
  std::vector<GuestSpec> guests;  // the VMs; a bare host has exactly one, its operating system
  // The host's own software as the user of the functions that its guests share, one a NIC: as it was placed.
  std::vector<GuestSpec> software;
};

// A finding of the audit that the owner of the rack knows of: one, or all that are there because a defence is
// off. doc/audit.md says what each accepts.
struct Acceptance {
  const DefenceSwitch* defence = nullptr;  // null: the one finding that the next six fields are
  std::string initiator;                   // as the audit calls it
  std::size_t host = 0;                    // index in Rack::hosts, which is the domain
  audit::Kind kind{};
  pcie::AccessSet access;
  std::uint64_t first = 0, last = 0;
  std::string why;
  std::string file;                  // where the entry stands
  std::size_t line = 0, column = 0;  // of that file, from 1
};

// One file of everything that happens: frames, and with `fabric` every access.
struct CaptureSpec {
  std::string file;  // empty: none
  bool fabric = false;
  std::uint64_t limit = std::uint64_t{1} << 30;  // bytes
};

struct Rack {
  std::string name;
  std::uint64_t seed = 1;
  Defences defences;
  std::vector<NicSpec> nics;  // in the order of segments, and of the file within one: as software finds them
  std::vector<HostSpec> hosts;  // the management host first, then the others in the order of the file
  std::vector<Acceptance> accept;
  CaptureSpec capture;
};

// How many PCI segments the management host has.
[[nodiscard]] std::uint16_t segments(const Rack& rack);

// How high the addresses reach that a guest's devices emit, from 0: its memory, and with more than 2 GiB the
// hole below 4 GiB too, above which QEMU's q35 puts the rest; with an IOMMU of the guest's own, all below 4
// GiB.
[[nodiscard]] std::uint64_t address_span(const GuestSpec& guest);

// One mistake. `line` and `column` count from 1; 0 where the mistake is that of the whole file.
struct RackError {
  std::string file;
  std::size_t line = 0, column = 0;
  std::string field;    // "hosts[1].vms[0].vf.mac"; empty for the file itself
  std::string message;  // what is wrong
  std::string mend;     // what is allowed, what to write instead
};
// "examples/x.yaml:12:7: hosts[1].vms[0].vf.mac: ... ; ..."
[[nodiscard]] std::string to_string(const RackError& error);

inline constexpr std::size_t kMaxRackFile = 4 << 20;  // bytes: 512 hosts of 32 VMs take 1.2 MiB
inline constexpr std::size_t kMaxRackErrors = 20;     // reported in one go

// Every mistake found, in the order of the file, at most kMaxRackErrors. Touches nothing but the file.
[[nodiscard]] std::expected<Rack, std::vector<RackError>> load_rack(const std::string& path);
// The same for text at hand; `file` is what errors call it.
[[nodiscard]] std::expected<Rack, std::vector<RackError>> parse_rack(std::string_view text,
                                                                     std::string_view file);

[[nodiscard]] std::string_view name(pcie::AccessSet access);  // "read", "write", "read/write"
[[nodiscard]] std::string_view name(WireKind kind);
[[nodiscard]] std::string_view name(NicDevice device);
[[nodiscard]] std::string_view name(NetworkPath path);
[[nodiscard]] std::string_view name(LinkState state);  // "auto", "enable", "disable"
[[nodiscard]] std::string_view name(HostRole role);
[[nodiscard]] std::string_view name(HostKind kind);
[[nodiscard]] std::string_view name(Mode mode);
[[nodiscard]] std::string_view name(GuestIommu iommu);
[[nodiscard]] std::string_view name(Invalidation invalidation);

}  // namespace ladon::machine
