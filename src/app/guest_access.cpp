#include "app/guest_access.h"

#include <fmt/format.h>

#include <cstdio>

#include "audit/initiator.h"
#include "machine/synthetic_guest.h"
#include "nic/options.h"
#include "spec/ixgbevf.h"
#include "spec/pci.h"

namespace ladon::app {

namespace {

constexpr std::uint32_t kAccessLength = 4;

fabric::FunctionId function_of(const machine::PlacedGuest& guest) {
  const auto& vf = *guest.guest->vf;
  return {.is_ntb = false,
          .index = static_cast<std::uint16_t>(vf.nic),
          .function = static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * vf.index)};
}

// What the VF's own MSI-X table says that it sends for a vector (PCIe 6.0, 7.7.2).
pcie::Transaction message(machine::QuietRack& rack, const fabric::FunctionId& vf, std::uint16_t vector) {
  pcie::Function* function = rack.fabric().function(vf);
  std::uint64_t address = 0;
  std::uint32_t data = 0;
  if (function != nullptr) {
    const std::uint64_t entry = std::uint64_t{16} * vector;
    const auto word = [&](std::uint64_t at) {
      return function->register_read(spec::ixgbevf::kMsixBar, entry + at, 4);
    };
    address = word(0) | word(4) << 32;
    data = static_cast<std::uint32_t>(word(8));
  }
  auto made = rack.tables()->emitted_by(vf, Iova(address), kAccessLength, pcie::Access::write);
  made.data = data;
  return made;
}

}  // namespace

std::optional<machine::PlacedGuest> chosen_guest(const machine::Rack& rack, const std::string& file,
                                                 const std::string& name, const AccessChoice& choice) {
  if (choice.msi && *choice.msi >= spec::ixgbevf::kVectors) {
    fmt::print(stderr, "--msi {}: a VF has the vectors 0 to {}\n", *choice.msi, spec::ixgbevf::kVectors - 1);
    return std::nullopt;
  }
  for (const machine::PlacedGuest& placed : machine::placed_guests(rack))
    if (!placed.software && (name.empty() || placed.guest->name == name)) return placed;
  fmt::print(stderr, "{}: no guest with a VF has the name \"{}\"\n", file, name);
  return std::nullopt;
}

std::vector<GuestAccess> guest_accesses(machine::QuietRack& rack, const machine::PlacedGuest& guest,
                                        const AccessChoice& choice) {
  const bool all = !choice.dma && !choice.mmio && !choice.msi;
  const pcie::Access access = choice.write ? pcie::Access::write : pcie::Access::read;
  const std::string_view verb = choice.write ? "write" : "read";
  const std::string& name = guest.guest->name;
  const auto tables = rack.tables();
  std::vector<GuestAccess> made;
  if (all || choice.dma)
    made.push_back({fmt::format("DMA {} by the VF of {}", verb, name),
                    tables->emitted_by(function_of(guest), Iova(choice.dma.value_or(0x10'0000)),
                                       kAccessLength, access)});
  if (all || choice.mmio) {
    // A bare host's operating system has its VF at its host's address.
    const std::uint64_t offset = choice.mmio.value_or(spec::ixgbevf::kStatus);
    const bool vm = guest.host->kind != machine::HostKind::bare;
    const auto bare = machine::register_address(*rack.part(guest.domain), guest.slot);
    const std::uint64_t base = vm ? machine::kGuestBar0.bits() : bare ? bare->bits() : 0;
    const audit::Initiator who =
        vm ? audit::Initiator(audit::VirtualMachine{guest.domain, pcie::Vm{guest.slot}})
           : audit::Initiator(audit::Processor{guest.domain});
    auto transaction = audit::emitted_by(*tables, who, base + offset, access);
    transaction.length = kAccessLength;
    made.push_back({fmt::format("register {} by {}", verb, name), transaction});
  }
  if (all || choice.msi)
    made.push_back({fmt::format("MSI-X vector {} of the VF of {}", choice.msi.value_or(0), name),
                    message(rack, function_of(guest), choice.msi.value_or(0))});
  return made;
}

}  // namespace ladon::app
