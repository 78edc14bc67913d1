// Packets a second from one virtual function to another. Time is the engine's; what the drivers need, which
// share its processor, is reported beside it. The median over batches is what a machine with other work to do
// can still measure. The same with drivers on a processor of their own is apart.h; what the defences cost,
// measured in pairs, defence_cost.h.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>

#include "apart.h"
#include "bed.h"
#include "defence_cost.h"
#include "goals.h"
#include "nic/rig.h"
#include "rack_bed.h"
#include "stream.h"

namespace ladon::bench {
namespace {

using Seconds = std::chrono::duration<double>;
using SystemClock = std::chrono::steady_clock;

constexpr std::size_t kMostBatches = 1u << 16;

// The NIC alone, its functions' memory reached without any translation: the upper bound of every rack.
class FlatBed final : public Bed {
 public:
  FlatBed() : rig_(options()) { rig_.wire().discard = true; }
  [[nodiscard]] Station station(unsigned index) override {
    const auto vf = static_cast<std::uint16_t>(index);
    return {rig_.registers(vf), rig_.memory(vf)};
  }
  void run() override {
    while (rig_.nic().poll()) {
    }
  }

 private:
  static nic::testing::RigOptions options() {
    nic::testing::RigOptions made;
    made.vfs = 2;
    return made;
  }
  nic::testing::Rig rig_;
};

void forward(benchmark::State& state, const BedFactory& make, std::size_t bytes) {
  const std::unique_ptr<Bed> bed = make();
  Stream stream(*bed, bytes);
  std::uint64_t sent = 0, received = 0;
  std::vector<double> batches;  // seconds
  batches.reserve(kMostBatches);
  const auto begin = SystemClock::now();
  for (auto _ : state) {
    const Stream::Batch batch = stream.batch();
    state.SetIterationTime(batch.seconds);
    if (batch.sent == Stream::kBatch && batches.size() < kMostBatches) batches.push_back(batch.seconds);
    sent += batch.sent;
    received += batch.received;
  }
  const Seconds all = SystemClock::now() - begin;
  if (received + Stream::kBatch < sent || received == 0) state.SkipWithError("frames were lost");
  const auto packets = static_cast<double>(received);
  state.counters["packets_per_second"] = benchmark::Counter(packets, benchmark::Counter::kIsRate);
  if (!batches.empty()) state.counters["packets_per_second_median"] = Stream::kBatch / median(batches);
  state.counters["packets_per_second_with_drivers"] = packets / all.count();
  state.counters["bits_per_second"] =
      benchmark::Counter(packets * 8 * static_cast<double>(bytes), benchmark::Counter::kIsRate);
}

}  // namespace

void register_packet_benchmarks(const std::string& name, const BedFactory& make) {
  for (const std::size_t bytes : kFrameSizes)
    benchmark::RegisterBenchmark((name + "/" + std::to_string(bytes)).c_str(), [make, bytes](
                                                                                   benchmark::State& state) {
      forward(state, make, bytes);
    })->UseManualTime();
}

}  // namespace ladon::bench

int main(int argc, char** argv) {
  using namespace ladon::bench;
  const unsigned rounds = take_rounds(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  register_packet_benchmarks("vf/flat", [] { return std::make_unique<FlatBed>(); });
  register_packet_benchmarks("vf/defences_on", rack_bed(Layout::across_hosts, true));
  register_packet_benchmarks("vf/defences_off", rack_bed(Layout::across_hosts, false));
  register_packet_benchmarks("vf/sriov_local", rack_bed(Layout::local, true));
  register_apart_benchmarks();
  register_resolution_benchmarks();
  register_defence_costs(rounds);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  std::fputs(goal_table().c_str(), stderr);
  return 0;
}
