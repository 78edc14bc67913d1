#include "apart.h"

#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "machine/posted_registers.h"
#include "rack_bed.h"
#include "stream.h"

namespace ladon::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::uint64_t kSpell = 4096;  // frames
constexpr std::size_t kMostSpells = 1u << 16;

// This thread runs on one processor of those that it may use: the first, or the second if there are two. Ends
// as it was.
class OnProcessor {
 public:
  explicit OnProcessor(int which) {
    CPU_ZERO(&before_);
    if (::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_) != 0) return;
    if (CPU_COUNT(&before_) < 2) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    int seen = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &before_) && seen++ == which) CPU_SET(cpu, &one);
    moved_ = ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one) == 0;
  }
  ~OnProcessor() {
    if (moved_) (void)::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_);
  }
  OnProcessor(const OnProcessor&) = delete;
  OnProcessor& operator=(const OnProcessor&) = delete;

 private:
  cpu_set_t before_{};
  bool moved_ = false;
};

// A driver waits for the management software, which has another thread.
void pause() {
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Two drivers in a thread of their own: each sends what its ring takes and takes what has come.
class Drivers {
 public:
  Drivers(RackBed& bed, std::size_t bytes)
      : registers_{{bed.vf_slot(0), [] {}, pause}, {bed.vf_slot(1), [] {}, pause}},
        thread_([this, &bed, bytes] { run(bed, bytes); }) {}
  ~Drivers() {
    stop_ = true;
    for (auto& each : registers_) each.close();
    thread_.join();
  }
  Drivers(const Drivers&) = delete;
  Drivers& operator=(const Drivers&) = delete;

  enum class State { starting, sending, failed };
  [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }

  // On the engine's thread.
  bool serve() {
    const bool first = registers_[0].serve();
    return registers_[1].serve() || first;
  }

 private:
  void run(RackBed& bed, std::size_t bytes) {
    const OnProcessor second(1);
    try {
      client::VfDriver a = open_driver({registers_[0], bed.memory(0)});
      client::VfDriver b = open_driver({registers_[1], bed.memory(1)});
      fill_frames(a, b, bytes);
      fill_frames(b, a, bytes);
      state_.store(State::sending, std::memory_order_release);
      while (!stop_.load(std::memory_order_relaxed))
        for (client::VfDriver* const driver : {&a, &b}) {
          driver->tx().transmit_batch(Stream::kBatch);
          driver->rx().receive_batch(2 * Stream::kBatch);
        }
    } catch (const std::runtime_error&) {
      state_.store(State::failed, std::memory_order_release);
    }
  }

  machine::PostedRegisters registers_[2];
  std::atomic<State> state_{State::starting};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// What the engine did, turn by turn.
class Account {
 public:
  void turn(std::uint64_t frames, double seconds) {
    if (frames == 0) return;
    busy_ += seconds;
    spell_ += seconds;
    frames_ += frames;
    spell_frames_ += frames;
    if (spell_frames_ < kSpell) return;
    if (spells_.size() < kMostSpells) spells_.push_back(spell_ / static_cast<double>(spell_frames_));
    spell_ = 0;
    spell_frames_ = 0;
  }
  void report(benchmark::State& state, double seconds) {
    state.counters["packets_per_second"] = static_cast<double>(frames_) / seconds;
    state.counters["busy"] = busy_ / seconds;
    if (!spells_.empty()) state.counters["packets_per_second_median"] = 1 / median(spells_);
  }
  [[nodiscard]] std::uint64_t frames() const { return frames_; }

 private:
  double busy_ = 0, spell_ = 0;
  std::uint64_t frames_ = 0, spell_frames_ = 0;
  std::vector<double> spells_;  // seconds a frame
};

std::uint64_t frames_delivered(RackBed& bed) {
  const nic::Nic& nic = bed.machine().nic(0);
  return nic.statistics(0).received_packets + nic.statistics(1).received_packets;
}

void forward_apart(benchmark::State& state, const RackBedOptions& options, std::size_t bytes) {
  RackBed bed(options);
  Drivers drivers(bed, bytes);
  const auto turn = [&] {
    drivers.serve();
    bed.machine().run_once(Duration{0});
  };
  const OnProcessor first(0);
  while (drivers.state() == Drivers::State::starting) turn();
  if (drivers.state() == Drivers::State::failed) return state.SkipWithError("the drivers could not start");

  Account account;
  std::uint64_t before = frames_delivered(bed);
  const auto begin = Clock::now();
  auto now = begin;
  for (auto _ : state) {
    turn();
    const auto then = std::exchange(now, Clock::now());
    const std::uint64_t delivered = frames_delivered(bed);
    account.turn(delivered - std::exchange(before, delivered), Seconds(now - then).count());
  }
  account.report(state, Seconds(now - begin).count());
}

}  // namespace

void register_apart_benchmarks() {
  struct Case {
    const char* name;
    RackBedOptions options;
  };
  for (const Case& each : {Case{"sriov_local", {.layout = Layout::local}}, Case{"defences_on", {}}})
    for (const std::size_t bytes : kFrameSizes)
      benchmark::RegisterBenchmark(
          ("vf/apart/" + std::string(each.name) + "/" + std::to_string(bytes)).c_str(),
          [=](benchmark::State& state) { forward_apart(state, each.options, bytes); })
          ->UseRealTime();
}

}  // namespace ladon::bench
