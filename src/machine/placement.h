// Which guest gets a virtual function of its own and which shares one with others of its host, when the rack
// file leaves that to the planner: a pure function from the rack to a placement. doc/rack-file.md, "network".
//
// Functions go, in this order, to guests that name theirs (`vf`), to guests with a guarantee, to those that
// ask for one of their own, to the shared functions of those that ask to share; and what is left to the
// others, in the order of the file, as long as all that come later can still be served somehow. So nobody
// without a guarantee moves a guest that has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac.h"
#include "machine/rack_file.h"
#include "mh/promises.h"

namespace ladon::machine {

enum class Why : std::uint8_t {
  named,         // the file names the function
  guaranteed,    // it has a guarantee, which only a function of its own can keep
  asked,         // path: own, or path: shared
  left_over,     // path: any, and functions were left
  nic_used_up,   // path: any, and the NIC's functions are for others
  host_used_up,  // path: any, and the host's NTB carries no more
  count_
};
[[nodiscard]] std::string_view name(Why why);

struct PlacedNetwork {
  std::size_t host = 0, guest = 0;  // indices in Rack::hosts and HostSpec::guests
  std::size_t nic = 0;
  bool shared = false;
  std::uint16_t vf = 0;  // its own, or the one that it shares
  MacAddress mac;
  Why why{};
  bool operator==(const PlacedNetwork&) const = default;
};

// One a host and NIC that some of the host's guests share; the host's software drives it.
struct PlacedFunction {
  std::size_t host = 0, nic = 0;
  std::uint16_t vf = 0;
  MacAddress mac;
  std::size_t guests = 0;
  bool operator==(const PlacedFunction&) const = default;
};

enum class Short : std::uint8_t {
  functions,  // of the NIC
  slots,      // of the host: its NTB's look-up entries, windows and registers
  filters,    // of the NIC: additional addresses, one a guest that shares
  ports,      // of the host's switch, for one NIC
  receive_rate,
  transmit_rate,  // that the NIC can promise, bits a second
  memory,         // that the NIC can promise, bytes
  count_
};
struct Shortage {
  std::size_t host = 0, guest = 0, nic = 0;
  Short what{};
  // Of functions, slots, filters and ports: all that are wanted at least, and all that there are. Of rates
  // and memory: what this guest wants, and what the others leave.
  std::uint64_t needed = 0, there = 0;
  bool operator==(const Shortage&) const = default;
};
// "no function of nic0 is left for vm-c of ch1: all 2 are taken".
[[nodiscard]] std::string describe(const Rack& rack, const Shortage& shortage);
[[nodiscard]] std::string mend(const Rack& rack, const Shortage& shortage);

struct Placement {
  std::vector<PlacedNetwork> guests;   // in the order of the file
  std::vector<PlacedFunction> shared;  // by host, then NIC
  struct NicLeft {
    std::size_t functions = 0, filters = 0;
    // Not promised to anybody: bits a second, bytes.
    std::uint64_t receive = 0, transmit = 0, memory = 0;
    bool operator==(const NicLeft&) const = default;
  };
  std::vector<NicLeft> nics;            // as Rack::nics
  std::vector<std::size_t> host_slots;  // left, as Rack::hosts
  std::vector<Shortage> shortages;      // not empty: the rack cannot be, and the rest says how far it got
  bool operator==(const Placement&) const = default;
};

// Takes from the rack what its file says, and nothing that apply() has added.
[[nodiscard]] Placement place(const Rack& rack);
// Gives the guests what was decided, and the hosts their shared functions. `placement` is place(rack).
void apply(Rack& rack, const Placement& placement);

// How many functions the guests of a host may have: what its NTB and its part's slots carry.
[[nodiscard]] std::size_t slots_of(const HostSpec& host);
// What a NIC has to promise.
[[nodiscard]] mh::NicResources resources_of(const NicSpec& nic);
// An address of a VF to which the file gives none: unique, and the same in every run.
[[nodiscard]] MacAddress made_mac(std::size_t nic, std::uint16_t vf);

}  // namespace ladon::machine
