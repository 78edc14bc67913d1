// VFs change hands while reads and writes are under way, in any order, and whoever is next finds nothing of
// whoever was there. churn_test.cpp does the same with memory.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

#include "rack.h"
#include "spec/ixgbevf.h"

namespace ladon::attack {
namespace {

namespace regs = spec::ixgbevf;

class Containment : public testing::Test {
 protected:
  Containment() {
    auto made = build_from(two_hosts())({.watched_dma = true});
    if (!made) throw std::runtime_error(made.error());
    bed = std::move(*made);
    scene = std::make_unique<Scene>(*bed, cast(*bed));
    me = scene->me();
  }
  [[nodiscard]] const Guest& self() const { return bed->guests()[me]; }
  [[nodiscard]] pcie::Domain other_host() const { return bed->guests()[*scene->parts.stranger].host; }
  // The slot of that host that is free for a VF more.
  [[nodiscard]] static std::uint8_t spare_slot() { return 1; }

  // Accesses of the attacker's VF are under way: writes of frames that came, reads of a frame to send.
  void start(std::uint64_t buffers) {
    scene->refresh(me);
    std::array<Iova, 6> into;
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = Iova(buffers + i * 4096);
    std::vector<client::TxPiece> from;
    for (std::size_t i = 0; i < into.size(); ++i) from.push_back({into[i], 128});
    scene->rings(me).receive_into(into);
    bed->hold(me, true);
    scene->rings(me).transmit(from);
    for (std::size_t i = 0; i < into.size(); ++i)
      bed->inject(self().nic, scene->frame_to(self().mac, Scene::outside(), 700));
    bed->turn();
    EXPECT_GT(bed->land(), 0u);  // descriptors
    bed->turn();
  }
  // The guest's process ends; another one comes to its place. `meanwhile` is called after every turn.
  void hand_over(const std::function<void()>& meanwhile = {}) {
    const auto gone = bed->detach(me);
    for (int i = 0; i < 600 && !*gone; ++i) {
      bed->step();
      if (meanwhile) meanwhile();
    }
    ASSERT_TRUE(*gone);
    bed->hold(me, false);
    (void)bed->land();
    ASSERT_TRUE(bed->attach(me));
    bed->settle();
    scene.reset();
    scene = std::make_unique<Scene>(*bed, cast(*bed));
    (void)bed->take_sent();
  }
  // Frames that the VF's owner finds in its ring after these have come.
  [[nodiscard]] std::size_t received(const std::vector<Frame>& frames) {
    for (const Frame& frame : frames) bed->inject(self().nic, frame);
    bed->settle();
    std::size_t count = 0;
    while (scene->driver(me).rx().receive()) ++count;
    return count;
  }
  [[nodiscard]] bool leaked(const Canary& target) {
    for (const Frame& frame : scene->seen_by_wire())
      if (target.is_in(frame)) return true;
    return false;
  }

  std::unique_ptr<Testbed> bed;
  std::unique_ptr<Scene> scene;
  std::size_t me = 0;
};

// L1 judges everything that it should: without the scrub it finds each kind of leftover.
TEST_F(Containment, WhatTheScrubClearsIsAllLookedAt) {
  const auto l1 = std::ranges::find(catalogue(), "L1", &Attack::id);
  const auto result = try_attack(build_from(two_hosts()), *l1, {}, Mutant::no_scrub);
  ASSERT_TRUE(result) << result.error();
  const auto at = [](std::uint32_t offset) { return fmt::format(" {:#x}", offset); };
  for (const std::uint32_t offset :
       {regs::kRx + regs::kBaseLow, regs::kTx + regs::kQueueStride + regs::kBaseHigh,  // rings
        regs::kRssKey, regs::kReta, regs::kMailboxMemory + 4, regs::kEitr, regs::kGoodPacketsSent})
    EXPECT_NE(result->reason.find(at(offset)), std::string::npos) << at(offset) << result->reason;
  EXPECT_NE(result->reason.find("MSI-X"), std::string::npos) << result->reason;
}

TEST_F(Containment, TheNextOwnerHearsNothingThatTheLastOneAskedFor) {
  const MacAddress group{{0x01, 0x00, 0x5E, 0x12, 0x34, 0x56}};
  const Frame multicast = scene->frame_to(group, Scene::outside(), 80);
  Frame tagged = scene->frame_to(self().mac, Scene::outside(), 80);
  store_be(&tagged[12], std::uint16_t{0x8100});
  store_be(&tagged[14], std::uint16_t{77});
  ASSERT_EQ(received({multicast, tagged}), 0u);
  ASSERT_TRUE(scene->driver(me).set_multicast(std::array{group}));
  ASSERT_TRUE(scene->driver(me).set_receive_mode(client::ReceiveMode::multicast));
  ASSERT_TRUE(scene->driver(me).set_vlan(77, true));
  ASSERT_EQ(received({multicast, tagged}), 2u) << "the filters work";
  hand_over();
  EXPECT_EQ(received({multicast, tagged}), 0u);
  EXPECT_EQ(received({scene->frame_to(self().mac, Scene::outside(), 80)}), 1u) << "and the new owner hears";
}

// Frames that were in the device's packet memory when the owner went: neither to the next one nor to the
// wire.
TEST_F(Containment, FramesOfTheLastOwnerAreNobodys) {
  start(self().memory / 2);
  hand_over();
  EXPECT_EQ(received({}), 0u);
  EXPECT_TRUE(bed->take_sent().empty());
  EXPECT_EQ(received({scene->frame_to(self().mac, Scene::outside(), 80)}), 1u);
}

TEST_F(Containment, AVfThatIsRevokedWithAccessesUnderWayTouchesNothingOfItsNextOwner) {
  start(self().memory / 2);
  // It goes to another host, where somebody's memory has the same addresses.
  const Canary next = scene->canary_of(*scene->parts.stranger);
  const Canary here = scene->canary_of(me);
  ASSERT_TRUE(bed->move_vf(me, other_host(), spare_slot()));
  bed->hold(me, false);
  (void)bed->land();
  scene->run(4);
  EXPECT_TRUE(next.untouched());
  EXPECT_TRUE(here.untouched());
  EXPECT_FALSE(leaked(next));
  EXPECT_FALSE(leaked(here));
}

TEST_F(Containment, AVmThatIsKilledWhileReadsAreUnderWaySendsNothingOfTheNextOne) {
  const auto place = bed->place_of(me, Gpa(0));
  const std::uint64_t buffers = self().memory / 2;
  start(buffers);
  std::optional<Placed> next;
  std::optional<Canary> target;
  hand_over([&] {
    if (next) return;
    next = bed->place(self().host, self().memory, place);
    if (next) target.emplace(next->at, next->bytes.subspan(buffers, 6 * 4096), 5);
    if (next) bed->hold(me, false), (void)bed->land();
  });
  ASSERT_TRUE(target);
  EXPECT_TRUE(target->untouched());
  for (const Frame& frame : bed->take_sent()) EXPECT_FALSE(target->is_in(frame));
}

// One VF between two hosts; whoever does not have it tries everything at every step: resets of it
// through the window that was its own, DMA of it to where its memory was.
class Races {
 public:
  Races(std::uint32_t seed, Mutant mutant, OffSet off = {}) : random_(seed) {
    auto made = build_from(two_hosts())({.off = off, .mutant = mutant, .watched_dma = true});
    if (!made) throw std::runtime_error(made.error());
    bed_ = std::move(*made);
    scene_ = std::make_unique<Scene>(*bed_, cast(*bed_));
    const Guest& self = scene_->self();
    const pcie::Domain there = scene_->guest(*scene_->parts.stranger).host;
    places_ = {Place{self.host, self.slot}, Place{there, 1}};
    spare_ = scene_->canary_of(scene_->me());
  }

