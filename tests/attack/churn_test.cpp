// Memory and VFs change hands in any order while accesses are under way: no write ever lands with the next
// owner.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "rack.h"

namespace ladon::attack {
namespace {

constexpr std::size_t kFrames = 6;

class Churn {
 public:
  Churn(std::uint32_t seed, Mutant mutant) : random_(seed) {
    auto bed = build_from(two_hosts())({.mutant = mutant, .watched_dma = true});
    if (!bed) throw std::runtime_error(bed.error());
    bed_ = std::move(*bed);
    scene_ = std::make_unique<Scene>(*bed_, cast(*bed_));
  }

  void step() {
    switch (random_() % 7) {
      case 0:
        return give();
      case 1:
      case 2:
        return start_writes();
      case 3:
        return take();
      case 4:
        (void)bed_->land();
        return;
      case 5:
        if (random_() % 4 == 0) kill();
        return;
      default:
        for (std::uint32_t turns = random_() % 8; turns > 0; --turns) bed_->step();
    }
  }
  // What has become free goes to somebody else at once.
  void hand_on() {
    if (taking_ && *taking_) {
      place_at(*given_at_, Scene::kExtra);
      taking_.reset();
    }
    if (!leaving_ || !*leaving_) return;
    place_at(home_, scene_->self().memory);
    if (given_ || taking_) place_at(*given_at_, Scene::kExtra);
    given_ = false;
    taking_.reset(), leaving_.reset();
    bed_->hold(scene_->me(), false);
    (void)bed_->land();
    ASSERT_TRUE(bed_->attach(scene_->me()));
    scene_.reset();  // one looks at the rack at a time
    scene_ = std::make_unique<Scene>(*bed_, cast(*bed_));
  }
  [[nodiscard]] bool untouched() const {
    return std::ranges::all_of(next_, [](const Canary& canary) { return canary.untouched(); });
  }
  [[nodiscard]] std::size_t handed_on() const { return next_.size(); }
  [[nodiscard]] std::size_t started() const { return started_; }

 private:
  void give() {
    if (given_ || taking_ || leaving_) return;
    given_ = !bed_->give_memory(scene_->me(), scene_->extra(), Scene::kExtra, pcie::kReadWrite).empty();
    if (given_) given_at_ = bed_->place_of(scene_->me(), scene_->extra());
  }
  void start_writes() {
    if (leaving_) return;
    bed_->hold(scene_->me(), false);
    (void)bed_->land();
    scene_->refresh(scene_->me());
    std::array<Iova, kFrames> buffers;
    const std::uint64_t base =
        given_ && random_() % 3 != 0 ? scene_->extra().bits() : scene_->self().memory / 2;
    for (std::size_t i = 0; i < kFrames; ++i) buffers[i] = Iova(base + i * 4096);
    scene_->rings(scene_->me()).receive_into(buffers);
    bed_->hold(scene_->me(), true);
    for (std::size_t i = 0; i < kFrames; ++i)
      bed_->inject(0, scene_->frame_to(scene_->self().mac, Scene::outside(), 700));
    bed_->turn();
    if (random_() % 2 == 0) (void)bed_->land();
    bed_->turn();
    ++started_;
  }
  void take() {
    if (!given_ || taking_ || leaving_) return;
    given_ = false;
    taking_ = bed_->take_memory(scene_->me(), scene_->extra(), Scene::kExtra);
  }
  void kill() {
    if (leaving_) return;
    home_ = *bed_->place_of(scene_->me(), Gpa(0));
    leaving_ = bed_->detach(scene_->me());
  }
  void place_at(BusAddr at, std::uint64_t bytes) {
    const auto placed = bed_->place(scene_->self().host, bytes, at);
    ASSERT_TRUE(placed);
    next_.emplace_back(placed->at, placed->bytes, next_.size() + 1);
  }

  std::mt19937 random_;
  std::unique_ptr<Testbed> bed_;
  std::unique_ptr<Scene> scene_;
  bool given_ = false;
  std::optional<BusAddr> given_at_;
  BusAddr home_;
  std::shared_ptr<const bool> taking_, leaving_;
  std::vector<Canary> next_;
  std::size_t started_ = 0;
};

TEST(HandOver, NoWriteEverLandsWithTheNextOwner) {
  std::size_t handed_on = 0, started = 0;
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    Churn churn(seed, Mutant::none);
    for (int i = 0; i < 120; ++i) {
      churn.step();
      churn.hand_on();
    }
    ASSERT_TRUE(churn.untouched()) << "seed " << seed;
    handed_on += churn.handed_on(), started += churn.started();
  }
  // There was something to land on, and something to land.
  EXPECT_GT(handed_on, 40u);
  EXPECT_GT(started, 200u);
}

// The test above can fail.
TEST(HandOver, WithoutWaitingForAccessesUnderWaySomeDo) {
  bool landed = false;
  for (std::uint32_t seed = 1; seed <= 10 && !landed; ++seed) {
    Churn churn(seed, Mutant::no_drain);
    for (int i = 0; i < 120; ++i) {
      churn.step();
      churn.hand_on();
    }
    landed = !churn.untouched();
  }
  EXPECT_TRUE(landed);
}

}  // namespace
}  // namespace ladon::attack
