// Packets a second from one virtual function to another: rings of 256, buffers reused, payload untouched by
// the endpoints. Time is the engine's; what the drivers need is reported beside it. The median over batches
// is what a machine with other work to do can still measure.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "bed.h"
#include "client/frames.h"
#include "client/vf_driver.h"
#include "nic/rig.h"
#include "rack_bed.h"

namespace ladon::bench {
namespace {

using Seconds = std::chrono::duration<double>;
using SystemClock = std::chrono::steady_clock;

constexpr std::uint32_t kBatch = 128;
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

client::VfDriver open_driver(const Station& station) {
  client::VfOptions options;
  options.report_every = 32;  // as DPDK's driver for this function
  options.max_frame = 1522;
  client::VfDriver driver(station.registers, station.memory, options);
  if (!driver.probe() || !driver.open()) throw std::runtime_error("the driver could not start");
  driver.mask_interrupts();
  return driver;
}

void forward(benchmark::State& state, const BedFactory& make, std::size_t bytes) {
  const std::unique_ptr<Bed> bed = make();
  client::VfDriver sender = open_driver(bed->station(0)), receiver = open_driver(bed->station(1));
  client::FrameSpec spec{.destination = receiver.mac(), .source = sender.mac()};
  spec.payload = bytes - client::layout_of(spec).payload;
  sender.tx().fill(client::make_frame(spec));

  std::uint64_t sent = 0, received = 0;
  std::vector<double> batches;  // seconds
  batches.reserve(kMostBatches);
  const auto begin = SystemClock::now();
  for (auto _ : state) {
    const std::uint32_t count = sender.tx().transmit_batch(kBatch);
    const auto start = SystemClock::now();
    bed->run();
    const double taken = Seconds(SystemClock::now() - start).count();
    state.SetIterationTime(taken);
    if (count == kBatch && batches.size() < kMostBatches) batches.push_back(taken);
    sent += count;
    received += receiver.rx().receive_batch(2 * kBatch);
  }
  const Seconds all = SystemClock::now() - begin;
  if (received + kBatch < sent || received == 0) state.SkipWithError("frames were lost");
  const auto packets = static_cast<double>(received);
  state.counters["packets_per_second"] = benchmark::Counter(packets, benchmark::Counter::kIsRate);
  if (!batches.empty()) {
    const auto middle = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
    std::ranges::nth_element(batches, middle);
    state.counters["packets_per_second_median"] = kBatch / *middle;
  }
  state.counters["packets_per_second_with_drivers"] = packets / all.count();
  state.counters["bits_per_second"] =
      benchmark::Counter(packets * 8 * static_cast<double>(bytes), benchmark::Counter::kIsRate);
}

}  // namespace

void register_packet_benchmarks(const std::string& name, const BedFactory& make) {
  for (const std::size_t bytes : {64u, 256u, 1518u})
    benchmark::RegisterBenchmark((name + "/" + std::to_string(bytes)).c_str(), [make, bytes](
                                                                                   benchmark::State& state) {
      forward(state, make, bytes);
    })->UseManualTime();
}

}  // namespace ladon::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using namespace ladon::bench;
  register_packet_benchmarks("vf/flat", [] { return std::make_unique<FlatBed>(); });
  register_packet_benchmarks("vf/defences_on", rack_bed(Layout::across_hosts, true));
  register_packet_benchmarks("vf/defences_off", rack_bed(Layout::across_hosts, false));
  register_packet_benchmarks("vf/sriov_local", rack_bed(Layout::local, true));
  register_resolution_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
