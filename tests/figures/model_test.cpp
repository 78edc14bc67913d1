#include "figures/model.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace ladon::figures {
namespace {

TEST(ClosedLoop, EqualWorkBeforeAndBehindTheLimitGivesTheFreeMachineNothing) {
  for (const double limit : {1.0, 100.0, 300.0, 449.0, 450.0, 900.0}) {
    const Rates rates = closed_loop({}, limit);
    EXPECT_NEAR(rates.vm1, 450, 0.1) << limit;
    EXPECT_NEAR(rates.vm2, std::min(limit, 450.0), 0.1) << limit;
    EXPECT_TRUE(feasible(rates.utilizations)) << limit;
  }
}

TEST(ClosedLoop, ALimitBeforeAllWorkGivesTheFreeMachineAllThatIsGivenUp) {
  const SharedPath path{.before = 0, .after = 1.0 / 900};
  for (const double limit : {0.0, 50.0, 225.0, 400.0, 450.0})
    EXPECT_NEAR(closed_loop(path, limit).total(), 900, 1e-6) << limit;
}

TEST(ClosedLoop, ALimitBehindAllWorkTakesFromBoth) {
  const SharedPath path{.before = 1.0 / 900, .after = 0};
  const Rates rates = closed_loop(path, 50);
  EXPECT_LT(rates.vm1, 450);
  EXPECT_NEAR(rates.vm2, 50, 1e-6);
}

RC_GTEST_PROP(ClosedLoop, TheSaturatedHostIsBusyAndNobodyElseMoreThanWhole, ()) {
  const double before = *rc::gen::inRange(0, 1001) / 1e6, limit = *rc::gen::inRange(0, 1000);
  const SharedPath path{.before = before, .after = 1.0 / 900 - before};
  const Rates rates = closed_loop(path, limit);
  RC_ASSERT(std::abs(rates.utilizations.front().value - 1) < 1e-6);
  RC_ASSERT(rates.vm2 <= limit + 1e-6);
  RC_ASSERT(rates.total() <= 900 + 1e-6);
}

TEST(OpenLoop, ARefusalThatBurnsNothingLeavesAll) {
  const OpenLoop load{.burnt = 0};
  for (const double limit : {0.0, 100.0, 450.0})
    EXPECT_DOUBLE_EQ(open_loop(load, limit).total(), 900) << limit;
}

TEST(OpenLoop, ARefusalThatBurnsAReplyLeavesNothing) {
  const OpenLoop load{.burnt = 1};
  for (const double limit : {0.0, 100.0, 450.0, 800.0})
    EXPECT_DOUBLE_EQ(open_loop(load, limit).vm1, 450) << limit;
  EXPECT_DOUBLE_EQ(open_loop(load, 800).vm2, 450);
}

RC_GTEST_PROP(OpenLoop, TheDeviceIsNeverMoreThanBusy, ()) {
  const OpenLoop load{.burnt = *rc::gen::inRange(0, 1001) / 1e3};
  const Rates rates = open_loop(load, *rc::gen::inRange(0, 1000));
  RC_ASSERT(feasible(rates.utilizations));
  RC_ASSERT(rates.vm1 >= 0);
}

TEST(OpenLoop, MoreThanTheDeviceCanIsNotFeasible) {
  const OpenLoop load{.capacity = 900, .offered = 800, .burnt = 2};
  EXPECT_FALSE(feasible(open_loop(load, 0).utilizations));
  EXPECT_EQ(open_loop(load, 0).vm1, 0);
}

}  // namespace
}  // namespace ladon::figures
