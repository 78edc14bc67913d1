#include "mh/actions.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

#include "mh/sample.h"

namespace ladon::mh {
namespace {

// What somebody can do when the tables are as in `plan`: (who, to where). Written from the hardware's point
// of view - RIDs, windows, proxies - and not from that of the planner.
using Access = std::pair<std::string, std::string>;

std::optional<std::pair<WindowId, Window>> window_at(const Inventory& inventory, const Plan& plan,
                                                     BusAddr at) {
  for (const auto& [id, window] : plan.windows) {
    if (id.direction != Direction::outbound) continue;
    const Ntb& ntb = inventory.ntbs[id.ntb];
    const BusAddr bar = window.bar == 2 ? ntb.dma : ntb.msi;
    if (at == BusAddr(bar.bits() + window.offset)) return std::pair{id, window};
  }
  return std::nullopt;
}

void dma_of_vf(const Inventory& inventory, const Plan& plan, VfId vf, std::set<Access>& open) {
  const pcie::Sbdf rid = inventory.nics[vf.nic].vf_bdf(vf.vf);
  for (const auto& [id, space] : plan.domains) {
    if (space.rid != rid) continue;
    for (const auto& [iova, mapping] : space.mappings) {
      const auto window = window_at(inventory, plan, mapping.to);
      if (!window || !plan.links.contains(window->first.ntb)) continue;
      for (const auto& [lut, entry] : plan.luts)
        if (lut.ntb == window->first.ntb && lut.direction == Direction::outbound && entry.rid == rid.bdf)
          open.insert({"VF " + std::to_string(vf.vf), "host " + std::to_string(lut.ntb) + " as " +
                                                          std::to_string(entry.proxy) + " at " +
                                                          std::to_string(window->second.to.bits())});
    }
  }
}

void stores_of_host(const Inventory& inventory, const Plan& plan, std::uint16_t ntb, std::set<Access>& open) {
  for (const auto& [lut, entry] : plan.luts) {
    if (lut.ntb != ntb || lut.direction != Direction::inbound) continue;
    const pcie::Sbdf proxy = inventory.ntbs[ntb].bdf.later(entry.proxy);
    for (const auto& [id, space] : plan.domains) {
      if (space.rid != proxy) continue;
      for (const auto& [wid, window] : plan.windows)
        if (wid.ntb == ntb && wid.direction == Direction::inbound &&
            space.mappings.contains(Iova(window.to.bits())))
          open.insert({"host " + std::to_string(ntb), "page " + std::to_string(window.to.bits())});
    }
  }
}

std::set<Access> open_in(const Inventory& inventory, const Plan& plan) {
  std::set<Access> open;
  for (const auto& [vf, setup] : plan.vfs) dma_of_vf(inventory, plan, vf, open);
  for (std::uint16_t ntb = 0; ntb < inventory.ntbs.size(); ++ntb) stores_of_host(inventory, plan, ntb, open);
  return open;
}

// A valid intent over two hosts and the management host.
rc::Gen<Intent> intents() {
  return rc::gen::exec([] {
    std::vector<Grant> grants;
    std::set<std::pair<int, int>> taken;
    for (std::uint16_t vf = 0; vf < 6; ++vf) {
      if (*rc::gen::inRange(0, 3) == 0) continue;
      const auto host = *rc::gen::inRange<std::uint16_t>(0, 3);
      const auto slot = *rc::gen::inRange<std::uint8_t>(0, 4);
      if (!taken.insert({host, slot}).second) continue;
      Grant g = grant(vf, host, slot);
      g.trust = *rc::gen::arbitrary<bool>();
      grants.push_back(g);
    }
    return sample_intent(grants);
  });
}

std::size_t at(const std::vector<Action>& actions, auto predicate) {
  return static_cast<std::size_t>(std::ranges::find_if(actions, predicate) - actions.begin());
}
template <class T>
bool is(const Action& action) {
  return std::holds_alternative<T>(action);
}

TEST(Diff, LeadsFromOnePlanToTheOther) {
  const Inventory inventory = sample_inventory();
  EXPECT_TRUE(rc::check("following the actions gives the wanted plan", [&] {
    Plan now = *plan(inventory, *intents());
    const Plan wanted = *plan(inventory, *intents());
    for (const Action& action : diff(now, wanted)) follow(now, action);
    RC_ASSERT(now == wanted);
  }));
}

TEST(Diff, OfAPlanWithItselfIsEmpty) {
  const Inventory inventory = sample_inventory();
  EXPECT_TRUE(rc::check("nothing to do", [&] {
    const Plan now = *plan(inventory, *intents());
    RC_ASSERT(diff(now, now).empty());
  }));
}

TEST(Diff, AtEveryStepOnlyWhatOnePlanGrantsIsOpen) {
  const Inventory inventory = sample_inventory();
  EXPECT_TRUE(rc::check("open at each prefix is open before or after", [&] {
    Plan now = *plan(inventory, *intents());
    const Plan wanted = *plan(inventory, *intents());
    auto allowed = open_in(inventory, now);
    allowed.merge(open_in(inventory, wanted));
    for (const Action& action : diff(now, wanted)) {
      follow(now, action);
      const auto open = open_in(inventory, now);
      RC_ASSERT(std::ranges::includes(allowed, open));
    }
  }));
}

TEST(Diff, AVfChangesHandsOnlyScrubbedAndBehindClosedTables) {
  const Inventory inventory = sample_inventory();
  EXPECT_TRUE(rc::check("quiesced before closing, scrubbed before opening, enabled last", [&] {
    Plan now = *plan(inventory, *intents());
    const Plan wanted = *plan(inventory, *intents());
    const Plan before = now;
    for (const Action& action : diff(before, wanted)) {
      if (const auto* scrub = std::get_if<ScrubVf>(&action)) {
        const auto space = now.domains.find({DomainId::Kind::vf, scrub->vf.nic, scrub->vf.vf});
        // Nothing that it will not have is mapped any more.
        const auto later = wanted.domains.find({DomainId::Kind::vf, scrub->vf.nic, scrub->vf.vf});
        if (space != now.domains.end()) {
          for (const auto& [iova, mapping] : space->second.mappings)
            RC_ASSERT(later != wanted.domains.end() && later->second.mappings.at(iova) == mapping);
        }
      }
      if (const auto* enable = std::get_if<EnableVf>(&action)) {
        RC_ASSERT(!now.dirty.contains(enable->vf));
        Plan then = now;
        follow(then, action);
        // Everything that this VF will have is open the moment it is enabled; nothing comes after.
        std::set<Access> opened, finally;
        dma_of_vf(inventory, then, enable->vf, opened);
        dma_of_vf(inventory, wanted, enable->vf, finally);
        RC_ASSERT(opened == finally);
      }
      if (is<OpenWindow>(action) || is<AttachSpace>(action) || is<SetLut>(action))
        RC_ASSERT(now.dirty.empty());
      follow(now, action);
    }
    RC_ASSERT(now.dirty.empty());
  }));
}

TEST(Diff, WhoStaysIsNotTouched) {
  const Inventory inventory = sample_inventory();
  const Plan now = *plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 1, 1), grant(2, 2, 0)}));
  const Plan wanted = *plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 2, 1), grant(2, 2, 0)}));
  for (const Action& action : diff(now, wanted)) {
    EXPECT_FALSE(is<DropLink>(action));
    EXPECT_FALSE(is<DestroySpace>(action) &&
                 std::get<DestroySpace>(action).space == (DomainId{DomainId::Kind::vf, 0, 0}));
    const auto* quiesce = std::get_if<QuiesceVf>(&action);
    EXPECT_TRUE(quiesce == nullptr || quiesce->vf.vf == 1);
    const auto* close = std::get_if<CloseWindow>(&action);
    EXPECT_TRUE(close == nullptr || close->window.direction == Direction::inbound);
  }
}

