#include "machine/mutant_bridge.h"

#include "spec/ntb.h"
#include "spec/pci.h"
#include "spec/pf.h"

namespace ladon::machine {
namespace {

using attack::Mutant;
namespace ntb = spec::ntb;
namespace pci = spec::pci;
namespace pf = spec::pf;

constexpr std::uint64_t kPage = 4096;

// A register of the block that a NIC's PF has for each VF; nullopt if the address is none.
std::optional<std::uint32_t> vf_register(const std::vector<attack::Nic>& nics, BusAddr at) {
  for (const auto& nic : nics) {
    const auto offset = at.minus(nic.registers);
    if (!offset || *offset < pf::kVf || *offset >= pf::kVf + std::uint64_t{nic.vfs} * pf::kVfStride) continue;
    return static_cast<std::uint32_t>((*offset - pf::kVf) % pf::kVfStride);
  }
  return std::nullopt;
}

std::optional<std::uint32_t> ntb_register(const std::vector<attack::Ntb>& ntbs, BusAddr at) {
  for (const auto& found : ntbs)
    if (const auto offset = at.minus(found.control); offset && *offset < ntb::kControlBarSize)
      return static_cast<std::uint32_t>(*offset);
  return std::nullopt;
}

bool is_vf(const std::vector<attack::Nic>& nics, const pcie::Sbdf& bdf) {
  for (const auto& nic : nics)
    for (std::uint16_t vf = 0; vf < nic.vfs; ++vf)
      if (nic.vf_bdf(vf) == bdf) return true;
  return false;
}

std::uint16_t express_capability(fabric::Fabric& fabric, const pcie::Sbdf& bdf) {
  const auto read = [&](std::uint16_t offset) {
    return static_cast<std::uint16_t>(fabric.config_read(pcie::kManagementDomain, bdf, offset, 1));
  };
  std::uint16_t at = read(pci::kCapabilityPointer);
  for (int i = 0; i < 48 && at >= 0x40 && read(at) != pci::kCapExpress; ++i)
    at = read(static_cast<std::uint16_t>(at + 1));
  return at;
}

}  // namespace

bool MutantBridge::swallows(const host::Store& store) const {
  if (mutant_ == Mutant::no_scrub) {
    const auto offset = vf_register(facts_.nics, store.at);
    return (offset == pf::kVfControl && (store.value & pf::kVfScrub) != 0) || offset == pf::kVfCounterClear;
  }
  const auto offset = ntb_register(facts_.ntbs, store.at);
  if (!offset) return false;
  if (mutant_ == Mutant::link_stays_up) return *offset == ntb::kLink && store.value == 0;
  const bool window = *offset >= ntb::kOutbound && *offset < ntb::kLutOutbound;
  return mutant_ == Mutant::stale_windows && window && *offset % ntb::kWindowStride == 0 && store.value == 0;
}

bool MutantBridge::swallows(const host::ConfigWrite& write) const {
  return mutant_ == Mutant::no_scrub && (write.value & pci::kDeviceControlFlr) != 0 &&
         is_vf(facts_.nics, write.bdf) &&
         write.offset == express_capability(*facts_.fabric, write.bdf) + pci::kExpressDeviceControl;
}

std::uint64_t MutantBridge::lies(const host::Load& load) const {
  if (mutant_ != Mutant::no_scrub && mutant_ != Mutant::no_quiesce) return 0;
  if (vf_register(facts_.nics, load.at) != pf::kVfStatus) return 0;
  return mutant_ == Mutant::no_scrub ? pf::kVfQuiesced | pf::kVfScrubbed : pf::kVfQuiesced;
}

std::optional<host::Result> MutantBridge::answer(host::Request& request) {
  const bool compute = host_ != pcie::kManagementDomain;
  if (const auto* store = std::get_if<host::Store>(&request);
      store != nullptr && !compute && swallows(*store))
    return host::Done{};
  if (const auto* write = std::get_if<host::ConfigWrite>(&request)) {
    if (!compute && swallows(*write)) return host::Done{};
    if (compute && mutant_ == Mutant::config_crosses && write->bdf.bus() > 1) {
      facts_.fabric->config_write(pcie::kManagementDomain, write->bdf, write->offset, write->width,
                                  write->value);
      return host::Done{};
    }
  }
  if (const auto* read = std::get_if<host::ConfigRead>(&request);
      read != nullptr && compute && mutant_ == Mutant::config_crosses && read->bdf.bus() > 1)
    return host::Value{
        facts_.fabric->config_read(pcie::kManagementDomain, read->bdf, read->offset, read->width)};
  if (compute && mutant_ == Mutant::no_unmap && std::holds_alternative<host::IommuUnmap>(request))
    return host::Done{};
  if (auto* map = std::get_if<host::IommuMap>(&request); map != nullptr && mutant_ == Mutant::whole_pages) {
    const std::uint64_t inside = map->iova.bits() % kPage;
    map->iova = map->iova.align_down(kPage);
    map->to = map->to.align_down(kPage);
    map->length = (map->length + inside + kPage - 1) / kPage * kPage;
  }
  return std::nullopt;
}

void MutantBridge::submit(host::Request request, Reply reply) {
  if (mutant_ == Mutant::none) return inner_.submit(std::move(request), std::move(reply));
  if (auto own = answer(request)) return reply(std::move(*own));
  const auto* load = std::get_if<host::Load>(&request);
  const std::uint64_t bits = load != nullptr && host_ == pcie::kManagementDomain ? lies(*load) : 0;
  if (bits == 0) return inner_.submit(std::move(request), std::move(reply));
  inner_.submit(std::move(request), [bits, reply = std::move(reply)](host::Result result) mutable {
    if (auto* value = result ? std::get_if<host::Value>(&*result) : nullptr) value->value |= bits;
    reply(std::move(result));
  });
}

}  // namespace ladon::machine
