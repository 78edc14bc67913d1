#include "attack/price.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "attack/scene.h"

namespace ladon::attack {
namespace {

constexpr int kRounds = 9;
constexpr std::uint32_t kResolutions = 20'000, kBatch = 128, kFrames = 40'000;
constexpr std::size_t kFrameBytes = 64;

template <class Work>
double seconds_of(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
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
  [[nodiscard]] std::size_t hops() const { return bed_->hops(from_); }

  [[nodiscard]] double cold() {
    return seconds_of([&] { usable_ &= bed_->resolve_many(from_, kResolutions); }) / kResolutions;
  }
  [[nodiscard]] double cached() {
    return seconds_of([&] { usable_ &= bed_->look_up_many(from_, kResolutions); }) / kResolutions;
  }
  [[nodiscard]] double packets_per_second() {
    std::uint32_t received = 0, idle = 0;
    const double seconds = seconds_of([&] {
      while (received < kFrames && idle < 1000) {
        (void)sender_->tx().transmit_batch(kBatch);
        bed_->turn();
        const std::uint32_t now = receiver_->rx().receive_batch(2 * kBatch);
        receiver_->rx().refill();
        received += now;
        idle = now == 0 ? idle + 1 : 0;
      }
    });
    usable_ &= received >= kFrames;
    return received / seconds;
  }

 private:
  std::unique_ptr<Testbed> bed_;
  std::size_t from_ = 0;
  std::unique_ptr<client::VfDriver> sender_, receiver_;
  bool usable_ = false;
};

}  // namespace

std::vector<OffSet> priced_sets() {
  std::vector<OffSet> sets = {OffSet{}};
  for (unsigned i = 0; i < kDefences; ++i) sets.emplace_back(1u << i);
  sets.emplace_back(kDefenceSets - 1);
  return sets;
}

std::expected<std::vector<Price>, std::string> measure_prices(const Build& build,
                                                              const std::vector<OffSet>& sets) {
  std::vector<std::unique_ptr<Pair>> pairs;
  for (const OffSet off : sets) {
    auto bed = build({.off = off});
    if (!bed) return std::unexpected(bed.error());
    if (!cast(**bed).attacker) return std::unexpected(std::string("the rack has no VM on a compute host"));
    pairs.push_back(std::make_unique<Pair>(std::move(*bed)));
    if (!pairs.back()->usable()) return std::unexpected(std::string("the rack has no two guests that talk"));
  }
  std::vector<std::vector<double>> rates(sets.size()), cold(sets.size()), cached(sets.size());
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < sets.size(); ++i) {
      cold[i].push_back(pairs[i]->cold());
      cached[i].push_back(pairs[i]->cached());
      rates[i].push_back(pairs[i]->packets_per_second());
    }
  for (const auto& pair : pairs)
    if (!pair->usable()) return std::unexpected(std::string("a guest's own memory is not reached"));
  std::vector<Price> prices;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    std::ranges::sort(rates[i]);
    prices.push_back({.off = sets[i],
                      .hops = pairs[i]->hops(),
                      .cold = median(cold[i]),
                      .cached = median(cached[i]),
                      .packets_per_second = median(rates[i]),
                      .slowest = rates[i][1],
                      .fastest = rates[i][kRounds - 2]});
  }
  return prices;
}

}  // namespace ladon::attack
