// From one plan to another in single steps. First everything that goes away is closed - quiesce the VF, its
// windows, its look-up entries, its IOMMU attachment and mappings, then reset and scrub - and only then
// anything is opened, the restricting tables before the ones that let traffic in, the VF last. So at every
// step no access is open that neither plan grants. Of service levels what shrinks comes before what grows, so
// that no step promises more than the device has; a level, or what a VF's owner may do, changes while the VF
// runs.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mh/plan.h"

namespace ladon::mh {

struct QuiesceVf {
  VfId vf;
};
struct CloseWindow {
  WindowId window;
};
struct ClearLut {
  LutId entry;
};
struct DropLink {
  std::uint16_t ntb = 0;
};
struct DetachSpace {
  DomainId space;
  pcie::Sbdf rid;
};
struct UnmapPages {
  DomainId space;
  Iova iova;
  Mapping mapping;
};
struct DestroySpace {
  DomainId space;
};
struct ScrubVf {  // function-level reset, then forget all that the owner left
  VfId vf;
};
struct CreateSpace {
  DomainId space;
};
struct MapPages {
  DomainId space;
  Iova iova;
  Mapping mapping;
};
struct AttachSpace {
  DomainId space;
  pcie::Sbdf rid;
};
struct SetLut {
  LutId id;
  LutEntry entry;
};
struct OpenWindow {
  WindowId id;
  Window window;
};
struct RaiseLink {
  std::uint16_t ntb = 0;
};
struct EnableVf {
  VfId vf;
  VfSetup setup;
};
struct SetLevel {
  VfId vf;
  ServiceLevel level;
};
struct DefaultLevels {  // of all the NIC's VFs, as after the device's reset
  std::uint16_t nic = 0;
};
struct SetCapacity {
  std::uint16_t nic = 0;
  NicCapacity capacity;
};
struct ChangeVf {  // what its owner may do, and how it is called; the owner stays
  VfId vf;
  Grant grant;
};

using Action = std::variant<QuiesceVf, CloseWindow, ClearLut, DropLink, DetachSpace, UnmapPages, DestroySpace,
                            ScrubVf, CreateSpace, MapPages, AttachSpace, SetLut, OpenWindow, RaiseLink,
                            EnableVf, SetLevel, DefaultLevels, SetCapacity, ChangeVf>;

// From the levels and capacities of one plan to those of another; part of diff().
void change_levels(std::vector<Action>& out, const Plan& now, const Plan& wanted);

[[nodiscard]] std::vector<Action> diff(const Plan& now, const Plan& wanted);
// What the plan in force is after one action.
void follow(Plan& plan, const Action& action);

[[nodiscard]] std::string to_string(const Action& action);  // "open window ntb 0 inbound 3 ..."
[[nodiscard]] std::string to_json(const Action& action);    // one line
[[nodiscard]] std::expected<Action, std::string> action_from_json(std::string_view line);

}  // namespace ladon::mh
