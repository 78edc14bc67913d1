// The paravirtual path: frames a second between stock virtio guests and the way out, without guests. Drivers
// with their front ends, backends, the switch, and the native driver of a virtual function; the NIC behind it
// is whole, with a wire that swallows or offers frames. Rings of 256, payload untouched by the drivers.
// Time is the host's: backends, switch and driver; what the device takes, which is a model here and hardware
// elsewhere, is reported beside it. The median over batches is what a machine with other work to do can still
// measure.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "client/frames.h"
#include "client/shared_memory.h"
#include "client/vhost_front_end.h"
#include "client/virtio_net.h"
#include "fakes/scratch_folder.h"
#include "nic/rig.h"
#include "para/mux.h"
#include "para/vf_uplink.h"
#include "para/vhost_guest.h"
#include "spec/virtio.h"

namespace ladon::bench {
namespace {

namespace virtio = spec::virtio;
using Seconds = std::chrono::duration<double>;
using SystemClock = std::chrono::steady_clock;

constexpr std::uint32_t kBatch = 128;  // frames, of all guests together
constexpr std::size_t kMostBatches = 1u << 16;
constexpr std::uint64_t kMemory = 8 << 20;
constexpr MacAddress kOutside{{0x02, 0xEE, 0, 0, 0, 1}};

MacAddress mac_of(unsigned guest) {
  return {{0x52, 0x54, 0, 0, 1, static_cast<std::uint8_t>(guest)}};
}

// Takes everything, at no cost: what a limit costs apart from the meter behind it.
class OpenPolicer final : public para::Policer {
 public:
  bool allows(const para::Load& load, Instant) override { return load.bytes < 1u << 30; }
  void charge(const para::Load& load, Instant) override { passed_ += load.bytes; }
  std::optional<Instant> when(const para::Load&, Instant now) const override { return now; }

