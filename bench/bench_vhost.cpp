// Frames a second from one virtio guest to another over vhost-user, without guests: two drivers with their
// front ends, two backends back to back, rings of 256, buffers reused, payload untouched by the endpoints.
// Time is the backends'; what the drivers need is reported beside it. The median over batches is what a
// machine with other work to do can still measure.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/time.h"
#include "client/frames.h"
#include "client/shared_memory.h"
#include "client/vhost_front_end.h"
#include "client/virtio_net.h"
#include "fakes/scratch_folder.h"
#include "fakes/vhost_cable.h"
#include "spec/virtio.h"

namespace ladon::bench {
namespace {

namespace virtio = spec::virtio;
using Seconds = std::chrono::duration<double>;
using SystemClock = std::chrono::steady_clock;

constexpr std::uint32_t kBatch = 128;
constexpr std::size_t kMostBatches = 1u << 16;
constexpr std::uint64_t kMemory = 64 << 20;

enum class Memory : std::uint8_t { sealed, may_shrink };

struct Guest {
  Guest(const std::filesystem::path& path, const client::VirtioNetOptions& options, Memory kind,
        const std::function<void()>& turn)
      : memory(kMemory, kind == Memory::sealed),
        net(options, {Iova(0), memory.bytes()}),
        front_end(path, turn) {
    const bool started = front_end.open() && front_end.set_features(options.features) &&
                         front_end.share(0, kMemory, memory.fd()) &&
                         front_end.start(virtio::kReceiveQueue, net.rx()) &&
                         front_end.start(virtio::kTransmitQueue, net.tx());
    if (!started) throw std::runtime_error("the guest could not start");
    net.rx().want_signal(false);
    net.tx().want_signal(false);
    net.fill();
  }
  client::SharedMemory memory;
  client::VirtioNet net;
  client::VhostFrontEnd front_end;
};

void forward(benchmark::State& state, std::size_t bytes, Memory kind) {
  const SteadyClock clock;
  EpollLoop loop(clock);
  const fakes::ScratchFolder folder;
  vhost::Backend::Options backend;
  backend.polling = true;
  backend.budget = {.frames = kBatch, .bytes = 16 << 20};
  fakes::VhostCable cable(loop, {folder / "a", folder / "b"}, backend);
  const auto turn = [&loop] { loop.run_once(Duration::zero()); };
  client::VirtioNetOptions options{.features =
                                       virtio::kVersion1 | virtio::kNetMergeable | virtio::kRingEventIdx};
  options.tx_buffer = static_cast<std::uint32_t>(bytes + 64);
  if (bytes > 2000) options.rx_size = 8192;  // long frames use many buffers
  Guest sender(folder / "a", options, kind, turn), receiver(folder / "b", options, kind, turn);
  for (int i = 0; i < 4; ++i) turn();
  client::FrameSpec spec;
  spec.payload = bytes - client::layout_of(spec).payload;
  client::Frame frame = client::make_frame(spec);
  sender.net.preload(frame);

  std::uint64_t sent = 0;
  std::vector<double> batches;  // seconds
  batches.reserve(kMostBatches);
  const auto begin = SystemClock::now();
  for (auto _ : state) {
    const std::uint32_t count = sender.net.transmit_batch(kBatch);
    const auto start = SystemClock::now();
    while (cable.backend(0).poll()) {
    }
    const double taken = Seconds(SystemClock::now() - start).count();
    state.SetIterationTime(taken);
    if (count == kBatch && batches.size() < kMostBatches) batches.push_back(taken);
    sent += count;
    receiver.net.receive_batch(16384);
  }
  const Seconds all = SystemClock::now() - begin;
  const auto frames = static_cast<double>(cable.backend(1).traffic().to_guest_frames);
  if (cable.backend(1).traffic().to_guest_frames + kBatch < sent || frames == 0)
    state.SkipWithError("frames were lost");
  state.counters["packets_per_second"] = benchmark::Counter(frames, benchmark::Counter::kIsRate);
  if (!batches.empty()) {
    const auto middle = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
    std::ranges::nth_element(batches, middle);
    state.counters["packets_per_second_median"] = kBatch / *middle;
  }
  state.counters["packets_per_second_with_drivers"] = frames / all.count();
  state.counters["bits_per_second"] =
      benchmark::Counter(frames * 8 * static_cast<double>(bytes), benchmark::Counter::kIsRate);
}

}  // namespace
}  // namespace ladon::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using namespace ladon::bench;
  for (const auto& [name, kind] :
       {std::pair{"vhost/guest_to_guest", Memory::sealed}, {"vhost/memory_may_shrink", Memory::may_shrink}})
    for (const std::size_t bytes : {64u, 256u, 1518u, 60'000u})
      benchmark::RegisterBenchmark(
          (std::string(name) + "/" + std::to_string(bytes)).c_str(),
          [bytes, kind = kind](benchmark::State& state) { forward(state, bytes, kind); })
          ->UseManualTime();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
