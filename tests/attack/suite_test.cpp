// Every attack of the catalogue is refused, is attributed, and would succeed without what refuses it.
#include "attack/suite.h"

#include <gtest/gtest.h>

#include <set>

#include "rack.h"

namespace ladon::attack {
namespace {

// What is under another's requester ID is recorded under that ID; what a host's driver asks for in vain, as
// the host's.
const std::set<std::string_view> kForged = {"R1a", "R1b", "R2", "R4", "P4", "D4"};

class EachAttack : public testing::TestWithParam<Attack> {
 protected:
  Build build_ = build_from(two_hosts());
};

TEST_P(EachAttack, IsRefusedAndNobodyElseNotices) {
  const auto result = try_attack(build_, GetParam());
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->outcome, Outcome::refused) << result->reason;
  EXPECT_EQ(result->collateral_packets, 0u);
}

TEST_P(EachAttack, IsAttributedToTheAttacker) {
  const Attack& attack = GetParam();
  const auto result = try_attack(build_, attack);
  ASSERT_TRUE(result) << result.error();
  if (result->by.empty() || attack.by == Party::mh || kForged.contains(attack.id)) return;
  const bool host = attack.by == Party::ch && attack.id != "I5b";
  EXPECT_EQ(result->attributed_to, attack.by == Party::wire ? kWire : host ? "ch1" : "vm-a") << result->by;
}

TEST_P(EachAttack, SucceedsWithoutItsControl) {
  const Control control = GetParam().control;
  const auto result = try_attack(build_, GetParam(), control.off, control.mutant);
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->outcome, Outcome::succeeded) << result->reason;
}

INSTANTIATE_TEST_SUITE_P(Catalogue, EachAttack, testing::ValuesIn(catalogue()),
                         [](const auto& one) { return std::string(one.param.id); });

TEST(Catalogue, NamesEachAttackOnceAndTriesEnoughRows) {
  std::set<std::string_view> ids;
  for (const Attack& attack : catalogue()) EXPECT_TRUE(ids.insert(attack.id).second) << attack.id;
  for (const LeftOut& row : left_out()) EXPECT_TRUE(ids.insert(row.id).second) << row.id;
  // E1 to E3 are rows of ours.
  EXPECT_GE(rows_tried() - 3, 45u);
}

// A rack without a second VM or a second host leaves attacks out, and says so; none is taken for refused.
TEST(Suite, SkipsWhatARackHasNobodyFor) {
  const Build build = build_from(R"(
name: one
nics: [{name: nic0, vfs: 2}]
hosts:
  - {name: mh, role: management}
  - {name: ch1, role: compute, vms: [{name: vm-a, memory: 64MiB, vf: {nic: nic0, index: 0}}]}
)");
  std::size_t skipped = 0;
  for (const Attack& attack : catalogue()) {
    const auto result = try_attack(build, attack);
    ASSERT_TRUE(result) << attack.id << ": " << result.error();
    EXPECT_NE(result->outcome, Outcome::succeeded) << attack.id << ": " << result->reason;
    if (result->outcome != Outcome::skipped) continue;
    ++skipped;
    EXPECT_FALSE(result->reason.empty()) << attack.id;
  }
  EXPECT_GT(skipped, 10u);
  EXPECT_LT(skipped, catalogue().size() / 2);
}

// More hosts and NICs than one, of another kind, and guests that share neither.
TEST(Suite, AttacksLargerRacks) {
  const Build build = build_from(R"(
name: three
nics:
  - {name: nic0, vfs: 4}
  - {name: nic1, vfs: 4, device: 82599}
hosts:
  - {name: mh, role: management, memory: 1GiB}
  - {name: ch1, role: compute, memory: 2GiB, vms: [{name: a, memory: 64MiB, vf: {nic: nic0, index: 0}}]}
  - name: ch2
    role: compute
    memory: 2GiB
    vms:
      - {name: b, memory: 128MiB, vf: {nic: nic1, index: 0}}
      - {name: c, memory: 64MiB, vf: {nic: nic0, index: 1}}
  - {name: ch3, role: compute, memory: 2GiB, vms: [{name: d, memory: 64MiB, vf: {nic: nic1, index: 2}}]}
)");
  for (const Attack& attack : catalogue()) {
    const auto result = try_attack(build, attack);
    ASSERT_TRUE(result) << attack.id << ": " << result.error();
    EXPECT_NE(result->outcome, Outcome::succeeded) << attack.id << ": " << result->reason;
    EXPECT_EQ(result->collateral_packets, 0u) << attack.id;
    if (result->outcome == Outcome::skipped) continue;
    const auto without = try_attack(build, attack, attack.control.off, attack.control.mutant);
    ASSERT_TRUE(without) << attack.id << ": " << without.error();
    EXPECT_EQ(without->outcome, Outcome::succeeded) << attack.id << ": " << without->reason;
  }
}

TEST(Suite, HasNobodyToAttackWithOnAManagementHostAlone) {
  const Build build = build_from(R"(
name: local
nics: [{name: nic0, vfs: 2}]
hosts: [{name: mh, role: management, vms: [{name: vm-m, memory: 64MiB, vf: {nic: nic0, index: 0}}]}]
)");
  const auto result = try_attack(build, catalogue().front());
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->outcome, Outcome::skipped);
}

}  // namespace
}  // namespace ladon::attack