  void step() {
    switch (random_() % 4) {
      case 0:
        return move(random_() % 2 == 0 ? 0 : 1);
      case 1:
        return reset_by_others();
      case 2:
        return write_to_the_guest();
      default:
        for (auto turns = random_() % 6; turns > 0; --turns) bed_->step();
    }
  }
  [[nodiscard]] bool harmless() const { return harmless_ && spare_->untouched(); }
  [[nodiscard]] unsigned moves() const { return moves_; }

 private:
  struct Place {
    pcie::Domain host{};
    std::uint8_t slot = 0;
  };
  [[nodiscard]] BusAddr registers(const Place& place) const {
    return BusAddr(scene_->ntb_of(place.host)->link_registers.bits() +
                   place.slot * std::uint64_t{regs::kBarSize + regs::kMsixBarSize});
  }
  void move(std::uint32_t to) {
    if (to == at_) return;
    if (!bed_->move_vf(scene_->me(), places_[to].host, places_[to].slot)) return;
    at_ = to;
    ++moves_;
  }
  void reset_by_others() {
    auto& owner = scene_->host(places_[at_].host);
    const BusAddr mark(registers(places_[at_]).bits() + Scene::kMarkedRegister);
    (void)owner.store32(mark, Scene::kMark);
    const std::uint32_t other = 1 - at_;
    (void)scene_->host(places_[other].host).store32(registers(places_[other]), regs::kControlReset);
    bed_->turn();
    harmless_ = harmless_ && owner.load32(mark) == Scene::kMark;
  }
  // The guest keeps its memory when its VF is taken away; the VF has no business there any more.
  void write_to_the_guest() {
    if (at_ == 0) return;
    const std::array<std::byte, 4> word{};
    const Guest& self = scene_->self();
    (void)bed_->emit_write(self.nic, {.rid = self.rid.bdf, .address = Iova(self.memory - spare_->size())},
                           word);
  }

  std::mt19937 random_;
  std::unique_ptr<Testbed> bed_;
  std::unique_ptr<Scene> scene_;
  std::array<Place, 2> places_{};
  std::optional<Canary> spare_;
  std::uint32_t at_ = 0;
  bool harmless_ = true;
  unsigned moves_ = 0;
};

TEST(HandOverRaces, NobodyButItsOwnerReachesAVfNorItsFormerOwnersMemory) {
  unsigned moves = 0;
  for (std::uint32_t seed = 1; seed <= 8; ++seed) {
    Races races(seed, Mutant::none);
    for (int i = 0; i < 60; ++i) races.step();
    EXPECT_TRUE(races.harmless()) << "seed " << seed;
    moves += races.moves();
  }
  EXPECT_GT(moves, 20u);
}

// The test above can fail.
TEST(HandOverRaces, WithWindowsLeftOpenAFormerOwnerDoesHarm) {
  bool harmless = true;
  for (std::uint32_t seed = 1; seed <= 8 && harmless; ++seed) {
    Races races(seed, Mutant::stale_windows, {Defence::mh_iommu});
    for (int i = 0; i < 60 && races.harmless(); ++i) races.step();
    harmless = races.harmless();
  }
  EXPECT_FALSE(harmless);
}

}  // namespace
}  // namespace ladon::attack