 private:
  std::uint64_t passed_ = 0;
};

struct Guest {
  Guest(const std::filesystem::path& path, const client::VirtioNetOptions& options,
        const std::function<void()>& turn)
      : memory(kMemory, true), net(options, {Iova(0), memory.bytes()}), front_end(path, turn) {
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

class Bed {
 public:
  Bed(unsigned count, bool limited)
      : rig_({.vfs = 1, .pf = {.trust = true}}),
        loop_(clock_),
        uplink_(rig_.driver(0), clock_, {}),
        mux_(uplink_, clock_, {}) {
    rig_.wire().discard = true;
    const auto turn = [this] { loop_.run_once(Duration::zero()); };
    std::vector<para::VfUplink::Station> stations;
    vhost::Backend::Options backend{.polling = true};
    for (unsigned i = 0; i < count; ++i) {
      para::Limits limits;
      if (limited) limits.transmit = limits.receive = &policer_;
      para::Port* const port = mux_.attach({.mac = mac_of(i), .limits = limits}).value();
      const auto path = folder_ / std::to_string(i).c_str();
      served_.push_back(para::VhostGuest::listen(path, loop_, *port, backend).value());
      guests_.push_back(std::make_unique<Guest>(
          path,
          client::VirtioNetOptions{.features =
                                       virtio::kVersion1 | virtio::kNetMergeable | virtio::kRingEventIdx},
          turn));
      stations.push_back({mac_of(i)});
    }
    for (int i = 0; i < 4; ++i) turn();
    if (!uplink_.start(stations)) throw std::runtime_error("the function could not start");
    rig_.driver(0).mask_interrupts();
  }

  [[nodiscard]] Guest& guest(unsigned index) { return *guests_[index]; }
  [[nodiscard]] unsigned count() const { return static_cast<unsigned>(guests_.size()); }
  [[nodiscard]] nic::testing::BenchWire& wire() { return rig_.wire(); }
  [[nodiscard]] const para::Mux& mux() const { return mux_; }
  [[nodiscard]] const para::PortTraffic& traffic(unsigned index) const {
    return served_[index]->port().traffic();
  }

  // The host's part, and the device's: seconds.
  double host() {
    const auto start = SystemClock::now();
    for (bool more = true; more;) {
      more = mux_.poll();
      for (const auto& guest : served_) more |= guest->poll();
    }
    return Seconds(SystemClock::now() - start).count();
  }
  double device() {
    const auto start = SystemClock::now();
    while (rig_.nic().poll()) {
    }
    return Seconds(SystemClock::now() - start).count();
  }

 private:
  const SteadyClock clock_;
  OpenPolicer policer_;
  fakes::ScratchFolder folder_;
  nic::testing::Rig rig_;
  EpollLoop loop_;
  para::VfUplink uplink_;
  para::Mux mux_;
  std::vector<std::unique_ptr<para::VhostGuest>> served_;
  std::vector<std::unique_ptr<Guest>> guests_;
};

client::Frame make_frame(const MacAddress& from, const MacAddress& to, std::size_t bytes) {
  client::FrameSpec spec{.destination = to, .source = from};
  spec.payload = bytes - client::layout_of(spec).payload;
  return client::make_frame(spec);
}

// Where frames go, and what one batch of them is: put() offers it, move() is timed and says how long the
// device has had, and take() removes what has arrived.
struct Case {
  void (*preload)(Bed&, std::size_t bytes);
  void (*put)(Bed&, std::size_t bytes);
  double (*move)(Bed&, double& device);
  std::uint64_t (*arrived)(Bed&);
};

void put_in_guests(Bed& bed, std::size_t) {
  for (unsigned i = 0; i < bed.count(); ++i)
    static_cast<void>(bed.guest(i).net.transmit_batch(kBatch / bed.count()));
}
double move_out(Bed& bed, double& device) {
  const double host = bed.host();
  device += bed.device();
  return host;
}
double move_in(Bed& bed, double& device) {
  device += bed.device();
  return bed.host();
}
std::uint64_t received(Bed& bed) {
  std::uint64_t frames = 0;
  for (unsigned i = 0; i < bed.count(); ++i) frames += bed.guest(i).net.receive_batch(1024);
  return frames;
}

const Case kOut{[](Bed& bed, std::size_t bytes) {
                  for (unsigned i = 0; i < bed.count(); ++i)
                    bed.guest(i).net.preload(make_frame(mac_of(i), kOutside, bytes));
                },
                put_in_guests, move_out, [](Bed& bed) { return std::exchange(bed.wire().discarded, 0); }};
const Case kIn{[](Bed&, std::size_t) {},
               [](Bed& bed, std::size_t bytes) {
                 for (std::uint32_t i = 0; i < kBatch; ++i)
                   bed.wire().arriving.push_back(make_frame(kOutside, mac_of(i % bed.count()), bytes));
               },
               move_in, received};
const Case kLocal{[](Bed& bed, std::size_t bytes) {
                    for (unsigned i = 0; i < bed.count(); ++i)
                      bed.guest(i).net.preload(make_frame(mac_of(i), mac_of((i + 1) % bed.count()), bytes));
                  },
                  put_in_guests, move_out, received};

void measure(benchmark::State& state, const Case& what, unsigned guests, std::size_t bytes, bool limited) {
  Bed bed(guests, limited);
  what.preload(bed, bytes);
  std::uint64_t frames = 0;
  double device = 0;
  std::vector<double> batches;  // seconds of the host
  batches.reserve(kMostBatches);
  for (auto _ : state) {
    what.put(bed, bytes);
    const double taken = what.move(bed, device);
    state.SetIterationTime(taken);
    if (batches.size() < kMostBatches) batches.push_back(taken);
    frames += what.arrived(bed);
  }
  const std::uint64_t offered = state.iterations() * (kBatch / guests) * guests;
  if (frames + 4 * kBatch < offered || frames == 0) state.SkipWithError("frames were lost");
  state.counters["packets_per_second"] =
      benchmark::Counter(static_cast<double>(frames), benchmark::Counter::kIsRate);
  const auto middle = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
  std::ranges::nth_element(batches, middle);
  state.counters["nanoseconds_per_packet_median"] = *middle * 1e9 / kBatch;
  state.counters["device_nanoseconds_per_packet"] = device * 1e9 / static_cast<double>(frames);
}

}  // namespace
}  // namespace ladon::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  using namespace ladon::bench;
  const auto add = [](const char* name, const Case& what, unsigned guests, std::size_t bytes, bool limited) {
    benchmark::RegisterBenchmark(
        fmt::format("para/{}/guests:{}/{}{}", name, guests, bytes, limited ? "/limited" : "").c_str(),
        [&what, guests, bytes, limited](benchmark::State& state) {
          measure(state, what, guests, bytes, limited);
        })
        ->UseManualTime();
  };
  for (const unsigned guests : {1u, 4u, 16u, 64u})
    for (const std::size_t bytes : {64u, 256u, 1514u}) {
      add("guest_to_uplink", kOut, guests, bytes, false);
      add("uplink_to_guest", kIn, guests, bytes, false);
      if (guests > 1) add("guest_to_guest", kLocal, guests, bytes, false);
    }
  add("guest_to_uplink", kOut, 4, 256, true);
  add("uplink_to_guest", kIn, 4, 256, true);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
