#include "base/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "base/event_fd.h"

namespace ladon {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public testing::Test {
 protected:
  ManualClock clock;
  EpollLoop loop{clock};
};

TEST_F(EventLoopTest, CallsWhatIsReadyAndNothingElse) {
  auto one = EventFd::create(), two = EventFd::create();
  std::string calls;
  loop.add(one->get(), Events::readable, [&](Events) { calls += '1'; });
  loop.add(two->get(), Events::readable, [&](Events) { calls += '2'; });
  EXPECT_EQ(loop.run_once(0ns), 0u);
  two->signal();
  EXPECT_EQ(loop.run_once(-1ns), 1u);
  EXPECT_EQ(loop.run_once(-1ns), 1u) << "level-triggered";
  two->take();
  EXPECT_EQ(loop.run_once(0ns), 0u);
  EXPECT_EQ(calls, "22");
}

TEST_F(EventLoopTest, WatchesWhatItIsToldTo) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  FileDescriptor near(ends[0]), far(ends[1]);
  Events seen = Events::none;
  loop.add(near.get(), Events::readable, [&](Events events) { seen = events; });
  EXPECT_EQ(loop.run_once(0ns), 0u);
  loop.change(near.get(), Events::readable | Events::writable);
  EXPECT_EQ(loop.run_once(0ns), 1u);
  EXPECT_EQ(seen, Events::writable);
  loop.change(near.get(), Events::none);
  EXPECT_EQ(loop.run_once(0ns), 0u);
  far.reset();
  EXPECT_EQ(loop.run_once(0ns), 1u);
  EXPECT_TRUE(has(seen, Events::hangup)) << "reported even if nothing is watched";
}

TEST_F(EventLoopTest, ACallbackMayRemoveItselfAndAnotherThatIsReadyToo) {
  auto one = EventFd::create(), two = EventFd::create();
  one->signal(), two->signal();
  int calls = 0;
  const auto remove_both = [&](Events) {
    ++calls;
    loop.remove(one->get());
    loop.remove(two->get());
  };
  loop.add(one->get(), Events::readable, remove_both);
  loop.add(two->get(), Events::readable, remove_both);
  EXPECT_EQ(loop.run_once(0ns), 1u);
  EXPECT_EQ(loop.run_once(0ns), 0u);
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, AReusedNumberGetsNoEventOfItsPredecessor) {
  auto one = EventFd::create(), two = EventFd::create();
  one->signal(), two->signal();
  int fresh_calls = 0;
  // Whichever of the two runs first replaces the other by a fresh watch of the same number.
  const auto replace = [&](int other) {
    loop.remove(one->get());
    loop.remove(two->get());
    loop.add(other, Events::readable, [&](Events) { ++fresh_calls; });
  };
  loop.add(one->get(), Events::readable, [&](Events) { replace(two->get()); });
  loop.add(two->get(), Events::readable, [&](Events) { replace(one->get()); });
  EXPECT_EQ(loop.run_once(0ns), 1u);
  EXPECT_EQ(fresh_calls, 0);
  EXPECT_EQ(loop.run_once(0ns), 1u);
  EXPECT_EQ(fresh_calls, 1);
}

TEST_F(EventLoopTest, TimersRunInOrderOfDeadlineThenOfCreation) {
  std::string order;
  loop.at(clock.now() + 2us, [&] { order += 'c'; });
  loop.at(clock.now() + 1us, [&] { order += 'a'; });
  loop.at(clock.now() + 1us, [&] { order += 'b'; });
  const auto cancelled = loop.at(clock.now() + 1us, [&] { order += 'x'; });
  loop.cancel(cancelled);
  EXPECT_EQ(loop.run_once(0ns), 0u);
  clock.advance(1us);
  EXPECT_EQ(loop.run_once(-1ns), 2u);
  EXPECT_EQ(order, "ab");
  clock.advance(1us);
  EXPECT_EQ(loop.run_once(-1ns), 1u);
  EXPECT_EQ(order, "abc");
}

TEST_F(EventLoopTest, ATimerSetByATimerForNowWaitsForTheNextTurn) {
  int calls = 0;
  std::move_only_function<void()> again = [&] {
    ++calls;
    loop.at(clock.now(), [&] { ++calls; });
  };
  loop.at(clock.now(), std::move(again));
  EXPECT_EQ(loop.run_once(0ns), 1u);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loop.run_once(-1ns), 1u);
  EXPECT_EQ(calls, 2);
}

TEST(EventLoop, WaitsForItsTimerByTheRealClock) {
  SteadyClock clock;
  EpollLoop loop(clock);
  bool ran = false;
  const Instant deadline = clock.now() + 3ms;
  loop.at(deadline, [&] { ran = true; });
  while (!ran) loop.run_once(-1ns);
  EXPECT_GE(clock.now(), deadline);
}

TEST_F(EventLoopTest, WakeEndsAWait) {
  loop.wake();
  EXPECT_EQ(loop.run_once(-1ns), 1u);
  EXPECT_EQ(loop.run_once(0ns), 0u);
}

}  // namespace
}  // namespace ladon
