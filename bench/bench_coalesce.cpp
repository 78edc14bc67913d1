// Receive coalescing with and without: one function sends TCP packets of 32 KiB that the device cuts, another
// receives the segments. The device's time, and that of the device and a driver that looks at every frame
// once.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "client/frames.h"
#include "nic/rig.h"

namespace ladon::bench {
namespace {

constexpr std::size_t kPayload = 32'768, kSegment = 1448;
using Seconds = std::chrono::duration<double>;

client::VfDriver& opened(nic::testing::Rig& rig, std::uint16_t vf) {
  client::VfDriver& driver = rig.driver(vf);
  if (!driver.probe() || !driver.open()) throw std::runtime_error("the driver could not start");
  driver.mask_interrupts();
  return driver;
}

void switch_on(nic::testing::Rig& rig, std::uint16_t vf) {
  namespace pf = spec::pf;
  const std::uint32_t at = pf::kVf + vf * pf::kVfStride + pf::kVfControl;
  rig.pf_registers().write32(at, rig.pf_registers().read32(at) | pf::kVfCoalesce);
}

double median(std::vector<double>& times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  return *middle;
}

void receive(benchmark::State& state, bool coalescing) {
  nic::testing::Rig rig;
  client::VfDriver &sender = opened(rig, 0), &receiver = opened(rig, 1);
  if (coalescing) switch_on(rig, 1);
  const client::FrameSpec spec{.destination = receiver.mac(),
                               .source = sender.mac(),
                               .carries = client::Carries::tcp,
                               .payload = kPayload,
                               .transport_checksum = false};
  client::Frame packet = client::make_frame(spec);
  store_be(packet.data() + client::layout_of(spec).network + 10, std::uint16_t{0});  // as drivers leave it
  client::TxOffload offload;
  offload.ip_checksum = offload.l4_checksum = offload.segment = true;
  offload.transport_length = 20;
  offload.segment_size = kSegment;
  std::vector<double> device, both;
  std::uint64_t frames = 0, packets = 0;
  for (auto _ : state) {
    sender.tx().reclaim();
    if (!sender.tx().send(packet, offload)) return state.SkipWithError("the ring is full");
    const auto start = std::chrono::steady_clock::now();
    while (rig.nic().poll()) {
    }
    const auto moved = std::chrono::steady_clock::now();
    std::array<ConstBytes, 16> parts;
    while (const auto frame = receiver.rx().front(parts)) {
      benchmark::DoNotOptimize(parts[0].data());
      receiver.rx().pop(*frame);
      ++frames;
    }
    const auto end = std::chrono::steady_clock::now();
    receiver.rx().refill();
    state.SetIterationTime(Seconds(end - start).count());
    device.push_back(Seconds(moved - start).count());
    both.push_back(Seconds(end - start).count());
    ++packets;
  }
  constexpr double kSegments = (kPayload + kSegment - 1) / kSegment;
  if (packets == 0) return;
  state.counters["bits_per_second_device"] = 8.0 * kPayload / median(device);
  state.counters["bits_per_second_with_driver"] = 8.0 * kPayload / median(both);
  state.counters["frames_per_segment"] =
      static_cast<double>(frames) / (kSegments * static_cast<double>(packets));
}

BENCHMARK_CAPTURE(receive, off, false)->Name("coalesce/off")->UseManualTime();
BENCHMARK_CAPTURE(receive, on, true)->Name("coalesce/on")->UseManualTime();

}  // namespace
}  // namespace ladon::bench

BENCHMARK_MAIN();
