// PCI enumeration as an operating system does it: buses numbered depth first, BARs sized and placed, bridge
// windows opened, virtual functions enabled. PCI Local Bus 3.0 chapter 6 (BAR sizing 6.2.5.1), PCI-to-PCI
// Bridge 1.2, SR-IOV 1.1 chapter 3, PCIe Base Specification 6.0 chapter 7.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/blocking_host.h"

namespace ladon::host {

struct Bar {
  std::uint64_t size = 0;  // bytes; 0: absent
  bool wide = false;       // 64-bit
  bool prefetchable = false;
  BusAddr base;  // 0 until placed
  bool operator==(const Bar&) const = default;
};

struct SriovFunction {
  std::uint16_t capability = 0;  // offset in configuration space
  std::uint16_t vfs = 0, first_offset = 0, stride = 0, vf_device = 0;
  std::array<Bar, 6> bars{};  // of one VF; base: VF 0's; VF i's is base + i * size
  bool operator==(const SriovFunction&) const = default;
};

struct PciFunction {
  pcie::Sbdf bdf;
  std::uint16_t vendor = 0, device = 0;
  std::optional<std::size_t> parent;  // index of the bridge above; nullopt on the root bus
  bool bridge = false;
  std::uint8_t secondary = 0, subordinate = 0;  // bridges
  std::array<Bar, 6> bars{};
  std::optional<SriovFunction> sriov;
  bool operator==(const PciFunction&) const = default;

  [[nodiscard]] pcie::Sbdf vf_bdf(std::uint16_t vf) const {
    return bdf.later(sriov->first_offset + unsigned{vf} * sriov->stride);
  }
};

enum class EnumerationProblem : std::uint8_t {
  host_error,  // the bridge failed a request
  no_buses,    // more than 256 buses in a segment
  no_space32,  // a BAR does not fit the host's 32-bit range
  no_space64,
  windows_overlap,  // two bridges would claim the same addresses
  too_deep,
  count_
};
struct EnumerationError {
  EnumerationProblem problem{};
  pcie::Sbdf at;
  std::string message;  // for a person
};

// An address that a BAR must get.
struct WantedBase {
  std::size_t function = 0;  // index in what enumerate() returns
  unsigned bar = 0;
  BusAddr base;
};

struct EnumerationPolicy {
  bool enable_acs = true;    // all controls that a port has but egress control
  bool enable_sriov = true;  // all VFs that a function has
  // The 64-bit BARs that must lie somewhere; all others lie wherever there is room. Asked once, when all BARs
  // are sized and the 32-bit ones placed and enabled (an NTB says only in a register which host is behind
  // it).
  std::function<std::expected<std::vector<WantedBase>, Error>(BlockingHost&, const std::vector<PciFunction>&)>
      wanted_bases;
};

// Numbers and programs everything below the root bus (bus 0) of each of the host's segments. Bus numbers are
// the segment's; addresses are the host's, and what is in a segment lies above all that is in those before
// it, so that root ports' windows do not overlap. The host has no traffic yet.
[[nodiscard]] std::expected<std::vector<PciFunction>, EnumerationError> enumerate(
    BlockingHost& host, const Description& description, const EnumerationPolicy& policy);

// Whether the hardware still is as `functions` says: IDs, bus numbers and BARs are compared, nothing is
// written. For software that comes back to a fabric in use.
[[nodiscard]] std::expected<bool, Error> still_as(BlockingHost& host,
                                                  const std::vector<PciFunction>& functions);

// ---- single steps, for whoever drives a function
// Offset of a capability; nullopt if absent.
[[nodiscard]] std::expected<std::optional<std::uint16_t>, Error> find_capability(BlockingHost& host,
                                                                                 pcie::Sbdf bdf,
                                                                                 std::uint8_t id);
[[nodiscard]] std::expected<std::optional<std::uint16_t>, Error> find_extended(BlockingHost& host,
                                                                               pcie::Sbdf bdf,
                                                                               std::uint16_t id);
// Routes MSI-X entry `entry` of a function to `vector` of this host, and turns MSI-X and bus mastering on.
// `bars` are the function's. May be done again, by a successor too. False if the function has no MSI-X.
[[nodiscard]] std::expected<bool, Error> route_msix(BlockingHost& host, pcie::Sbdf bdf,
                                                    const std::array<Bar, 6>& bars, std::uint16_t entry,
                                                    std::uint32_t vector);
// PCIe function-level reset; false if the function has none. Returns once it is asked for (the specification
// gives a function 100 ms; the caller waits).
[[nodiscard]] std::expected<bool, Error> function_level_reset(BlockingHost& host, pcie::Sbdf bdf);

}  // namespace ladon::host
