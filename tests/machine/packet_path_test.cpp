// What a packet costs besides its bytes: across two hosts and through every table, once the caches are warm,
// no allocation, and no lock but the two of an engine round. Counted with the program's own operator new
// and pthread_mutex_lock.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include "client/frames.h"
#include "fakes/count_allocations.h"
#include "machine/rack_fixture.h"

namespace {
thread_local std::size_t locks = 0;
}

// The sanitizers have a lock of their own in that place.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  using Lock = int (*)(pthread_mutex_t*);
  static const auto real = reinterpret_cast<Lock>(::dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  ++locks;
  return real(mutex);
}
#endif

namespace ladon::machine {
namespace {

constexpr std::size_t kVmA = 1, kBare = 3;

TEST(PacketPath, NeitherAllocatesNorLocks) {
  // Control has its own times to look around, on this thread too: none within this test's.
  constexpr Duration kNever = std::chrono::hours(1);
  RunningRack rack(kTwoHosts, {.parts = kNever, .management = kNever});
  ASSERT_TRUE(rack.wait_assigned()) << rack.management_error();
  const auto sender = rack.client(kVmA), receiver = rack.client(kBare);
  sender->driver.mask_interrupts();
  receiver->driver.mask_interrupts();
  client::FrameSpec spec{.destination = receiver->driver.mac(), .source = sender->driver.mac()};
  sender->driver.tx().fill(client::make_frame(spec));

  constexpr std::uint32_t kBatch = 64;
  std::size_t rounds = 0;
  const auto batch = [&] {
    const std::uint32_t sent = sender->driver.tx().transmit_batch(kBatch);
    do {
      rack.machine().run_once(Duration{0});
      ++rounds;
    } while (rack.machine().nic(0).has_work());
    return sent == kBatch ? receiver->driver.rx().receive_batch(2 * kBatch) : 0;
  };
  for (int warm = 0; warm < 64; ++warm) (void)batch();

  rounds = 0;
  const std::size_t allocated = fakes::allocations, locked = locks;
  std::uint64_t packets = 0;
  for (int i = 0; i < 200; ++i) packets += batch();
  EXPECT_GE(packets, 199u * kBatch);
  EXPECT_EQ(fakes::allocations, allocated);
  EXPECT_LE(locks - locked, 2 * rounds);
  EXPECT_LT(rounds, packets / 8);
}

}  // namespace
}  // namespace ladon::machine
