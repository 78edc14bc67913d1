#include "mh/actions.h"

#include <algorithm>
#include <tuple>

namespace ladon::mh {

namespace {

// A VF's tables change under it only while it is quiesced and then scrubbed, so a VF whose owner stays but
// whose tables move counts as changed too.
bool same_tables(const Plan& a, const Plan& b, VfId vf) {
  const DomainId space{DomainId::Kind::vf, vf.nic, vf.vf};
  const auto in_a = a.domains.find(space), in_b = b.domains.find(space);
  if ((in_a == a.domains.end()) != (in_b == b.domains.end())) return false;
  return in_a == a.domains.end() || in_a->second == in_b->second;
}

// What a VF's owner may do is changed while the VF runs; who the owner is is not.
bool same_owner(const VfSetup& a, VfSetup b) {
  const auto owner = [](const Grant& grant) {
    return std::tie(grant.nic, grant.vf, grant.host, grant.slot, grant.vm, grant.guest);
  };
  if (owner(a.grant) != owner(b.grant)) return false;
  b.grant = a.grant;
  return a == b;
}

bool stays(const Plan& now, const Plan& wanted, VfId vf) {
  const auto there = wanted.vfs.find(vf);
  return there != wanted.vfs.end() && same_owner(there->second, now.vfs.at(vf)) &&
         same_tables(now, wanted, vf);
}

template <class Map, class Key>
bool holds(const Map& map, const Key& key, const typename Map::mapped_type& value) {
  const auto found = map.find(key);
  return found != map.end() && found->second == value;
}

// What `now` has of this space and `wanted` has not; `other` is the space in `wanted`, or null.
void close_space(std::vector<Action>& out, DomainId id, const IoSpace& space, const IoSpace* other) {
  if (space.rid && (other == nullptr || other->rid != space.rid)) out.push_back(DetachSpace{id, *space.rid});
  for (const auto& [iova, mapping] : space.mappings)
    if (other == nullptr || !holds(other->mappings, iova, mapping))
      out.push_back(UnmapPages{id, iova, mapping});
  if (other == nullptr) out.push_back(DestroySpace{id});
}

void open_space(std::vector<Action>& out, DomainId id, const IoSpace& space, const IoSpace* before) {
  if (before == nullptr) out.push_back(CreateSpace{id});
  for (const auto& [iova, mapping] : space.mappings)
    if (before == nullptr || !holds(before->mappings, iova, mapping))
      out.push_back(MapPages{id, iova, mapping});
  if (space.rid && (before == nullptr || before->rid != space.rid))
    out.push_back(AttachSpace{id, *space.rid});
}

const IoSpace* find_space(const Plan& plan, DomainId id) {
  const auto found = plan.domains.find(id);
  return found == plan.domains.end() ? nullptr : &found->second;
}

void close_all(std::vector<Action>& out, const Plan& now, const Plan& wanted) {
  for (const auto& [vf, setup] : now.vfs)
    if (!stays(now, wanted, vf)) out.push_back(QuiesceVf{vf});
  for (const auto& [id, window] : now.windows)
    if (!holds(wanted.windows, id, window)) out.push_back(CloseWindow{id});
  for (const auto& [id, entry] : now.luts)
    if (!holds(wanted.luts, id, entry)) out.push_back(ClearLut{id});
  for (const auto ntb : now.links)
    if (!wanted.links.contains(ntb)) out.push_back(DropLink{ntb});
  for (const auto& [id, space] : now.domains) close_space(out, id, space, find_space(wanted, id));
  // Those too that an earlier change quiesced and then did not get to.
  std::set<VfId> dirty = now.dirty;
  for (const auto& [vf, setup] : now.vfs)
    if (!stays(now, wanted, vf)) dirty.insert(vf);
  for (const VfId vf : dirty) out.push_back(ScrubVf{vf});
}

void open_all(std::vector<Action>& out, const Plan& now, const Plan& wanted) {
  for (const auto& [id, space] : wanted.domains) open_space(out, id, space, find_space(now, id));
  for (const auto& [id, entry] : wanted.luts)
    if (!holds(now.luts, id, entry)) out.push_back(SetLut{id, entry});
  for (const auto& [id, window] : wanted.windows)
    if (!holds(now.windows, id, window)) out.push_back(OpenWindow{id, window});
  for (const auto ntb : wanted.links)
    if (!now.links.contains(ntb)) out.push_back(RaiseLink{ntb});
  for (const auto& [vf, setup] : wanted.vfs)
    if (!now.vfs.contains(vf) || !stays(now, wanted, vf))
      out.push_back(EnableVf{vf, setup});
    else if (now.vfs.at(vf) != setup)
      out.push_back(ChangeVf{vf, setup.grant});
}

struct Follow {
  Plan& plan;
  void operator()(const QuiesceVf& a) const {
    plan.vfs.erase(a.vf);
    plan.dirty.insert(a.vf);
  }
  void operator()(const CloseWindow& a) const { plan.windows.erase(a.window); }
  void operator()(const ClearLut& a) const { plan.luts.erase(a.entry); }
  void operator()(const DropLink& a) const { plan.links.erase(a.ntb); }
  void operator()(const DetachSpace& a) const { plan.domains[a.space].rid.reset(); }
  void operator()(const UnmapPages& a) const { plan.domains[a.space].mappings.erase(a.iova); }
  void operator()(const DestroySpace& a) const { plan.domains.erase(a.space); }
  void operator()(const ScrubVf& a) const { plan.dirty.erase(a.vf); }
  void operator()(const CreateSpace& a) const { plan.domains[a.space]; }
  void operator()(const MapPages& a) const { plan.domains[a.space].mappings[a.iova] = a.mapping; }
  void operator()(const AttachSpace& a) const { plan.domains[a.space].rid = a.rid; }
  void operator()(const SetLut& a) const { plan.luts[a.id] = a.entry; }
  void operator()(const OpenWindow& a) const { plan.windows[a.id] = a.window; }
  void operator()(const RaiseLink& a) const { plan.links.insert(a.ntb); }
  void operator()(const EnableVf& a) const { plan.vfs[a.vf] = a.setup; }
  void operator()(const SetLevel& a) const { plan.levels[a.vf] = a.level; }
  void operator()(const DefaultLevels& a) const {
    std::erase_if(plan.levels, [&](const auto& entry) { return entry.first.nic == a.nic; });
  }
  void operator()(const SetCapacity& a) const {
    if (a.capacity == NicCapacity{})
      plan.capacities.erase(a.nic);
    else
      plan.capacities[a.nic] = a.capacity;
  }
  void operator()(const ChangeVf& a) const { plan.vfs[a.vf].grant = a.grant; }
};

std::string text(VfId vf) {
  return "VF " + std::to_string(vf.vf) + " of NIC " + std::to_string(vf.nic);
}
std::string text(DomainId id) {
  if (id.kind == DomainId::Kind::vf) return "I/O space of " + text(VfId{id.a, id.b});
  return "I/O space of the host behind NTB " + std::to_string(id.a);
}
std::string text(Direction direction) {
  return direction == Direction::outbound ? "outbound" : "inbound";
}
template <class Id>
std::string place(const Id& id) {
  return "NTB " + std::to_string(id.ntb) + " " + text(id.direction) + " " + std::to_string(id.index);
}

struct Describe {
  std::string operator()(const QuiesceVf& a) const { return "quiesce " + text(a.vf); }
  std::string operator()(const CloseWindow& a) const { return "close window " + place(a.window); }
  std::string operator()(const ClearLut& a) const { return "clear look-up entry " + place(a.entry); }
  std::string operator()(const DropLink& a) const { return "drop link of NTB " + std::to_string(a.ntb); }
  std::string operator()(const DetachSpace& a) const {
    return "detach " + pcie::to_string(a.rid) + " from " + text(a.space);
  }
  std::string operator()(const UnmapPages& a) const { return "unmap in " + text(a.space); }
  std::string operator()(const DestroySpace& a) const { return "destroy " + text(a.space); }
  std::string operator()(const ScrubVf& a) const { return "reset and scrub " + text(a.vf); }
  std::string operator()(const CreateSpace& a) const { return "create " + text(a.space); }
  std::string operator()(const MapPages& a) const { return "map in " + text(a.space); }
  std::string operator()(const AttachSpace& a) const {
    return "attach " + pcie::to_string(a.rid) + " to " + text(a.space);
  }
  std::string operator()(const SetLut& a) const {
    return "set look-up entry " + place(a.id) + " to " + pcie::to_string(a.entry.rid);
  }
  std::string operator()(const OpenWindow& a) const { return "open window " + place(a.id); }
  std::string operator()(const RaiseLink& a) const { return "raise link of NTB " + std::to_string(a.ntb); }
  std::string operator()(const EnableVf& a) const { return "enable " + text(a.vf); }
  std::string operator()(const SetLevel& a) const { return "set service level of " + text(a.vf); }
  std::string operator()(const DefaultLevels& a) const {
    return "take back all service levels of NIC " + std::to_string(a.nic);
  }
  std::string operator()(const SetCapacity& a) const {
    return "set capacity of NIC " + std::to_string(a.nic);
  }
  std::string operator()(const ChangeVf& a) const { return "change " + text(a.vf); }
};

}  // namespace

std::vector<Action> diff(const Plan& now, const Plan& wanted) {
  std::vector<Action> actions;
  close_all(actions, now, wanted);
  change_levels(actions, now, wanted);
  open_all(actions, now, wanted);
  return actions;
}

void follow(Plan& plan, const Action& action) {
  std::visit(Follow{plan}, action);
}

std::string to_string(const Action& action) {
  return std::visit(Describe{}, action);
}

}  // namespace ladon::mh
