#include "base/event_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

namespace ladon {
namespace {

TEST(EventFd, CountsSignals) {
  auto event = EventFd::create();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->take(), 0u);
  event->signal();
  event->signal();
  EXPECT_EQ(event->take(), 2u);
  EXPECT_EQ(event->take(), 0u);
}

TEST(EventFd, AFullOneIsNotWaitedForEvenIfItsOwnerMakesItBlock) {
  FileDescriptor owner(::eventfd(0, EFD_CLOEXEC));
  auto event = EventFd::adopt(FileDescriptor(::dup(owner.get())));
  ASSERT_TRUE(event);
  const std::uint64_t most = ~std::uint64_t{0} - 1;
  ASSERT_EQ(::write(owner.get(), &most, sizeof most), 8);
  event->signal();
  ASSERT_EQ(::fcntl(owner.get(), F_SETFL, 0), 0);
  for (int i = 0; i < 3; ++i) event->signal();
  EXPECT_GE(event->take(), most);
  EXPECT_EQ(event->take(), 0u);
  event->signal();
  EXPECT_EQ(event->take(), 1u);
}

TEST(EventFd, TakingNeverWaitsForASharerThatTakesAsWell) {
  FileDescriptor owner(::eventfd(0, EFD_CLOEXEC));
  auto event = EventFd::adopt(FileDescriptor(::dup(owner.get())));
  ASSERT_TRUE(event);
  ASSERT_EQ(::fcntl(owner.get(), F_SETFL, 0), 0);
  std::atomic<bool> end = false;
  std::thread thief([&] {
    auto shared = EventFd::adopt(FileDescriptor(::dup(owner.get())));
    ::fcntl(owner.get(), F_SETFL, 0);
    while (!end) shared->take();
  });
  std::uint64_t taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    event->signal();
    taken += event->take();
  }
  end = true;
  thief.join();
  EXPECT_LE(taken, 20'000u);
}

TEST(EventFd, ManySignalsOfSharedOnesAllCount) {
  FileDescriptor first(::eventfd(0, EFD_CLOEXEC)), second(::eventfd(0, EFD_CLOEXEC));
  auto one = EventFd::adopt(FileDescriptor(::dup(first.get())));
  auto two = EventFd::adopt(FileDescriptor(::dup(second.get())));
  ASSERT_TRUE(one && two);
  for (int i = 0; i < 1000; ++i) {  // more than the kernel keeps completions of
    one->signal();
    if (i % 2 == 0) two->signal();
  }
  EXPECT_EQ(one->take(), 1000u);
  EXPECT_EQ(two->take(), 500u);
}

TEST(EventFd, AdoptsNothingElse) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  FileDescriptor reader(ends[0]);
  EXPECT_EQ(EventFd::adopt(FileDescriptor(ends[1])).error(), EventFdError::not_an_eventfd);
  EXPECT_EQ(EventFd::adopt(FileDescriptor()).error(), EventFdError::not_an_eventfd);
}

}  // namespace
}  // namespace ladon
