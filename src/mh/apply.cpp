#include "mh/apply.h"

namespace ladon::mh {

namespace {

std::unexpected<DriverError> host_failed(std::string_view what, host::Error error) {
  return std::unexpected(DriverError{std::string(what) + ": " + std::string(name(error))});
}

// `error` means "it is so already" when an action is done for the second time.
Done done_or(const std::expected<void, host::Error>& result, host::Error already, std::string_view what) {
  if (result || result.error() == already) return {};
  return host_failed(what, result.error());
}

template <class Id>
std::string place(const Id& id) {
  return "NTB " + std::to_string(id.ntb) +
         (id.direction == Direction::outbound ? " outbound " : " inbound ") + std::to_string(id.index);
}

}  // namespace

Applier::Applier(host::BlockingHost& host, const Inventory& inventory, Journal& journal,
                 std::vector<std::unique_ptr<PfDriver>>& pfs)
    : host_(host), inventory_(inventory), journal_(journal), pfs_(pfs) {
  for (const Ntb& ntb : inventory.ntbs) ntbs_.emplace_back(host, ntb);
  now_ = journal.remembered().plan;
}

std::expected<host::IoDomain, DriverError> Applier::space(DomainId id) const {
  const auto& spaces = journal_.remembered().spaces;
  const auto found = spaces.find(id);
  if (found == spaces.end()) return std::unexpected(DriverError{"an I/O space that was never created"});
  return found->second;
}

// One overload an action; each may be done twice.
struct Applier::Perform {
  Applier& a;

