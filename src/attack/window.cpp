#include "attack/window.h"

#include <algorithm>
#include <random>

#include "attack/scene.h"

namespace ladon::attack {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr unsigned kPatience = 600;  // turns until an unmap is answered

// A page that its guest has given back and somebody else has.
struct GivenBack {
  Iova at;
  Canary next;
  Instant answered;
  Duration open{};  // until the last write that landed
};

class Measurement {
 public:
  Measurement(Testbed& bed, std::size_t guest, Duration every)
      : bed_(bed), guest_(bed.guests()[guest]), index_(guest), every_(every) {}

  // The windows.
  std::expected<std::vector<Duration>, std::string> run() {
    for (std::size_t i = 0; i < kMeasuredUnmaps; ++i)
      if (bed_.give_memory(index_, page(i), kPage, pcie::kReadWrite).empty())
        return std::unexpected(std::string("no memory to give"));
    bed_.settle();
    const Instant begin = bed_.now();
    Instant next = begin;
    for (std::size_t i = 0; i < kMeasuredUnmaps;) {
      write_all();
      for (; i < kMeasuredUnmaps && bed_.now() >= next; next += gap())
        if (!give_back(i++)) return std::unexpected(std::string("a page is not given back"));
      if (i == kMeasuredUnmaps) every_ = (bed_.now() - begin) / (kMeasuredUnmaps - 1);
      // While nothing is open there is nothing to try.
      bed_.advance(open_.empty() && next > bed_.now() ? next - bed_.now() : kWindowStep);
    }
    for (; !open_.empty(); bed_.advance(kWindowStep)) write_all();
    return std::move(windows_);
  }
  [[nodiscard]] Duration every() const { return every_; }

 private:
  [[nodiscard]] Gpa page(std::size_t i) const {
    return Gpa(((guest_.memory + Scene::kExtra) & ~(Scene::kExtra - 1)) + i * kPage);
  }
  // Anything from 0 to twice the average; the same in every run.
  Duration gap() { return Duration(random_() % static_cast<std::uint64_t>(2 * every_.count() + 1)); }

  bool give_back(std::size_t i) {
    const auto place = bed_.place_of(index_, page(i));
    const auto done = bed_.take_memory(index_, page(i), kPage);
    for (unsigned turns = 0; !*done && turns < kPatience; ++turns) bed_.turn();
    const auto next = *done && place ? bed_.place(guest_.host, kPage, place) : std::nullopt;
    if (!next) return false;
    open_.push_back({Iova(page(i).bits()), Canary(next->at, next->bytes, i + 1), bed_.now()});
    write_all();
    return true;
  }
  // The VF tries every page that was given back, until it is refused.
  void write_all() {
    std::erase_if(open_, [this](GivenBack& one) {
      const std::array<std::byte, 4> word{};
      if (bed_.emit_write(guest_.nic, {.rid = guest_.rid.bdf, .address = one.at}, word)) {
        one.open = std::max(bed_.now() - one.answered, Duration(1));
        return false;
      }
      windows_.push_back(one.next.untouched() ? Duration(0) : one.open);
      return true;
    });
  }

  Testbed& bed_;
  const Guest& guest_;
  std::size_t index_;
  Duration every_;  // between two unmaps: as wanted, then as it was
  std::mt19937_64 random_{1};
  std::vector<GivenBack> open_;
  std::vector<Duration> windows_;
};

WindowMeasurement summary(std::vector<Duration> windows, bool deferred, Duration every) {
  std::ranges::sort(windows);
  const auto at = [&](std::size_t percent) { return windows[(windows.size() - 1) * percent / 100]; };
  return {.deferred = deferred,
          .every = every,
          .unmaps = windows.size(),
          .open = static_cast<std::size_t>(
              std::ranges::count_if(windows, [](Duration w) { return w.count() > 0; })),
          .shortest = windows.front(),
          .median = at(50),
          .percentile_99 = at(99),
          .longest = windows.back()};
}

}  // namespace

std::expected<std::vector<WindowMeasurement>, std::string> measure_windows(const Build& build) {
  using Unmaps = Conditions::Unmaps;
  using std::chrono::microseconds;
  std::vector<WindowMeasurement> all;
  for (const auto unmaps : {Unmaps::strict, Unmaps::deferred})
    for (const Duration every : {microseconds(20'000), microseconds(1000), microseconds(20)}) {
      auto bed = build({.unmaps = unmaps});
      if (!bed) return std::unexpected(bed.error());
      const Cast parts = cast(**bed);
      if (!parts.attacker) return std::unexpected(std::string("the rack has no VM on a compute host"));
      Measurement measurement(**bed, *parts.attacker, every);
      auto windows = measurement.run();
      if (!windows) return std::unexpected(windows.error());
      all.push_back(summary(std::move(*windows), unmaps == Unmaps::deferred, measurement.every()));
    }
  return all;
}

}  // namespace ladon::attack
