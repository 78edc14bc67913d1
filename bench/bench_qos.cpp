// What quality of service costs and how well it holds: a packet's metering and scheduling for 8, 64 and 1,024
// vNICs, a device with and without levels, and the goals that were set (qos_goals.h), each beside what was
// measured.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <vector>

#include "client/frames.h"
#include "goals.h"
#include "nic/rig.h"
#include "qos/level.h"
#include "qos/limiter.h"
#include "qos/partitions.h"
#include "qos/scheduler.h"
#include "qos_goals.h"

namespace ladon::bench {
namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t kGigabit = 1'000'000'000;
constexpr std::uint32_t kFrame = 1514;

// vNICs in an order that no prefetcher guesses.
std::vector<std::uint16_t> shuffled(std::size_t count) {
  std::vector<std::uint16_t> order(4096);
  std::minstd_rand random(11);
  for (auto& each : order) each = static_cast<std::uint16_t>(random() % count);
  return order;
}

// One measure, as SENIC counts limiters; a packet every 100 ns.
void meter(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  std::vector<qos::Meter> meters(count, qos::Meter({.committed = kGigabit,
                                                    .committed_burst = 64 * 8 * kFrame,
                                                    .excess = kGigabit,
                                                    .excess_burst = 64 * 8 * kFrame},
                                                   Instant{}));
  const auto order = shuffled(count);
  Instant now{};
  std::size_t i = 0, admitted = 0;
  for (auto _ : state) {
    now += nanoseconds(100);
    qos::Meter& each = meters[order[i++ % order.size()]];
    const qos::Colour colour = each.colour(8 * kFrame, now);
    if (colour == qos::Colour::red) continue;
    each.take(colour, 8 * kFrame);
    ++admitted;
  }
  benchmark::DoNotOptimize(admitted);
  state.counters["bytes_per_limiter"] = sizeof(qos::Meter);
}

// All that admission does: bytes, packets and cost by two rates each, then memory.
void admission(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  qos::ServiceLevel level;
  level.receive = {.guaranteed = kGigabit, .most = 2 * kGigabit};
  level.receive_packets = {.guaranteed = 1'000'000, .most = 2'000'000};
  level.receive_cost = {.guaranteed = 100'000'000, .most = 200'000'000};
  std::vector<qos::Limiter> limiters(count, qos::Limiter(qos::limiter_rates(level), Instant{}));
  qos::Partitions memory(std::uint64_t{64} << 20, static_cast<std::uint16_t>(count));
  for (std::uint16_t vnic = 0; vnic < count; ++vnic)
    memory.resize(vnic, {.guaranteed = 32 << 10, .most = 64 << 10});
  const auto order = shuffled(count);
  Instant now{};
  std::size_t i = 0, admitted = 0;
  for (auto _ : state) {
    now += nanoseconds(100);
    const std::uint16_t vnic = order[i++ % order.size()];
    const qos::Load load{.bytes = kFrame, .cost = qos::cost_of(kFrame, true)};
    const auto verdict = limiters[vnic].judge(load, now);
    if (verdict.colour == qos::Colour::red || !memory.fits(vnic, kFrame)) continue;
    limiters[vnic].take(verdict, load);
    memory.hold(vnic, kFrame);
    memory.release(vnic, kFrame);
    ++admitted;
  }
  state.counters["admitted_share"] = static_cast<double>(admitted) / static_cast<double>(state.iterations());
}

// Everybody has frames, a third a guarantee, a third a maximum; a turn is one frame. The link is as fast as
// the scheduler, so that waiting for tokens is part of it.
void schedule(benchmark::State& state) {
  const auto count = static_cast<std::uint16_t>(state.range(0));
  qos::Scheduler scheduler({.flows = count, .quantum = kFrame}, Instant{});
  for (std::uint16_t vnic = 0; vnic < count; ++vnic) {
    qos::Share share{.priority = static_cast<std::uint8_t>(vnic % 2), .weight = 1};
    if (vnic % 3 == 1) share.guaranteed = 5 * kGigabit / count, share.guaranteed_burst = 4 * kFrame;
    if (vnic % 3 == 2) share.most = 20 * kGigabit / count, share.most_burst = 4 * kFrame;
    scheduler.set_share(vnic, share, Instant{});
    scheduler.activate(vnic, kFrame, Instant{});
  }
  Instant now{};
  std::size_t turns = 0;
  for (auto _ : state) {
    now += nanoseconds(121);  // a frame at 100 Gb/s
    const auto turn = scheduler.next(now);
    if (!turn) continue;
    scheduler.served(*turn, kFrame, kFrame, now);
    ++turns;
  }
  state.counters["served_share"] = static_cast<double>(turns) / static_cast<double>(state.iterations());
}

// A whole device, VF to VF at 64 bytes, without a level and with levels that never refuse, and with one that
// refuses everything: the time of the device alone, by packet.
enum class Levels : std::uint8_t { none, metered, in_turns, refusing };

qos::ServiceLevel sender_level(Levels levels, qos::ServiceLevel level) {
  if (levels == Levels::in_turns) level.transmit_turns.weight = 2;
  return level;
}
qos::ServiceLevel receiver_level(Levels levels, qos::ServiceLevel level) {
  if (levels == Levels::metered) {
    level.receive = {.guaranteed = kGigabit, .most = 1000 * kGigabit};
    level.receive_packets = {.guaranteed = 1'000'000, .most = kGigabit};
    level.receive_cost = {.guaranteed = kGigabit, .most = 100 * kGigabit};
  }
  if (levels == Levels::refusing) level.receive_packets = {.most = 1, .burst = 1};
  return level;
}

client::VfDriver& opened(nic::testing::Rig& rig, std::uint16_t vf) {
  client::VfDriver& driver = rig.driver(vf);
  if (!driver.probe() || !driver.open()) throw std::runtime_error("the driver could not start");
  driver.mask_interrupts();
  return driver;
}

void device(benchmark::State& state, Levels levels) {
  constexpr std::uint32_t kBatch = 128;
  nic::testing::RigOptions options;
  options.driver.report_every = 32;
  nic::testing::Rig rig(options);
  client::VfDriver &sender = opened(rig, 0), &receiver = opened(rig, 1);
  if (rig.nic().set_level(0, sender_level(levels, rig.nic().level(0))) ||
      rig.nic().set_level(1, receiver_level(levels, rig.nic().level(1))))
    return state.SkipWithError("the level was refused");
  sender.tx().fill(
      client::make_frame({.destination = receiver.mac(), .source = sender.mac(), .payload = 22}));
  std::vector<double> times;  // seconds a packet
  for (auto _ : state) {
    const std::uint32_t count = sender.tx().transmit_batch(kBatch);
    rig.clock().advance(nanoseconds(100) * kBatch);
    const auto start = std::chrono::steady_clock::now();
    while (rig.nic().poll()) {
    }
    const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state.SetIterationTime(taken);
    if (count == kBatch) times.push_back(taken / kBatch);
    receiver.rx().receive_batch(2 * kBatch);
  }
  if (times.empty()) return;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  state.counters["seconds_per_packet_median"] = *middle;
}

BENCHMARK_CAPTURE(device, none, Levels::none)->Name("qos/device/no_level")->UseManualTime();
BENCHMARK_CAPTURE(device, metered, Levels::metered)->Name("qos/device/metered")->UseManualTime();
BENCHMARK_CAPTURE(device, in_turns, Levels::in_turns)->Name("qos/device/in_turns")->UseManualTime();
BENCHMARK_CAPTURE(device, refusing, Levels::refusing)->Name("qos/device/refused")->UseManualTime();
BENCHMARK(meter)->Name("qos/meter")->Arg(8)->Arg(64)->Arg(1024);
BENCHMARK(admission)->Name("qos/admission")->Arg(8)->Arg(64)->Arg(1024);
BENCHMARK(schedule)->Name("qos/schedule")->Arg(8)->Arg(64)->Arg(1024);
}  // namespace
}  // namespace ladon::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  ladon::bench::register_qos_goals();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  std::printf("\n%s", ladon::bench::goal_table().c_str());
  return 0;
}
