// What the software of a rack has granted, as the audit takes it: from the management host's inventory and
// plan, and from what the hosts' parts were asked for and told. The hardware's tables are not looked at.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/grant.h"
#include "ch/holdings.h"
#include "machine/rack_file.h"
#include "mh/inventory.h"
#include "mh/plan.h"

namespace ladon::machine {

class QuietRack;

struct GrantSources {
  const Rack& rack;
  const mh::Inventory& inventory;
  const mh::Plan& plan;
  std::vector<std::optional<ch::PartHoldings>> parts;  // by domain; nullopt where no guest is
  std::set<mh::VfId> quarantined = {};                 // disabled, whatever the plan says
  // VMs are initiators of their own: this rack's software keeps their second-level tables. A real guest's are
  // its hypervisor's, and what it may do is then its host's processor's.
  bool vms = true;
};
[[nodiscard]] std::vector<audit::Grant> grants(const GrantSources& sources);
[[nodiscard]] std::vector<audit::Grant> grants(const QuietRack& rack);

// As people know it: "vm-a", "VF 1 of nic0 (vm-a)", "cpu of ch1", "PF of nic0", "ntb1 link side".
[[nodiscard]] std::string initiator_name(const Rack& rack, const audit::Initiator& who);

}  // namespace ladon::machine
