#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/resolution_json.h"
#include "fabric/format.h"
#include "machine/runner.h"
#include "machine/synthetic_guest.h"
#include "spec/ixgbevf.h"

namespace ladon::app {
namespace {

using machine::Machine;
using nlohmann::json;

constexpr std::uint32_t kAccessLength = 4;

struct Shown {
  std::string title;
  pcie::Transaction transaction;
};

// The message that the VF's own table holds for a vector: what it really emits.
Iova message_address(Machine& machine, std::size_t guest, std::uint16_t vector) {
  const auto& vf = *machine.guests()[guest].placed.guest->vf;
  pcie::Function* function = machine.nic(vf.nic).function(
      static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * vf.index));
  if (function == nullptr) return Iova(0);
  const std::uint64_t entry = std::uint64_t{16} * vector;
  return Iova(function->register_read(spec::ixgbevf::kMsixBar, entry, 4) |
              function->register_read(spec::ixgbevf::kMsixBar, entry + 4, 4) << 32);
}

std::vector<Shown> accesses(Machine& machine, std::size_t guest, const machine::SyntheticGuest& attached,
                            const PathOptions& options) {
  const auto& placed = machine.guests()[guest].placed;
  const AccessChoice& choice = options.choice;
  const bool all = !choice.dma && !choice.mmio && !choice.msi;
  const pcie::Access access = choice.write ? pcie::Access::write : pcie::Access::read;
  std::vector<Shown> shown;
  if (all || choice.dma) {
    const Iova at(choice.dma.value_or(0x10'0000));
    shown.push_back(
        {fmt::format("DMA {} by the VF of {}", choice.write ? "write" : "read", placed.guest->name),
         dma_transaction(machine, guest, at, kAccessLength, access)});
  }
  if (all || choice.mmio) {
    const auto at = attached.registers.plus(choice.mmio.value_or(spec::ixgbevf::kStatus)).value_or(Gpa(0));
    shown.push_back({fmt::format("register {} by {}", choice.write ? "write" : "read", placed.guest->name),
                     {.segment = {},
                      .domain = placed.domain,
                      .origin = pcie::VmOrigin{pcie::Vm{placed.slot}},
                      .rid = {},
                      .address = at,
                      .length = kAccessLength,
                      .access = access}});
  }
  if (all || choice.msi)
    shown.push_back(
        {fmt::format("MSI-X vector {} of the VF of {}", choice.msi.value_or(0), placed.guest->name),
         dma_transaction(machine, guest, message_address(machine, guest, choice.msi.value_or(0)),
                         kAccessLength, pcie::Access::write)});
  return shown;
}

json to_json(const fabric::Tables& tables, const Shown& shown, const fabric::Resolution& way) {
  return {{"access", shown.title},
          {"refused", way.refused()},
          {"outcome", fabric::describe_outcome(tables, way)},
          {"hops", hops_json(tables, way)}};
}

struct Found {
  std::string text;
  json accesses = json::array();
  bool refused = false;
};

std::expected<Found, std::string> follow(Machine& machine, std::size_t guest, const PathOptions& options) {
  auto attached = machine::attach_synthetic_guest(machine, guest);
  if (!attached) return std::unexpected(attached.error());
  const auto tables = machine.fabric().tables();
  Found found;
  for (const auto& shown : accesses(machine, guest, *attached, options)) {
    const auto way = fabric::resolve(*tables, shown.transaction);
    found.text += fmt::format("{}\n{}\n", shown.title, fabric::format_table(*tables, shown.transaction, way));
    found.accesses.push_back(to_json(*tables, shown, way));
    found.refused |= way.refused();
  }
  return found;
}

}  // namespace

int path(const PathOptions& options, const Common& common) {
  auto rack = read_rack(options.rack, common);
  if (!rack) return kBadInput;
  // Tables are looked at, no frame moves: the wire stays out of it.
  for (auto& nic : rack->nics) nic.wire = {};
  auto placed = machine::placed_guests(*rack);
  std::erase_if(placed, [](const machine::PlacedGuest& p) { return p.software; });
  const auto found_guest = std::ranges::find_if(placed, [&](const machine::PlacedGuest& p) {
    return options.guest.empty() || p.guest->name == options.guest;
  });
  if (found_guest == placed.end()) {
    fmt::print(stderr, "{}: no guest with a VF has the name \"{}\"\n", options.rack, options.guest);
    return kBadInput;
  }
  if (options.choice.msi && *options.choice.msi >= spec::ixgbevf::kVectors) {
    fmt::print(stderr, "--msi {}: a VF has the vectors 0 to {}\n", *options.choice.msi,
               spec::ixgbevf::kVectors - 1);
    return kBadInput;
  }
  auto runner = machine::Runner::start(*rack, {}, common.log);
  if (!runner) {
    common.log.error("{}", runner.error());
    return kFinding;
  }
  if (auto ready = (*runner)->wait_assigned(); !ready) {
    common.log.error("{}", ready.error());
    return kFinding;
  }
  const auto index = static_cast<std::size_t>(found_guest - placed.begin());
  const auto found = (*runner)->on_engine([&](Machine& machine) { return follow(machine, index, options); });
  if (!found) {
    common.log.error("{}", found.error());
    return kFinding;
  }
  fmt::print("{}", common.json ? json{{"accesses", found->accesses}}.dump(2) + "\n" : found->text);
  return found->refused ? kFinding : kOk;
}

}  // namespace ladon::app
