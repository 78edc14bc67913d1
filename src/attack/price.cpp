#include "attack/price.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <utility>

#include "attack/scene.h"

namespace ladon::attack {
namespace {

constexpr std::uint32_t kResolutions = 5000, kBatch = 128, kFrames = 40'000, kWarmUp = 2000;
constexpr std::size_t kFrameBytes = 64;

// Of this thread, which does everything: what else the machine has to do does not count.
double processor_seconds() {
  timespec now{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Work>
double seconds_of(Work work) {
  const double begin = processor_seconds();
  work();
  return processor_seconds() - begin;
}

using Rounds = std::array<double, kPriceRounds>;

Estimate estimate(Rounds rounds) {
  std::ranges::sort(rounds);
  return {.median = rounds[kPriceRounds / 2], .low = rounds[1], .high = rounds[kPriceRounds - 2]};
}

// A sender and a receiver on two hosts, if the rack has two, with drivers that poll.
class Pair {
 public:
  explicit Pair(std::unique_ptr<Testbed> bed) : bed_(std::move(bed)) {
    const Cast parts = cast(*bed_);
    from_ = *parts.attacker;
    const std::size_t to = parts.stranger.value_or(parts.sibling.value_or(from_));
    const client::VfOptions options{.tx_size = 256, .report_every = 32, .rx = {.size = 256}};
    sender_ = std::make_unique<client::VfDriver>(bed_->registers(from_), bed_->memory(from_), options);
    receiver_ = std::make_unique<client::VfDriver>(bed_->registers(to), bed_->memory(to), options);
    usable_ = to != from_ && sender_->probe() && receiver_->probe() && sender_->open() && receiver_->open();
    sender_->mask_interrupts();
    receiver_->mask_interrupts();
    if (!usable_) return;
    Frame frame(kFrameBytes);
    std::memcpy(&frame[0], bed_->guests()[to].mac.bytes.data(), 6);
    std::memcpy(&frame[6], bed_->guests()[from_].mac.bytes.data(), 6);
    sender_->tx().fill(frame);
  }
  [[nodiscard]] bool usable() const { return usable_; }
  [[nodiscard]] Hops hops() const { return bed_->hops(from_); }

  [[nodiscard]] double cold() {
    return seconds_of([&] { usable_ &= bed_->resolve_many(from_, kResolutions); }) / kResolutions;
  }
  [[nodiscard]] double cached() {
    usable_ &= bed_->look_up_many(from_, 1);  // remembers what is looked up
    return seconds_of([&] { usable_ &= bed_->look_up_many(from_, kResolutions); }) / kResolutions;
  }
  [[nodiscard]] double packets_per_second() {
    (void)pass(kWarmUp);  // pages that nobody has touched, and caches
    std::uint32_t received = 0;
    const double seconds = seconds_of([&] { received = pass(kFrames); });
    return received / seconds;
  }

 private:
  // So many frames or a few more; fewer if they do not arrive.
  std::uint32_t pass(std::uint32_t frames) {
    std::uint32_t received = 0, idle = 0;
    while (received < frames && idle < 1000) {
      (void)sender_->tx().transmit_batch(kBatch);
      bed_->turn();
      const std::uint32_t now = receiver_->rx().receive_batch(2 * kBatch);
      receiver_->rx().refill();
      received += now;
      idle = now == 0 ? idle + 1 : 0;
    }
    usable_ &= received >= frames;
    return received;
  }

  std::unique_ptr<Testbed> bed_;
  std::size_t from_ = 0;
  std::unique_ptr<client::VfDriver> sender_, receiver_;
  bool usable_ = false;
};

}  // namespace

std::vector<OffSet> ordered_sets() {
  std::vector<OffSet> sets;
  for (unsigned off = 0; off < kDefenceSets; ++off) sets.emplace_back(off);
  std::ranges::sort(sets, {}, [](OffSet set) { return std::pair(set.size(), set.bits); });
  return sets;
}

Estimate price_of(const std::vector<Price>& prices, Defence defence) {
  std::array<double, kDefenceSets> rates{};
  for (const Price& price : prices) rates[price.off.bits] = price.packets_per_second.median;
  std::array<double, kDefenceSets / 2> ratios{};
  std::size_t pairs = 0;
  for (unsigned on = 0; on < kDefenceSets; ++on)
    if (!OffSet(on).has(defence))
      ratios[pairs++] = rates[on | 1u << static_cast<unsigned>(defence)] / rates[on];
  std::ranges::sort(ratios);
  return {.median = (ratios[15] + ratios[16]) / 2, .low = ratios[9], .high = ratios[22]};
}

std::expected<std::vector<Hops>, std::string> count_hops(const Build& build,
                                                         const std::vector<OffSet>& sets) {
  std::vector<Hops> all;
  for (const OffSet off : sets) {
    auto bed = build({.off = off});
    if (!bed) return std::unexpected(bed.error());
    const Cast parts = cast(**bed);
    if (!parts.attacker) return std::unexpected(std::string("the rack has no VM on a compute host"));
    all.push_back((*bed)->hops(*parts.attacker));
  }
  return all;
}

std::expected<std::vector<Price>, std::string> measure_prices(const Build& build,
                                                              const std::vector<OffSet>& sets) {
  std::vector<Price> prices(sets.size());
  std::vector<Rounds> rates(sets.size()), ratios(sets.size()), cold(sets.size()), cached(sets.size());
  for (std::size_t round = 0; round < kPriceRounds; ++round) {
    for (std::size_t step = 0; step < sets.size(); ++step) {
      const std::size_t i = round % 2 == 0 ? step : sets.size() - 1 - step;
      auto bed = build({.off = sets[i]});
      if (!bed) return std::unexpected(bed.error());
      if (!cast(**bed).attacker) return std::unexpected(std::string("the rack has no VM on a compute host"));
      Pair pair(std::move(*bed));
      if (!pair.usable()) return std::unexpected(std::string("the rack has no two guests that talk"));
      prices[i].off = sets[i];
      prices[i].hops = pair.hops();
      rates[i][round] = pair.packets_per_second();
      cold[i][round] = pair.cold();
      cached[i][round] = pair.cached();
      if (!pair.usable()) return std::unexpected(std::string("a guest's own memory is not reached"));
    }
    std::vector<double> all;
    for (const Rounds& rate : rates) all.push_back(rate[round]);
    std::ranges::sort(all);
    for (std::size_t i = 0; i < sets.size(); ++i) ratios[i][round] = rates[i][round] / all[all.size() / 2];
  }
  for (std::size_t i = 0; i < sets.size(); ++i) {
    prices[i].cold = estimate(cold[i]).median;
    prices[i].cached = estimate(cached[i]).median;
    prices[i].packets_per_second = estimate(rates[i]);
    prices[i].ratio = estimate(ratios[i]);
  }
  return prices;
}

}  // namespace ladon::attack
