#include <fmt/format.h>

#include <algorithm>

#include "experiment/plan.h"

namespace ladon::experiment {
namespace {

constexpr double kQueueSeconds = 0.25;          // of the device's work that fits into a partition
constexpr std::uint64_t kLeastMemory = 20'000;  // bytes: two of the longest frames

// A client that a busy machine has not started when its time is over reports nothing: of a run that is not
// counted that is no matter, and one that is counted is tried again.
std::expected<Outcome, std::string> run_settled(Testbed& testbed, const Demands& demands, const Plan& plan) {
  constexpr int kAttempts = 3;
  std::expected<Outcome, std::string> outcome;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    (void)run_load(testbed, demands, plan.settle_seconds);
    outcome = run_load(testbed, demands, plan.seconds);
    if (outcome) break;
  }
  return outcome;
}

}  // namespace

std::expected<Calibration, std::string> calibrate(Testbed& testbed, const Plan& plan, double capacity,
                                                  const Watch& watch) {
  if (auto prepared = prepare_remote(testbed.remote()); !prepared) return std::unexpected(prepared.error());
  watch.progress("calibrate: what a reply takes, and how many there can be");
  const Demand one{.clients = 1}, many{.clients = plan.clients};
  const auto alone = run_settled(testbed, {one, Demand{}}, plan);
  if (!alone) return std::unexpected(alone.error());
  const auto both = run_settled(testbed, {many, many}, plan);
  if (!both) return std::unexpected(both.error());
  const Served& measured = (*alone)[0];
  if (measured.replies <= 0) return std::unexpected("vm1's web server gave no reply");
  Calibration made{.bytes = measured.device_bytes / measured.replies,
                   .frames = measured.device_frames / measured.replies,
                   .unlimited = (*both)[0].replies + (*both)[1].replies};
  made.chosen = capacity <= 0;
  made.capacity = made.chosen ? capacity_for(made.unlimited) : capacity;
  const double bytes_per_second = made.capacity * made.bytes;
  testbed.set_capacity({.receive_bits = static_cast<std::uint64_t>(8 * bytes_per_second),
                        .packet_memory = std::max(
                            kLeastMemory, static_cast<std::uint64_t>(bytes_per_second * kQueueSeconds))});
  const auto carried = run_settled(testbed, {many, Demand{}}, plan);
  if (!carried) return std::unexpected(carried.error());
  made.carried = (*carried)[0].replies;
  watch.progress(
      fmt::format("a reply takes {:.0f} bytes in {:.1f} frames; {:.0f} replies/s without a limit, {:.0f} "
                  "with the device limited to {:.0f}",
                  made.bytes, made.frames, made.unlimited, made.carried, made.capacity));
  return made;
}

std::expected<std::vector<Series>, std::string> run_settings(Testbed& testbed,
                                                             const std::vector<Setting>& settings,
                                                             const Plan& plan, const Watch& watch) {
  std::vector<Series> all;
  for (const Setting& setting : settings) all.push_back({.x = setting.x});
  for (unsigned repetition = 0; repetition < plan.repetitions; ++repetition)
    for (std::size_t i = 0; i < settings.size(); ++i) {
      if (watch.stopped()) return std::unexpected("stopped by a signal");
      const std::size_t at = repetition % 2 == 0 ? i : settings.size() - 1 - i;
      testbed.set_limit(settings[at].limit);
      const auto outcome = run_settled(testbed, settings[at].demands, plan);
      if (!outcome) return std::unexpected(outcome.error());
      all[at].outcomes.push_back(*outcome);
      watch.progress(fmt::format("{}/{} at {:g}: VM1 {:.0f}, VM2 {:.0f} replies/s, {:.0f} refused",
                                 repetition + 1, plan.repetitions, settings[at].x, (*outcome)[0].replies,
                                 (*outcome)[1].replies, (*outcome)[1].refused));
    }
  testbed.set_limit(std::nullopt);
  return all;
}

}  // namespace ladon::experiment
