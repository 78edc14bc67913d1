#include "qos/timing_wheel.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace ladon::qos {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// Against a map: everybody expires once, never early, and when the clock is set to what next() says, at most
// a slot late.
RC_GTEST_PROP(TimingWheel, ExpiresWhatIsDue, ()) {
  constexpr std::uint16_t kCount = 40;
  TimingWheel wheel(kCount);
  Instant now = Instant(seconds(*rc::gen::inRange(0, 100'000)));
  std::map<std::uint16_t, Instant> model;
  wheel.advance(now, [](std::uint16_t) {});
  for (int step = 0; step < 200; ++step) {
    const auto id = *rc::gen::inRange<std::uint16_t>(0, kCount);
    RC_ASSERT(wheel.contains(id) == model.contains(id));
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        wheel.remove(id);
        model.erase(id);
        break;
      case 1:
      case 2: {
        if (model.contains(id)) break;
        const Instant due = now + nanoseconds(*rc::gen::inRange<std::int64_t>(0, 20'000'000));
        wheel.add(id, due);
        model[id] = due;
        break;
      }
      default: {
        const auto next = wheel.next();
        RC_ASSERT(next.has_value() == !model.empty());
        if (next && *rc::gen::arbitrary<bool>())
          now = std::max(now, *next);
        else
          now += nanoseconds(*rc::gen::inRange<std::int64_t>(0, 9'000'000));
        wheel.advance(now, [&](std::uint16_t expired) {
          RC_ASSERT(model.at(expired) <= now);
          model.erase(expired);
        });
        for (const auto& [left, due] : model) RC_ASSERT(due + TimingWheel::kResolution > now);
      }
    }
  }
}

TEST(TimingWheel, FollowsItsOwnAdviceToTheMoment) {
  TimingWheel wheel(2);
  const Instant due = Instant(seconds(3)) + nanoseconds(1);
  wheel.advance(Instant(seconds(1)), [](std::uint16_t) {});
  wheel.add(1, due);
  Instant now{};
  int looks = 0;
  bool expired = false;
  while (!expired) {
    now = wheel.next().value();
    wheel.advance(now, [&](std::uint16_t) { expired = true; });
    ++looks;
  }
  EXPECT_GE(now, due);
  EXPECT_LE(now, due + 2 * TimingWheel::kResolution);
  EXPECT_LT(looks, 500);  // two seconds in steps of four milliseconds
}

TEST(TimingWheel, WhoExpiresMayWaitAgain) {
  TimingWheel wheel(1);
  wheel.add(0, Instant(nanoseconds(5000)));
  int times = 0;
  for (Instant now{}; now < Instant(nanoseconds(100'000)); now += nanoseconds(1000))
    wheel.advance(now, [&](std::uint16_t id) {
      ++times;
      wheel.add(id, now + nanoseconds(10'000));
    });
  EXPECT_THAT(times, testing::AllOf(testing::Ge(8), testing::Le(10)));
}

}  // namespace
}  // namespace ladon::qos
