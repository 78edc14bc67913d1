#include "explain/subject.h"

#include <algorithm>

namespace ladon::explain {

namespace {

using audit::Initiator;

std::optional<Initiator> function_of(const fabric::Tables& tables, std::uint16_t endpoint, pcie::Bdf rid) {
  if (endpoint >= tables.endpoints.size()) return std::nullopt;
  for (const std::uint16_t function : tables.endpoints[endpoint]->functions)
    if (const auto own = tables.rid(endpoint, function); own && own->bdf == rid)
      return fabric::FunctionId{.is_ntb = false, .index = endpoint, .function = function};
  return std::nullopt;
}

std::optional<Initiator> requester(const fabric::Tables& tables, pcie::Domain domain, const pcie::Rid& rid);

// Whom this NTB gives the proxy.
std::optional<Initiator> behind_proxy(const fabric::Tables& tables, std::uint16_t ntb, bool outbound,
                                      std::uint8_t proxy) {
  const fabric::NtbTable& table = *tables.ntbs[ntb];
  const auto& lut = outbound ? table.management.lut : table.link.lut;
  const auto entry = std::ranges::find(lut, proxy, &fabric::LutEntry::proxy);
  if (entry == lut.end()) return std::nullopt;
  const pcie::Domain near =
      outbound ? pcie::kManagementDomain : pcie::Domain{static_cast<std::uint16_t>(ntb + 1)};
  const pcie::Segment segment = tables.segment(near, outbound ? table.segment : pcie::HostSegment{});
  // A completer's entry leads back to where the look-up began: one step is all that a rack's plan has.
  if (entry->rid.bus() == 0) return audit::Processor{near};
  if (!outbound) return std::nullopt;
  return requester(tables, near, {segment, entry->rid});
}

std::optional<Initiator> requester(const fabric::Tables& tables, pcie::Domain domain, const pcie::Rid& rid) {
  if (rid.bdf == pcie::Bdf(0, 0, 0)) return audit::Processor{domain};
  const bool management = domain == pcie::kManagementDomain;
  for (std::uint16_t n = 0; n < tables.ntbs.size(); ++n) {
    if (!management && n + 1 != static_cast<std::uint16_t>(domain)) continue;
    const fabric::FunctionId side{
        .is_ntb = true, .index = n, .function = static_cast<std::uint16_t>(!management)};
    const auto own = tables.rid(side);
    if (!own || own->segment != rid.segment || own->bdf.bus() != rid.bdf.bus()) continue;
    if (own->bdf == rid.bdf) return side;
    return behind_proxy(tables, n, !management, rid.bdf.devfn());
  }
  if (!management) return std::nullopt;
  for (std::uint16_t e = 0; e < tables.endpoints.size(); ++e)
    if (tables.segment(domain, tables.endpoints[e]->segment) == rid.segment)
      if (const auto found = function_of(tables, e, rid.bdf)) return found;
  return std::nullopt;
}

}  // namespace

std::optional<Initiator> initiator_of(const fabric::Tables& tables, const pcie::Transaction& transaction) {
  if (const auto* vm = std::get_if<pcie::VmOrigin>(&transaction.origin))
    return audit::VirtualMachine{transaction.domain, vm->vm};
  if (const auto* device = std::get_if<pcie::EndpointOrigin>(&transaction.origin))
    return function_of(tables, device->endpoint, transaction.rid.bdf);
  if (const auto* side = std::get_if<pcie::NtbOrigin>(&transaction.origin))
    return fabric::FunctionId{
        .is_ntb = true, .index = side->ntb, .function = static_cast<std::uint16_t>(side->link)};
  return audit::Processor{transaction.domain};
}

std::optional<Initiator> initiator_of(const fabric::Tables& tables, const fabric::Fault& fault) {
  // Of a completion's fault the ID may be the completer's.
  if (fault.on_completion && fault.rid.bdf == pcie::Bdf(0, 0, 0)) return std::nullopt;
  return requester(tables, fault.component.domain, fault.rid);
}

}  // namespace ladon::explain
