// A rack's configuration space, of three hosts: bridges, NTBs, a real NIC with virtual functions; and beside
// it what a guest is shown of one. Written to by all of them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ch/guest_config.h"
#include "config/space.h"
#include "fabric/fabric.h"
#include "input.h"
#include "nic/rig.h"

namespace ladon::fuzz::config {

class Hierarchy {
 public:
  Hierarchy();

  // One configuration request, as the input says; only what it was meant for may have changed.
  void step(Input& input);
  // Everybody once more; all 4096 bytes if any request went further than what is in use.
  void check() const;

 private:
  static constexpr std::uint16_t kVfs = 3;
  static constexpr unsigned kComputeHosts = 2;
  struct Place {
    pcie::Domain domain{};
    fabric::FunctionId function;  // with `bridge` set: not this, but
    std::optional<pcie::Bdf> bridge;
    std::unique_ptr<Space> space;
    std::vector<std::uint32_t> words;  // as of the last step in which it was there
    bool there = true;
  };

  void enumerate();
  void add_function(pcie::Domain domain, const fabric::FunctionId& id);
  void add_bridge(pcie::Domain domain, pcie::Bdf bdf);
  [[nodiscard]] pcie::Bdf target(Input& input) const;
  [[nodiscard]] std::uint16_t offset(Input& input);
  void write_guest(std::uint16_t at, unsigned width, std::uint32_t value);
  [[nodiscard]] bool is_there(const Place& place) const;

  nic::testing::Rig nic_;
  std::unique_ptr<fabric::Fabric> fabric_;
  ch::GuestConfig guest_{spec::pci::kX550VfDevice, 1};
  std::unique_ptr<Space> guest_space_;
  std::vector<Place> places_;
  std::uint16_t furthest_ = 0;  // offset that was written to
};

}  // namespace ladon::fuzz::config
