// C1 to C3, P3: a compute host's configuration requests to what is the management host's.
#include <fmt/format.h>

#include <array>
#include <optional>

#include "attack/attack.h"
#include "host/enumeration.h"
#include "spec/pci.h"

namespace ladon::attack {
namespace {

namespace pci = spec::pci;

constexpr std::uint16_t at(unsigned base, unsigned offset) {
  return static_cast<std::uint16_t>(base + offset);
}

// A register of somebody's configuration space, and what the attacker writes there.
struct Tampering {
  pcie::Sbdf function;
  std::uint16_t offset = 0;
  std::uint8_t width = 2;
  std::uint32_t value = 0;
};

// Judged by what the management host reads there afterwards.
bool takes(Scene& scene, const Tampering& write) {
  auto& management = scene.host(pcie::kManagementDomain);
  auto& own = scene.host(scene.self().host);
  const auto before = management.config_read(write.function, write.offset, write.width);
  (void)own.config_write(write.function, write.offset, write.width, write.value);
  scene.bed.turn();
  return management.config_read(write.function, write.offset, write.width) != before;
}

Verdict verdict(const Scene& scene, bool taken, std::string_view what) {
  Verdict made =
      judge(taken, fmt::format("a compute host has changed {}", what), fmt::format("{} is as it was", what));
  // Nothing counts a request that finds no function: it reads as all ones.
  const std::string& host = scene.bed.hosts()[static_cast<std::size_t>(scene.self().host)];
  made.by = host + "/root-port/bus numbers: no such function", made.attributed_to = host;
  return made;
}

Verdict functions_of_others(Scene& scene) {
  const auto victim = scene.parts.stranger ? scene.parts.stranger : scene.parts.sibling;
  if (!victim) return skipped("the rack has no other guest");
  return verdict(scene,
                 takes(scene, {.function = scene.guest(*victim).rid, .offset = pci::kCommand, .value = 0}),
                 "another VF's command register");
}

std::optional<std::uint16_t> sriov_of(Scene& scene, const pcie::Sbdf& pf) {
  const auto found = host::find_extended(scene.host(pcie::kManagementDomain), pf, pci::kExtSriov);
  return found ? *found : std::nullopt;
}

Verdict number_of_vfs(Scene& scene) {
  const pcie::Sbdf pf = scene.bed.nics()[scene.self().nic].pf;
  const auto sriov = sriov_of(scene, pf);
  if (!sriov) return skipped("the NIC has no SR-IOV");
  const bool control = takes(scene, {.function = pf, .offset = at(*sriov, pci::kSriovControl), .value = 0});
  const bool number =
      takes(scene, {.function = pf, .offset = at(*sriov, pci::kSriovNumVfs), .value = 0xFFFF});
  return verdict(scene, control || number, "how many VFs there are");
}

Verdict vf_bars(Scene& scene) {
  const pcie::Sbdf pf = scene.bed.nics()[scene.self().nic].pf;
  const auto sriov = sriov_of(scene, pf);
  if (!sriov) return skipped("the NIC has no SR-IOV");
  const auto dma = static_cast<std::uint32_t>(scene.ntb_of(scene.self().host)->dma.bits() >> 32);
  return verdict(
      scene,
      takes(scene, {.function = pf, .offset = at(*sriov, pci::kSriovVfBar0 + 4u), .width = 4, .value = dma}),
      "where the VFs' registers are");
}

// The switch port above the NTB of a host: bus numbers and access control.
std::optional<pcie::Sbdf> port_above(Scene& scene, const pcie::Sbdf& below) {
  auto& management = scene.host(pcie::kManagementDomain);
  for (unsigned bus = 1; bus < below.bus(); ++bus)
    for (unsigned device = 0; device < 32; ++device) {
      const pcie::Sbdf bdf(below.segment, pcie::Bdf(bus, device, 0));
      const auto buses = management.config_read32(bdf, pci::kPrimaryBus);
      if (buses && *buses != ~0u && (*buses >> 8 & 0xFF) == below.bus()) return bdf;
    }
  return std::nullopt;
}

Verdict switch_ports(Scene& scene) {
  const auto port = port_above(scene, scene.ntb_of(scene.self().host)->bdf);
  if (!port) return skipped("the switch port was not found");
  const auto acs = host::find_extended(scene.host(pcie::kManagementDomain), *port, pci::kExtAcs);
  bool taken = takes(scene, {.function = *port, .offset = pci::kPrimaryBus, .width = 4, .value = 0});
  if (acs && *acs)
    taken |= takes(scene, {.function = *port, .offset = at(**acs, pci::kAcsControl), .value = 0});
  return verdict(scene, taken, "the switch");
}

constexpr Control kCrossing{{}, Mutant::config_crosses};
constexpr std::array kAttacks = {
    Attack{"C1", "configuration space of another VF", Party::ch, kCrossing, functions_of_others},
    Attack{"C2", "VFs taken away, and more than there can be", Party::ch, kCrossing, number_of_vfs},
    Attack{"C3", "VFs' registers moved over a window", Party::ch, kCrossing, vf_bars},
    Attack{"P3", "bus numbers and access control of the switch", Party::ch, kCrossing, switch_ports},
};

}  // namespace

std::span<const Attack> config_attacks() {
  return kAttacks;
}

}  // namespace ladon::attack
