// From one plan to another in single steps. First everything that goes away is closed - quiesce the VF, its
// windows, its look-up entries, its IOMMU attachment and mappings, then reset and scrub - and only then
// anything is opened, the restricting tables before the ones that let traffic in, the VF last. So at every
// step no access is open that neither plan grants.
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

using Action =
    std::variant<QuiesceVf, CloseWindow, ClearLut, DropLink, DetachSpace, UnmapPages, DestroySpace, ScrubVf,
                 CreateSpace, MapPages, AttachSpace, SetLut, OpenWindow, RaiseLink, EnableVf>;

[[nodiscard]] std::vector<Action> diff(const Plan& now, const Plan& wanted);
// What the plan in force is after one action.
void follow(Plan& plan, const Action& action);

[[nodiscard]] std::string to_string(const Action& action);  // "open window ntb 0 inbound 3 ..."
[[nodiscard]] std::string to_json(const Action& action);    // one line
[[nodiscard]] std::expected<Action, std::string> action_from_json(std::string_view line);

}  // namespace ladon::mh