  Done operator()(const QuiesceVf& action) const { return a.pf(action.vf).revoke(action.vf.vf); }
  Done operator()(const ScrubVf& action) const { return a.pf(action.vf).reset_and_scrub(action.vf.vf); }
  Done operator()(const EnableVf& action) const {
    return a.pf(action.vf).enable(action.vf.vf, action.setup.grant);
  }
  Done operator()(const CloseWindow& action) const {
    return a.ntbs_[action.window.ntb].close_window(action.window.direction, action.window.index);
  }
  Done operator()(const OpenWindow& action) const {
    return a.ntbs_[action.id.ntb].open_window(action.id.direction, action.id.index, action.window);
  }
  Done operator()(const ClearLut& action) const {
    return a.ntbs_[action.entry.ntb].clear_lut(action.entry.direction, action.entry.index);
  }
  Done operator()(const SetLut& action) const {
    return a.ntbs_[action.id.ntb].set_lut(action.id.direction, action.id.index, action.entry);
  }
  Done operator()(const DropLink& action) const { return a.ntbs_[action.ntb].set_link(false); }
  Done operator()(const RaiseLink& action) const { return a.ntbs_[action.ntb].set_link(true); }
  Done operator()(const SetLevel& action) const {
    return a.pf(action.vf).set_level(action.vf.vf, action.level);
  }
  Done operator()(const DefaultLevels& action) const { return a.pfs_[action.nic]->default_levels(); }
  Done operator()(const SetCapacity& action) const {
    return a.pfs_[action.nic]->set_capacity(action.capacity);
  }
  Done operator()(const ChangeVf& action) const { return a.pf(action.vf).change(action.vf.vf, action.grant); }
  Done operator()(const CreateSpace&) const { return {}; }  // in perform(): it has a result
  Done operator()(const DetachSpace& action) const {
    return done_or(a.host_.detach(action.rid), host::Error::no_such_object, "detach");
  }
  Done operator()(const AttachSpace& action) const {
    const auto space = a.space(action.space);
    if (!space) return std::unexpected(space.error());
    auto attached = a.host_.attach(*space, action.rid);
    if (!attached && attached.error() == host::Error::overlap) {
      // Someone is attached: this action's first half, or a space that a crash has orphaned.
      if (auto detached = a.host_.detach(action.rid); !detached)
        return host_failed("detach", detached.error());
      attached = a.host_.attach(*space, action.rid);
    }
    if (!attached) return host_failed("attach " + pcie::to_string(action.rid), attached.error());
    return {};
  }
  Done operator()(const MapPages& action) const {
    const auto space = a.space(action.space);
    if (!space) return std::unexpected(space.error());
    const Mapping& m = action.mapping;
    return done_or(a.host_.map(*space, action.iova, m.to, m.length, m.access), host::Error::overlap, "map");
  }
  Done operator()(const UnmapPages& action) const {
    const auto space = a.space(action.space);
    if (!space) return std::unexpected(space.error());
    return done_or(a.host_.unmap(*space, action.iova, action.mapping.length), host::Error::no_such_object,
                   "unmap");
  }
  Done operator()(const DestroySpace& action) const {
    const auto space = a.space(action.space);
    if (!space) return std::unexpected(space.error());
    return done_or(a.host_.destroy_domain(*space), host::Error::no_such_object, "destroy");
  }
};

PfDriver& Applier::pf(VfId vf) {
  return *pfs_[vf.nic];
}

std::expected<std::optional<host::IoDomain>, DriverError> Applier::perform(const Action& action) {
  if (std::holds_alternative<CreateSpace>(action)) {
    const auto created = host_.create_domain();
    if (!created) return host_failed("create an I/O space", created.error());
    return *created;
  }
  if (auto done = std::visit(Perform{*this}, action); !done) return std::unexpected(done.error());
  return std::nullopt;
}

Done Applier::finish(const Action& action) {
  const auto created = perform(action);
  if (!created) return std::unexpected(DriverError{to_string(action) + ": " + created.error().message});
  if (!journal_.end(*created)) return std::unexpected(DriverError{"the journal cannot be written"});
  follow(now_, action);
  return {};
}

namespace {

// What a VF's owner may do, programmed into the device.
bool is_setting(const Action& action) {
  return std::holds_alternative<SetLevel>(action) || std::holds_alternative<DefaultLevels>(action) ||
         std::holds_alternative<ChangeVf>(action);
}

}  // namespace

Done Applier::apply(const std::vector<Action>& actions) {
  for (const Action& action : actions) {
    if (!journal_.begin(action)) return std::unexpected(DriverError{"the journal cannot be written"});
    if (auto done = finish(action); !done) {
      // It may have been done in part, and can be done again: the way back has to lead through it.
      if (is_setting(action)) follow(now_, action);
      return done;
    }
  }
  return {};
}

std::expected<std::vector<std::string>, DriverError> Applier::recover() {
  std::vector<std::string> drift;
  if (journal_.remembered().pending) {
    const Action pending = *journal_.remembered().pending;
    drift.push_back("finishing: " + to_string(pending));
    // What was refused then may be refused now, and is nobody's plan any more.
    if (auto done = finish(pending); !done) drift.push_back("not done: " + done.error().message);
  }
  // Closing first, so that nothing is ever wider than the plan while it is being mended.
  for (const bool opening : {false, true})
    for (std::uint16_t ntb = 0; ntb < ntbs_.size(); ++ntb)
      for (const Direction direction : {Direction::outbound, Direction::inbound})
        if (auto mended = mend(ntb, direction, opening, drift); !mended)
          return std::unexpected(mended.error());
  if (auto mended = mend_levels(drift); !mended) return std::unexpected(mended.error());
  return drift;
}

namespace {

enum class Mending { nothing, close, open };

// What has to be done in this pass about an entry that is `there` and should be as `wanted` says (null:
// absent).
template <class T>
Mending mending(const std::optional<T>& there, const T* wanted, bool opening) {
  if (wanted == nullptr ? !there : there == *wanted) return Mending::nothing;
  if (opening) return wanted == nullptr ? Mending::nothing : Mending::open;
  return there ? Mending::close : Mending::nothing;
}

template <class Map, class Id>
const typename Map::mapped_type* find(const Map& map, const Id& id) {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

Done Applier::mend_levels(std::vector<std::string>& drift) {
  Plan there = now_;
  there.capacities.clear();  // cannot be read back
  for (auto& [vf, level] : there.levels) {
    const auto read = pf(vf).read_level(vf.vf);
    if (!read) return std::unexpected(read.error());
    level = *read;
  }
  std::vector<Action> actions;
  change_levels(actions, there, now_);
  for (const Action& action : actions) {
    if (auto done = perform(action); !done) return std::unexpected(done.error());
    if (!std::holds_alternative<SetCapacity>(action)) drift.push_back(to_string(action));
  }
  return {};
}

Done Applier::mend(std::uint16_t ntb, Direction direction, bool opening, std::vector<std::string>& drift) {
  NtbDriver& driver = ntbs_[ntb];
  const std::string verb = opening ? "opened " : "closed ";
  for (std::uint16_t i = 0; i < inventory_.ntbs[ntb].lut_entries; ++i) {
    const LutId id{ntb, direction, i};
    const auto there = driver.lut(direction, i);
    if (!there) return std::unexpected(there.error());
    const LutEntry* wanted = find(now_.luts, id);
    const Mending what = mending(*there, wanted, opening);
    if (what == Mending::nothing) continue;
    drift.push_back(verb + "look-up entry " + place(id));
    auto done =
        what == Mending::open ? driver.set_lut(direction, i, *wanted) : driver.clear_lut(direction, i);
    if (!done) return done;
  }
  for (std::uint16_t i = 0; i < inventory_.ntbs[ntb].windows; ++i) {
    const WindowId id{ntb, direction, i};
    const auto there = driver.window(direction, i);
    if (!there) return std::unexpected(there.error());
    const Window* wanted = find(now_.windows, id);
    const Mending what = mending(*there, wanted, opening);
    if (what == Mending::nothing) continue;
    drift.push_back(verb + "window " + place(id));
    auto done =
        what == Mending::open ? driver.open_window(direction, i, *wanted) : driver.close_window(direction, i);
    if (!done) return done;
  }
  return {};
}

}  // namespace ladon::mh
