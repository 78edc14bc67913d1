#include "audit/initiator.h"

#include <fmt/format.h>

namespace ladon::audit {

namespace {

std::string host_name(const fabric::Tables& tables, pcie::Domain domain) {
  const auto index = static_cast<std::size_t>(domain);
  return index < tables.names->hosts.size() ? tables.names->hosts[index] : fmt::format("host{}", index);
}

pcie::Transaction by_processor(const fabric::Tables& tables, pcie::Domain domain, const pcie::Origin& origin,
                               const pcie::TargetAddress& address, pcie::Access access) {
  const pcie::Segment segment = tables.segment(domain);
  return {.segment = segment,
          .domain = domain,
          .origin = origin,
          .rid = {segment, pcie::Bdf(0, 0, 0)},
          .address = address,
          .length = 1,
          .access = access};
}

}  // namespace

std::vector<Initiator> initiators(const fabric::Tables& tables) {
  std::vector<Initiator> all;
  for (std::size_t d = 0; d < tables.hosts.size(); ++d) {
    const pcie::Domain domain{static_cast<std::uint16_t>(d)};
    all.emplace_back(Processor{domain});
    for (const auto& vm : tables.hosts[d]->vms) all.emplace_back(VirtualMachine{domain, vm.vm});
  }
  for (std::uint16_t e = 0; e < tables.endpoints.size(); ++e)
    for (const std::uint16_t function : tables.endpoints[e]->functions)
      all.emplace_back(fabric::FunctionId{.is_ntb = false, .index = e, .function = function});
  for (std::uint16_t n = 0; n < tables.ntbs.size(); ++n)
    for (std::uint16_t side = 0; side < 2; ++side)
      all.emplace_back(fabric::FunctionId{.is_ntb = true, .index = n, .function = side});
  return all;
}

std::string name(const fabric::Tables& tables, const Initiator& who) {
  if (const auto* cpu = std::get_if<Processor>(&who))
    return fmt::format("cpu of {}", host_name(tables, cpu->domain));
  if (const auto* vm = std::get_if<VirtualMachine>(&who))
    return fmt::format("vm {} of {}", static_cast<unsigned>(vm->vm), host_name(tables, vm->domain));
  const auto& function = std::get<fabric::FunctionId>(who);
  if (function.is_ntb)
    return fmt::format("ntb{} {} side", function.index + 1, function.function == 0 ? "management" : "link");
  return fmt::format("function {} of {}", function.function,
                     tables.name({fabric::ComponentKind::endpoint, pcie::kManagementDomain, function.index}));
}

pcie::Transaction emitted_by(const fabric::Tables& tables, const Initiator& who, std::uint64_t address,
                             pcie::Access access) {
  if (const auto* cpu = std::get_if<Processor>(&who))
    return by_processor(tables, cpu->domain, pcie::CpuOrigin{}, BusAddr(address), access);
  if (const auto* vm = std::get_if<VirtualMachine>(&who))
    return by_processor(tables, vm->domain, pcie::VmOrigin{vm->vm}, Gpa(address), access);
  return tables.emitted_by(std::get<fabric::FunctionId>(who), Iova(address), 1, access);
}

}  // namespace ladon::audit
