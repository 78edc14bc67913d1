#include "machine/blame.h"

#include "fabric/what_if.h"
#include "machine/rack_build.h"

namespace ladon::machine {
namespace {

// What could be reached and was not granted with these defences on too.
FoundReach found_with(const AuditInput& input, const DefenceList& on) {
  Defences defences{.acs = false,
                    .mh_iommu = false,
                    .ntb_lut = false,
                    .ch_iommu = false,
                    .interrupt_remapping = false,
                    .ept = false};
  for (const DefenceSwitch* defence : on) defences.*defence->on = true;
  const fabric::Tables changed = fabric::with_defences(input.tables, fabric_defences(defences));
  return FoundReach(audit::audit(changed, input.grants, input.options).findings);
}

}  // namespace

Blame::Blame(const AuditInput& input, const DefenceList& off) : rest_(found_with(input, off)) {
  for (const DefenceSwitch* one : off) {
    DefenceList others = off;
    std::erase(others, one);
    alone_.push_back(found_with(input, others));
  }
}

std::vector<std::size_t> Blame::whose(const audit::Finding& finding) const {
  std::vector<std::size_t> some, all;
  for (std::size_t i = 0; i < alone_.size(); ++i) {
    all.push_back(i);
    if (alone_[i].meets(finding)) some.push_back(i);
  }
  return some.empty() ? all : some;
}

}  // namespace ladon::machine
