#include "trial/places.h"

#include <algorithm>

#include "machine/synthetic_guest.h"
#include "nic/options.h"
#include "spec/ixgbevf.h"

namespace ladon::trial {

namespace regs = spec::ixgbevf;
using machine::GuestPlace;
using machine::Machine;

namespace {

constexpr std::uint32_t kTargetOwner = ~0u;  // no guest's
constexpr std::uint32_t kEntry = 16;         // bytes of an MSI-X table entry

}  // namespace

fabric::FunctionId vf_function(const GuestPlace& guest) {
  const auto& vf = *guest.placed.guest->vf;
  return {.index = static_cast<std::uint16_t>(vf.nic),
          .function = static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * vf.index)};
}

fabric::FunctionId ntb_function(pcie::Domain host) {
  return {.is_ntb = true, .index = static_cast<std::uint16_t>(static_cast<std::uint16_t>(host) - 1)};
}

std::optional<BusAddr> bar_address(Machine& machine, const fabric::FunctionId& id, std::uint8_t bar) {
  pcie::Function* const function = machine.fabric().function(id);
  if (function == nullptr) return std::nullopt;
  for (const auto& decoded : function->decoded())
    if (decoded.bar == bar) return decoded.range.first();
  return std::nullopt;
}

std::uint32_t vf_register(Machine& machine, const GuestPlace& guest, std::uint8_t bar, std::uint32_t offset) {
  pcie::Function* const function = machine.fabric().function(vf_function(guest));
  return function == nullptr ? ~0u : static_cast<std::uint32_t>(function->register_read(bar, offset, 4));
}

MessageEntry message_entry(Machine& machine, const GuestPlace& guest, std::uint16_t vector) {
  const auto word = [&](std::uint32_t i) {
    return vf_register(machine, guest, regs::kMsixBar, kEntry * vector + 4 * i);
  };
  return {.address = std::uint64_t{word(1)} << 32 | word(0), .data = word(2)};
}

std::vector<std::uint32_t> configuration(Machine& machine, std::size_t nic) {
  std::vector<std::uint32_t> all;
  nic::Nic& device = machine.nic(nic);
  for (const std::uint16_t index : device.functions())
    for (std::uint16_t at = 0; at < 4096; at += 4) all.push_back(device.function(index)->config_read(at, 4));
  return all;
}

Requesters requesters(const Machine& machine, const GuestPlace& guest) {
  const auto id = vf_function(guest);
  const auto rid = machine.fabric().rid(id.index, id.function);
  return {.management = rid ? machine.fabric().tables()->host_address(*rid) : pcie::Sbdf{},
          .own = guest.slot->vf_slot().requester().value_or(pcie::Sbdf{})};
}

std::string tenant(const Machine& machine, pcie::Domain domain, pcie::Sbdf rid) {
  for (const GuestPlace& guest : machine.guests()) {
    const Requesters ids = requesters(machine, guest);
    if (domain == pcie::kManagementDomain ? ids.management == rid
                                          : guest.placed.domain == domain && ids.own == rid)
      return guest.placed.guest->name;
  }
  return pcie::to_string(rid);
}

std::optional<BusAddr> place_of(const GuestPlace& guest, Gpa at) {
  for (const auto& given : guest.slot->vf_slot().memory().granted())
    if (const auto offset = at.minus(given.gpa); offset && *offset < given.length)
      return given.at.plus(*offset);
  return std::nullopt;
}

// ---- targets

std::expected<Target, std::string> place_target(Machine& machine, pcie::Domain domain) {
  auto fd = machine::sealed_memory(Target::kBytes);
  if (!fd) return std::unexpected(fd.error());
  std::expected<BusAddr, std::string> at = std::unexpected("a target's memory cannot be placed");
  machine.host(domain).add_program().submit(
      host::PinMemory{.fd = fd->get(), .length = Target::kBytes, .owner = kTargetOwner},
      [&](const host::Result& result) {
        if (result) at = std::get<host::Pinned>(*result).at;
      });
  if (!at) return std::unexpected(at.error());
  return Target{.domain = domain, .at = *at};
}

std::array<std::byte, 16> secret_of(std::uint64_t number) {
  std::array<std::byte, 16> secret;
  store_le(secret.data(), std::uint64_t{0xC0FFEE5EC2E7CA5E} ^ number << 8);
  store_le(secret.data() + 8, number * 0x9E37'79B9'7F4A'7C15 | 1);
  return secret;
}

void fill(Machine& machine, Target& target, std::uint64_t number) {
  target.secret = secret_of(number);
  std::array<std::byte, Target::kBytes> page;
  for (std::size_t i = 0; i < page.size(); ++i) page[i] = target.secret[i % target.secret.size()];
  (void)machine.live().memory(target.domain).write(target.at, page);
}

bool untouched(Machine& machine, const Target& target) {
  std::array<std::byte, Target::kBytes> page{};
  if (!machine.live().memory(target.domain).read(target.at, page)) return false;
  for (std::size_t i = 0; i < page.size(); ++i)
    if (page[i] != target.secret[i % target.secret.size()]) return false;
  return true;
}

bool is_in(const Target& target, ConstBytes bytes) {
  const auto half = target.secret.begin() + 8;
  return std::search(bytes.begin(), bytes.end(), target.secret.begin(), half) != bytes.end() &&
         std::search(bytes.begin(), bytes.end(), half, target.secret.end()) != bytes.end();
}

}  // namespace ladon::trial
