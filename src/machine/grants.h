// What the software of a rack has granted, as the audit takes it: from the management host's inventory and
// plan, and from what the hosts' parts were asked for and told. The hardware's tables are not looked at.
#pragma once

#include <string>
#include <vector>

#include "audit/grant.h"
#include "ch/host_part.h"
#include "machine/rack_file.h"
#include "mh/inventory.h"
#include "mh/plan.h"

namespace ladon::machine {

class QuietRack;

struct GrantSources {
  const Rack& rack;
  const mh::Inventory& inventory;
  const mh::Plan& plan;
  std::vector<const ch::HostPart*> parts;  // by domain; null where no guest is
};
[[nodiscard]] std::vector<audit::Grant> grants(const GrantSources& sources);
[[nodiscard]] std::vector<audit::Grant> grants(const QuietRack& rack);

// As people know it: "vm-a", "VF 1 of nic0 (vm-a)", "cpu of ch1", "PF of nic0", "ntb1 link side".
[[nodiscard]] std::string initiator_name(const Rack& rack, const audit::Initiator& who);

}  // namespace ladon::machine
