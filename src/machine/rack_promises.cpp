#include <fmt/format.h>

#include "base/units.h"
#include "machine/placement.h"
#include "machine/rack_sections.h"
#include "mh/promises.h"

namespace ladon::machine {
namespace {

// Of the field as it is written there: two have a synonym.
Field field_of(const Field& vf, mh::Resource resource) {
  const std::string_view name = mh::field_of(resource);
  for (const auto& entry : vf.node->entries)
    if (entry.key == name || (name == "tx_share" && entry.key == "min_tx_rate"))
      return {&entry.value, fmt::format("{}.{}", vf.path, entry.key)};
  return vf;
}

std::string has(const NicSpec& nic, mh::Resource resource) {
  const mh::NicResources all = resources_of(nic);
  if (resource == mh::Resource::memory) return format_size(all.memory) + " of packet memory";
  return format_rate(
      static_cast<double>(resource == mh::Resource::receive_rate ? all.receive : all.transmit));
}

}  // namespace

mh::NicResources resources_of(const NicSpec& nic) {
  return {.vfs = nic.vfs,
          .memory = nic.packet_memory,
          .receive = nic.rx_capacity != 0 ? nic.rx_capacity : mh::kLinkRate,
          .transmit = nic.tx_capacity != 0 ? nic.tx_capacity : mh::kLinkRate};
}

void check_levels(RackContext& context, const std::vector<NicSpec>& nics) {
  for (std::size_t nic = 0; nic < nics.size(); ++nic) {
    std::vector<mh::ServiceLevel> levels;
    std::vector<const Field*> fields;
    for (const auto& promised : context.promised) {
      if (promised.nic != nic) continue;
      levels.push_back(promised.level);
      fields.push_back(&promised.vf);
    }
    const auto resolved = mh::resolve(resources_of(nics[nic]), levels);
    if (resolved) continue;
    const mh::Shortage& shortage = resolved.error();
    const Field field = field_of(*fields[shortage.which], shortage.resource);
    context.errors.add(field.node->place, field.path,
                       fmt::format("{} cannot promise that beside the others: {}", quoted(nics[nic].name),
                                   to_string(shortage)),
                       fmt::format("promise less; the NIC has {}", has(nics[nic], shortage.resource)));
  }
}

}  // namespace ladon::machine
