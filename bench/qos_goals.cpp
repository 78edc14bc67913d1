#include "qos_goals.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "client/frames.h"
#include "goals.h"
#include "nic/rig.h"
#include "qos/level.h"
#include "qos/limiter.h"
#include "qos/link.h"
#include "qos/scheduler.h"

namespace ladon::bench {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::uint64_t kGigabit = 1'000'000'000;
constexpr std::uint32_t kFrame = 1514;

// ---- rates

qos::Meter policer(const qos::ServiceLevel& level) {
  return {*qos::limiter_rates(level)[0], Instant{}};
}
bool passes(qos::Meter& meter, std::uint64_t bits, Instant now) {
  const qos::Colour colour = meter.colour(bits, now);
  if (colour != qos::Colour::red) meter.take(colour, bits);
  return colour != qos::Colour::red;
}

// A policed flow that offers twice its rate, over a second after its burst is used up.
void rate_error(benchmark::State& state) {
  double worst = 0;
  for (auto _ : state)
    for (const std::uint64_t rate : {kGigabit / 1000, kGigabit / 10, 3 * kGigabit}) {
      const nanoseconds gap(static_cast<Duration::rep>(8 * kFrame * kGigabit / (2 * rate)));
      qos::Meter meter = policer({.receive = {.most = rate}});
      Instant now{};
      while (passes(meter, 8 * kFrame, now)) now += gap;
      std::uint64_t admitted = 0;
      for (const Instant end = now + seconds(1); now < end; now += gap)
        if (passes(meter, 8 * kFrame, now)) admitted += 8 * kFrame;
      worst = std::max(worst, std::abs(static_cast<double>(admitted) / static_cast<double>(rate) - 1));
    }
  report_goal(state, {"error of a rate over a second (1 Mb/s, 100 Mb/s, 3 Gb/s)", 0.01, true, "%"}, worst);
}

// Admitted bits beyond CIR t + CBS, in the worst of all intervals of a second of random frames: the largest
// rise of (admitted - CIR t) above its least value before, less the burst.
void rate_bound(benchmark::State& state) {
  constexpr std::uint64_t kRate = kGigabit;
  double beyond = 0;
  for (auto _ : state) {
    const qos::ServiceLevel level{.receive = {.guaranteed = kRate, .most = kRate, .burst = 20'000}};
    qos::Meter meter = policer(level);
    std::minstd_rand random(3);
    double sum = 0, least = 0;
    beyond = -8.0 * 20'000;
    for (Instant now{}; now < Instant(seconds(1)); now += nanoseconds(random() % 12'000)) {
      const std::uint64_t bits = 8 * (60 + random() % 1455);
      if (!passes(meter, bits, now)) continue;
      const double earned =
          static_cast<double>(kRate) * std::chrono::duration<double>(now.time_since_epoch()).count();
      least = std::min(least, sum - earned);
      sum += static_cast<double>(bits);
      beyond = std::max(beyond, sum - earned - least - 8.0 * 20'000);
    }
  }
  report_goal(state, {"bits admitted beyond CIR t + CBS in any interval", 0, true, "bit"},
              std::round(beyond));
}

// ---- shares of a link

struct Outcome {
  double first = 0, total = 0;  // bits a second
};
// The first flow has `level`; `others` more send without a pause.
Outcome contend(std::uint64_t capacity, const qos::ServiceLevel& level, std::uint16_t others) {
  const auto flows = static_cast<std::uint16_t>(others + 1);
  qos::Scheduler scheduler({.flows = flows}, Instant{});
  scheduler.set_share(0, qos::transmit_share(level), Instant{});
  qos::testing::Link link(scheduler, capacity, flows, [](std::uint16_t) { return kFrame; });
  for (std::uint16_t flow = 0; flow < flows; ++flow) link.start(flow);
  link.run(Instant(seconds(1)));
  return {8.0 * static_cast<double>(link.sent[0]), 8.0 * static_cast<double>(link.total)};
}

// One of two is held to L per cent of the link: what it may not have the other gets.
void total_at_limit(benchmark::State& state) {
  double least = 1;
  for (auto _ : state)
    for (std::uint64_t percent = 1; percent <= 100; percent += 3) {
      const auto got = contend(kGigabit, {.transmit = {.most = kGigabit / 100 * percent}}, 1);
      least = std::min(least, got.total / kGigabit);
    }
  report_goal(state, {"total at every limit of one of two", 0.99, false, "%"}, least);
}

constexpr std::uint64_t kLink = 10 * kGigabit, kPromised = kLink / 3;

void isolation(benchmark::State& state) {
  const qos::ServiceLevel level{.transmit = {.guaranteed = kPromised, .most = kPromised}};
  double change = 0;
  for (auto _ : state) {
    const double before = contend(kLink, level, 10).first;
    change = std::abs(contend(kLink, level, 150).first - before) / before;
  }
  report_goal(state, {"change of a victim when 10 aggressors become 150", 0.01, true, "%"}, change);
}

void guarantee(benchmark::State& state) {
  double missing = 0;
  for (auto _ : state) {
    const auto got = contend(kLink, {.transmit = {.guaranteed = kPromised}}, 1023);
    missing = std::max(0.0, 1 - got.first / static_cast<double>(kPromised));
  }
  report_goal(state, {"missing of a guaranteed rate under 1,023 floods", 0.01, true, "%"}, missing);
}

// Backlogged flows of weights 1 to 100: bytes by weight, compared after every frame. In quanta of weight 1,
// of which a flow's last turn and its next frame are a part by nature (deficit round robin is fair to a
// quantum and a frame of each of the two; here frame and quantum are the same).
void weights(benchmark::State& state) {
  constexpr std::uint16_t kFlows = 16;
  double worst = 0;
  for (auto _ : state) {
    qos::Scheduler scheduler({.flows = kFlows, .quantum = kFrame}, Instant{});
    std::vector<double> weight(kFlows);
    for (std::uint16_t flow = 0; flow < kFlows; ++flow) {
      weight[flow] = flow == 0 ? 1 : flow * 100.0 / (kFlows - 1);
      scheduler.set_share(flow, {.weight = static_cast<std::uint16_t>(weight[flow])}, Instant{});
      weight[flow] = std::floor(weight[flow]);
    }
    qos::testing::Link link(scheduler, kGigabit, kFlows, [](std::uint16_t) { return kFrame; });
    link.on_sent = [&](std::uint16_t, std::uint32_t, Instant) {
      double least = 1e18, most = 0;
      for (std::uint16_t flow = 0; flow < kFlows; ++flow) {
        const double share = static_cast<double>(link.sent[flow]) / weight[flow];
        least = std::min(least, share), most = std::max(most, share);
      }
      worst = std::max(worst, (most - least) / kFrame);
    };
    for (std::uint16_t flow = 0; flow < kFlows; ++flow) link.start(flow);
    link.run(Instant(seconds(1)));
  }
  report_goal(state, {"difference of weighted shares at any moment", 1, true, "quanta"}, worst);
}

// ---- what a limiter takes

void limiter_size(benchmark::State& state) {
  std::vector<qos::Meter> meters;
  for (auto _ : state)
    meters.assign(1000, policer({.receive = {.guaranteed = kGigabit, .most = 2 * kGigabit}}));
  benchmark::DoNotOptimize(meters.data());
  report_goal(state, {"memory of each of 1,000 limiters", 64, true, "byte"},
              static_cast<double>(meters.size() * sizeof(qos::Meter)) / 1000);
}

// ---- what a refusal costs

// A function with a driver, fed from the wire; the time of the device alone.
class Server {
 public:
  Server() : rig_(options()) {
    client::VfDriver& driver = rig_.driver(0);
    if (!driver.probe() || !driver.open()) throw std::runtime_error("the driver could not start");
    driver.mask_interrupts();
    rig_.wire().discard = true;
  }
  nic::testing::Rig& rig() { return rig_; }
  void limit(bool refuse) {
    qos::ServiceLevel level = rig_.nic().level(0);
    level.receive_packets = refuse ? qos::RateRange{.most = 1, .burst = 1} : qos::RateRange{};
    if (rig_.nic().set_level(0, level)) throw std::runtime_error("the level was refused");
  }
  [[nodiscard]] client::Frame inwards(std::size_t payload) const { return frame(payload, 9, 0); }
  [[nodiscard]] client::Frame outwards(std::size_t payload) const { return frame(payload, 0, 9); }
  // Seconds that `in` frames from the wire take, and what the driver has left in its ring.
  double take(const client::Frame& arriving, std::size_t in) {
    rig_.wire().repeated = arriving;
    rig_.wire().repeats = in;
    rig_.clock().advance(nanoseconds(1000));
    const auto start = std::chrono::steady_clock::now();
    while (rig_.nic().poll()) {
    }
    const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    rig_.driver(0).rx().receive_batch(256);
    return taken;
  }

 private:
  static nic::testing::RigOptions options() {
    nic::testing::RigOptions made;
    made.vfs = 1;
    made.driver.report_every = 32;
    return made;
  }
  static client::Frame frame(std::size_t payload, std::uint16_t from, std::uint16_t to) {
    return client::make_frame({.destination = client::PfResponder::mac_of(to),
                               .source = client::PfResponder::mac_of(from),
                               .carries = client::Carries::tcp,
                               .payload = payload});
  }
  nic::testing::Rig rig_;
};

template <class Measure>
double median(Measure measure) {
  std::vector<double> times(401);
  for (double& time : times) time = measure();
  std::ranges::nth_element(times, times.begin() + 200);
  return times[200];
}

// A reply of 10 KiB: inwards SYN, ACK, request, three acknowledgements and FIN; outwards SYN, seven segments
// and FIN. Of the device alone; hosts and guests add to the reply, and to a refusal nothing.
struct Costs {
  double refusal = 0, reply = 0;  // seconds
};
Costs measure_costs() {
  constexpr std::size_t kBatch = 64, kIn = 7, kReplies = 8;
  Server server;
  const client::Frame small = server.inwards(0), reply = server.outwards(1460), control = server.outwards(0);
  auto& tx = server.rig().driver(0).tx();
  Costs costs;
  const double in = median([&] { return server.take(small, kBatch); }) / kBatch;
  const auto out = [&](const client::Frame& frame, std::size_t count) {
    return median([&] {
             for (std::size_t i = 0; i < count; ++i) {
               tx.reclaim();
               if (!tx.send(frame)) throw std::runtime_error("the ring is full");
             }
             return server.take({}, 0);
           }) /
           static_cast<double>(count);
  };
  costs.reply = kIn * in + 7 * out(reply, 7 * kReplies) + 2 * out(control, 2 * kReplies);
  server.limit(true);
  (void)server.take(small, kBatch);
  costs.refusal = median([&] { return server.take(small, kBatch); }) / kBatch;
  return costs;
}

void refusal_time(benchmark::State& state) {
  Costs costs;
  for (auto _ : state) costs = measure_costs();
  state.counters["seconds_per_refusal"] = costs.refusal;
  state.counters["seconds_per_reply_in_the_device"] = costs.reply;
  report_goal(state, {"time of a refusal against a reply of 10 KiB, in the device alone", 0.005, true, "%"},
              costs.refusal / costs.reply);
}

void refusal_published(benchmark::State& state) {
  Costs costs;
  for (auto _ : state) costs = measure_costs();
  report_goal(state,
              {"time of a refusal against a reply of the published machine (1/900 s)", 0.005, true, "%"},
              costs.refusal * 900);
}

// The function's memory refuses every access: one would be a fault.
void refusal_dma(benchmark::State& state) {
  constexpr std::size_t kRefused = 10'000;
  double accesses = 0;
  for (auto _ : state) {
    Server server;
    server.limit(true);
    const client::Frame frame = server.inwards(1460);
    (void)server.take(frame, 64);
    const auto refused = [&] { return server.rig().nic().drops(0)[nic::VfDrop::rx_over_packet_rate]; };
    const std::uint64_t before = refused();
    server.rig().port(0).revoke(true);
    (void)server.take(frame, kRefused);
    if (refused() != before + kRefused) return state.SkipWithError("not every frame was refused");
    accesses = static_cast<double>(server.rig().port(0).refusals() + server.rig().nic().faults(0).total());
  }
  report_goal(state, {"DMA of 10,000 refusals", 0, true, "accesses"}, accesses);
}

}  // namespace

void register_qos_goals() {
  const auto add = [](const char* name, void (*measure)(benchmark::State&)) {
    benchmark::RegisterBenchmark(name, measure)->Iterations(1)->Unit(benchmark::kMillisecond);
  };
  add("qos/goal/rate_error", rate_error);
  add("qos/goal/rate_bound", rate_bound);
  add("qos/goal/total_at_limit", total_at_limit);
  add("qos/goal/refusal_time_in_device", refusal_time);
  add("qos/goal/refusal_time_published", refusal_published);
  add("qos/goal/refusal_dma", refusal_dma);
  add("qos/goal/isolation", isolation);
  add("qos/goal/guarantee", guarantee);
  add("qos/goal/weights", weights);
  add("qos/goal/limiter_size", limiter_size);
}

}  // namespace ladon::bench
