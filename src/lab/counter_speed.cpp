#include "lab/counter_speed.h"

#include <chrono>
#include <thread>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace ladon::lab {

#if defined(__x86_64__)
namespace {

using Clock = std::chrono::steady_clock;

struct Reading {
  Clock::time_point at;
  std::uint64_t counter = 0;
};

// Both at nearly the same moment: of several readings the one that nothing came between.
Reading read_both() {
  Reading best;
  auto shortest = Clock::duration::max();
  for (int i = 0; i < 20; ++i) {
    const auto before = Clock::now();
    const std::uint64_t counter = __rdtsc();
    const auto took = Clock::now() - before;
    if (took < shortest) shortest = took, best = {before + took / 2, counter};
  }
  return best;
}

}  // namespace

std::uint64_t counter_khz() {
  const Reading from = read_both();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const Reading to = read_both();
  const std::chrono::duration<double, std::milli> passed = to.at - from.at;
  return static_cast<std::uint64_t>(static_cast<double>(to.counter - from.counter) / passed.count());
}
#else
std::uint64_t counter_khz() {
  return 0;
}
#endif

}  // namespace ladon::lab
