// What becomes of an attacker: on_fault of the rack file, and who else notices. What is no offence.
#include <gtest/gtest.h>

#include "rack.h"
#include "spec/ixgbevf.h"

namespace ladon::attack {
namespace {

namespace regs = spec::ixgbevf;

struct Play {
  std::unique_ptr<Testbed> bed;
  std::unique_ptr<Scene> scene;
};

Play play(const std::string& policy) {
  Play made;
  auto bed = build_from(two_hosts(policy))({});
  if (!bed) throw std::runtime_error(bed.error());
  made.bed = std::move(*bed);
  made.scene = std::make_unique<Scene>(*made.bed, cast(*made.bed));
  return made;
}

// Sends from memory that is not its own.
void offend(Scene& scene) {
  const Canary target = scene.canary_at(scene.self().host);
  EXPECT_TRUE(scene.read_by_dma(scene.me(), Iova(target.at().bits()), 256).empty());
  scene.bed.settle();
}

bool can_send(Scene& scene) {
  scene.refresh(scene.me());
  if (!scene.driver(scene.me()).open()) return false;
  const Frame frame = scene.frame_to(Scene::outside(), scene.self().mac, 100);
  (void)scene.driver(scene.me()).tx().send(frame);
  scene.run();
  const auto seen = scene.seen_by_wire();
  return std::ranges::find(seen, frame) != seen.end();
}

TEST(OnFault, LogLeavesTheGuestToResetItsVf) {
  auto [bed, scene] = play("log");
  offend(*scene);
  EXPECT_FALSE(bed->quarantined(scene->me()));
  EXPECT_TRUE(can_send(*scene));
  EXPECT_EQ(scene->lost(), 0u);
}

TEST(OnFault, ResetGivesTheGuestACleanVf) {
  auto [bed, scene] = play("reset");
  scene->mark_registers(scene->me());
  offend(*scene);
  EXPECT_FALSE(bed->quarantined(scene->me()));
  EXPECT_FALSE(scene->marks_hold(scene->me()));
  EXPECT_TRUE(can_send(*scene));
  EXPECT_EQ(scene->lost(), 0u);
}

TEST(OnFault, QuarantineCutsTheAttackerOffAndNobodyElse) {
  auto [bed, scene] = play("quarantine");
  offend(*scene);
  EXPECT_TRUE(bed->quarantined(scene->me()));
  EXPECT_FALSE(can_send(*scene));
  // Neither does its VF write memory any more.
  const Canary own = scene->canary_of(scene->me());
  scene->write_by_dma(scene->me(), Iova(scene->self().memory - own.size()), 1u);
  EXPECT_TRUE(own.untouched());
  scene->run(50);
  EXPECT_EQ(scene->lost(), 0u);
}

TEST(OnFault, QuarantineOutlastsTheGuest) {
  auto [bed, scene] = play("quarantine");
  offend(*scene);
  const auto gone = bed->detach(scene->me());
  for (int i = 0; i < 300 && !*gone; ++i) scene->run(1);
  ASSERT_TRUE(*gone);
  (void)bed->attach(scene->me());
  bed->settle();
  EXPECT_TRUE(bed->quarantined(scene->me()));
}

// ixgbevf's self-test programs rings that it never uses; so may anybody.
TEST(OnFault, ARingThatIsNeverUsedIsNoOffence) {
  auto [bed, scene] = play("quarantine");
  client::Mmio& registers = bed->registers(scene->me());
  const auto before = bed->refusals().size();
  for (const std::uint32_t block : {regs::kRx + regs::kQueueStride, regs::kTx + regs::kQueueStride}) {
    registers.write32(block + regs::kBaseLow, 0xFFFF'FF80);
    registers.write32(block + regs::kBaseHigh, 0xFFFF'FFFF);
    registers.write32(block + regs::kLength, 0x000F'FF80);
    registers.write32(block + regs::kHead, 0);
    registers.write32(block + regs::kTail, 0);
    registers.write32(block + regs::kQueueControl, regs::kQueueEnable);
    scene->run();
    registers.write32(block + regs::kQueueControl, 0);
  }
  bed->settle();
  EXPECT_EQ(bed->refusals().size(), before);
  EXPECT_FALSE(bed->quarantined(scene->me()));
  EXPECT_TRUE(can_send(*scene));
}

}  // namespace
}  // namespace ladon::attack