TEST(Diff, FollowsTheOrderOfARevoke) {
  const Inventory inventory = sample_inventory();
  const Plan now = *plan(inventory, sample_intent({grant(0, 1, 0)}));
  const auto actions = diff(now, *plan(inventory, sample_intent({})));
  const auto quiesce = at(actions, is<QuiesceVf>), window = at(actions, is<CloseWindow>),
             lut = at(actions, is<ClearLut>), detach = at(actions, is<DetachSpace>),
             scrub = at(actions, is<ScrubVf>);
  EXPECT_LT(quiesce, window);
  EXPECT_LT(window, lut);
  EXPECT_LT(lut, detach);
  EXPECT_LT(detach, scrub);
  EXPECT_LT(scrub, actions.size());
}

TEST(Diff, ScrubsWhatAnEarlierChangeLeftDirty) {
  const Inventory inventory = sample_inventory();
  Plan now = *plan(inventory, sample_intent({grant(0, 1, 0)}));
  follow(now, QuiesceVf{{0, 0}});
  const auto actions = diff(now, *plan(inventory, sample_intent({grant(0, 1, 0)})));
  EXPECT_LT(at(actions, is<ScrubVf>), at(actions, is<EnableVf>));
}

TEST(ActionJson, ComesBackAsItWas) {
  const Inventory inventory = sample_inventory();
  EXPECT_TRUE(rc::check("every action of a change survives its line", [&] {
    const Plan from = *plan(inventory, *intents());
    const Plan wanted = *plan(inventory, *intents());
    Plan direct = from, read = from;
    for (const Action& action : diff(from, wanted)) {
      const std::string line = to_json(action);
      RC_ASSERT(line.find('\n') == std::string::npos);
      const auto back = action_from_json(line);
      RC_ASSERT(back.has_value());
      RC_ASSERT(to_json(*back) == line);
      follow(direct, action);
      follow(read, *back);
    }
    RC_ASSERT(direct == read);
  }));
  EXPECT_FALSE(action_from_json("{\"do\":\"dance\"}").has_value());
  EXPECT_FALSE(action_from_json("{\"do\":\"quiesce_vf\",\"vf\":[1]}").has_value());
}

}  // namespace
}  // namespace ladon::mh
