// How enumerate() works inside; only the room's own files include this.
#pragma once

#include "host/enumeration.h"

namespace ladon::host::detail {

// Does the steps one after another. The first failure is remembered, and everything after it does nothing.
class Enumerator {
 public:
  Enumerator(BlockingHost& host, const Description& description, const EnumerationPolicy& policy)
      : host_(host), description_(description), policy_(policy) {}

  [[nodiscard]] std::expected<std::vector<PciFunction>, EnumerationError> run();

 private:
  // ---- numbering
  void scan_segment(pcie::HostSegment segment);
  void scan_bus(std::uint8_t bus, std::optional<std::size_t> parent, unsigned depth);
  void scan_device(std::uint8_t bus, unsigned device, std::optional<std::size_t> parent);
  [[nodiscard]] bool add_function(pcie::Sbdf bdf, std::optional<std::size_t> parent);
  void number_bridge(std::size_t index, unsigned depth);
  void find_sriov(PciFunction& function);
  void enable_ari(PciFunction& bridge);
  void enable_acs(const PciFunction& function);
  // ---- sizes and places
  void size_bars();
  [[nodiscard]] std::array<Bar, 6> size_at(pcie::Sbdf bdf, std::uint16_t first, unsigned count);
  void write_bars(const PciFunction& function, bool wide);
  struct Space;  // one of the two address ranges that BARs are placed in
  void place(Space& space, std::optional<std::size_t> parent);
  void place_own(Space& space, std::size_t index);
  void ask_for_wanted_bases();
  void program_windows(Space& space, bool prefetchable);
  void set_command(std::uint16_t bits);
  void enable_vfs();

  [[nodiscard]] std::uint32_t read(pcie::Sbdf bdf, std::uint16_t offset, std::uint8_t width);
  void write(pcie::Sbdf bdf, std::uint16_t offset, std::uint8_t width, std::uint32_t value);
  [[nodiscard]] std::optional<std::uint16_t> extended(pcie::Sbdf bdf, std::uint16_t id);
  [[nodiscard]] std::optional<std::uint16_t> capability(pcie::Sbdf bdf, std::uint8_t id);
  void fail(EnumerationProblem problem, pcie::Sbdf at, std::string message);
  [[nodiscard]] bool failed() const { return error_.has_value(); }

  static constexpr unsigned kMaxDepth = 16;

  BlockingHost& host_;
  const Description& description_;
  const EnumerationPolicy& policy_;
  std::vector<PciFunction> functions_;
  std::vector<bool> ari_;  // this bridge forwards to more than eight functions below
  std::vector<WantedBase> fixed_;
  pcie::HostSegment segment_{};  // that is being numbered
  unsigned next_bus_ = 1;        // in it
  std::optional<EnumerationError> error_;
};

}  // namespace ladon::host::detail
