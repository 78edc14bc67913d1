// What the matrix must find: attacks of nothing, controls that are none, defences that are worth nothing.
#include "attack/matrix.h"

#include <gtest/gtest.h>

#include "rack.h"

namespace ladon::attack {
namespace {

Verdict never(Scene&) {
  return judge(false, "", "nothing happened");
}
Verdict always(Scene&) {
  return judge(true, "it happened", "");
}
Verdict store_to_sibling(Scene& scene) {
  const Canary target = scene.canary_of(*scene.parts.sibling);
  (void)scene.bed.store(scene.me(), Gpa(target.at().bits()), 1);
  return judge(!target.untouched(), "written", "as it was");
}

Matrix matrix_of(const Attack& attack, bool complete = false) {
  auto made = make_matrix(build_from(two_hosts()), {attack}, complete);
  EXPECT_TRUE(made) << made.error();
  return std::move(*made);
}

TEST(Matrix, FindsAnAttackOfNothing) {
  const Attack attack{"X1", "nothing", Party::vf, {{Defence::acs}}, never};
  const Matrix matrix = matrix_of(attack);
  EXPECT_TRUE(matrix.rows[0].vacuous);
  EXPECT_FALSE(matrix.rows[0].control_holds);
  EXPECT_FALSE(matrix.sound());
}

TEST(Matrix, FindsAnAttackThatNothingRefuses) {
  const Attack attack{"X2", "everything", Party::vf, {}, always};
  const Matrix matrix = matrix_of(attack);
  EXPECT_FALSE(matrix.rows[0].vacuous);
  EXPECT_FALSE(matrix.sound());
}

TEST(Matrix, FindsAControlThatIsNone) {
  const Attack wrong{"X3", "store", Party::vm, {{Defence::acs}}, store_to_sibling};
  EXPECT_FALSE(matrix_of(wrong).rows[0].control_holds);
  // More than is needed is no control either.
  const Attack more{"X4", "store", Party::vm, {{Defence::ept, Defence::acs}}, store_to_sibling};
  EXPECT_FALSE(matrix_of(more).rows[0].control_holds);
  const Attack right{"X5", "store", Party::vm, {{Defence::ept}}, store_to_sibling};
  const Matrix matrix = matrix_of(right);
  EXPECT_TRUE(matrix.sound());
  ASSERT_EQ(matrix.rows[0].minimal.size(), 1u);
  EXPECT_EQ(to_string(matrix.rows[0].minimal[0]), "ept");
}

TEST(Matrix, FindsDefencesThatChangeNothing) {
  const Attack attack{"X6", "store", Party::vm, {{Defence::ept}}, store_to_sibling};
  const Matrix matrix = matrix_of(attack, true);
  EXPECT_EQ(matrix.idle.size(), kDefences - 1u);
  EXPECT_FALSE(matrix.sound());
}

}  // namespace
}  // namespace ladon::attack
