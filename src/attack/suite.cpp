#include "attack/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <tuple>

namespace ladon::attack {
namespace {

using Counted = std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t>;

Counted counted(const Testbed& bed) {
  Counted all;
  for (const Count& count : bed.counts()) all[{count.where, count.reason, count.who}] += count.count;
  return all;
}

// What drivers ask for when they begin, the newest interface first.
constexpr std::string_view kNegotiation = "API too new";

// What the rack has recorded since then: what a table refused the attacker before what was counted against
// it. One that lies about who it is has been refused under another's name.
void attribute(Result& result, const Testbed& bed, std::size_t first_refusal, const Counted& before,
               const std::string& attacker) {
  const auto refusals = std::span(bed.refusals()).subspan(first_refusal);
  auto found = std::ranges::find(refusals, attacker, &Refusal::who);
  if (found == refusals.end()) found = refusals.begin();
  if (found != refusals.end()) {
    result.by = found->by, result.attributed_to = found->who;
    return;
  }
  for (const auto& [key, count] : counted(bed)) {
    const auto& [where, reason, who] = key;
    const auto old = before.find(key);
    const bool mistake = result.attack->by == Party::mh && who != kWire;
    if ((old != before.end() && old->second == count) || (who != attacker && !mistake)) continue;
    if (reason == kNegotiation) continue;
    result.by = fmt::format("{}: {}", where, reason);
    result.attributed_to = attacker;
    return;
  }
}

std::string attacker_of(const Attack& attack, const Scene& scene) {
  const auto& hosts = scene.bed.hosts();
  if (attack.by == Party::wire) return std::string(kWire);
  if (attack.by == Party::mh) return hosts.front();
  return attack.by == Party::ch ? hosts[static_cast<std::size_t>(scene.self().host)] : scene.self().name;
}

Verdict perform(const Attack& attack, Scene& scene) {
  try {
    return attack.perform(scene);
  } catch (const std::runtime_error& error) {
    return skipped(error.what());
  }
}

Result play(const Attack& attack, Scene& scene) {
  Result result{.attack = &attack};
  const Testbed& bed = scene.bed;
  const std::size_t first = bed.refusals().size();
  const Counted before = counted(bed);
  const Verdict verdict = perform(attack, scene);
  result.outcome = verdict.outcome;
  result.reason = verdict.reason;
  result.collateral_packets = scene.lost();
  result.latency = scene.latency();
  if (result.outcome == Outcome::skipped) return result;
  attribute(result, bed, first, before, attacker_of(attack, scene));
  if (!verdict.by.empty()) result.by = verdict.by, result.attributed_to = verdict.attributed_to;
  return result;
}

Conditions conditions_of(const Attack& attack, OffSet off, Mutant mutant) {
  Conditions conditions{.off = off, .mutant = mutant, .watched_dma = attack.watched_dma};
  conditions.tight_look_up = attack.one_entry_short;
  return conditions;
}

Result nobody_attacks(const Attack& attack) {
  Result result{.attack = &attack, .outcome = Outcome::skipped};
  result.reason = "the rack has no VM on a compute host";
  return result;
}

// The attacker's process ends, and what it leaves is all that is left.
Remains after_it_is_gone(Scene& scene) {
  scene.bed.hold(scene.me(), false);
  (void)scene.bed.land();
  const auto gone = scene.bed.detach(scene.me());
  for (int i = 0; i < 600 && !*gone; ++i) scene.run(1);
  scene.bed.settle();
  return scene.bed.remains();
}

LeftBehind difference(const Remains& with, const Remains& without) {
  LeftBehind left;
  left.findings = with.findings - std::min(with.findings, without.findings);
  left.unreachable = with.unreachable - std::min(with.unreachable, without.unreachable);
  for (const auto& [what, count] : with.entries) {
    const auto usual = without.entries.find(what);
    const std::uint64_t expected = usual == without.entries.end() ? 0 : usual->second;
    if (count > expected) left.entries[what] = count - expected;
  }
  return left;
}

}  // namespace

std::expected<Result, std::string> try_attack(const Build& build, const Attack& attack, OffSet off,
                                              Mutant mutant) {
  auto bed = build(conditions_of(attack, off, mutant));
  if (!bed) return std::unexpected(bed.error());
  const Cast parts = cast(**bed);
  if (!parts.attacker) return nobody_attacks(attack);
  Scene scene(**bed, parts);
  return play(attack, scene);
}

std::expected<Examined, std::string> examine_attack(const Build& build, const Attack& attack) {
  const Conditions conditions = conditions_of(attack, {}, Mutant::none);
  auto bed = build(conditions), quiet = build(conditions);
  if (!bed || !quiet) return std::unexpected(!bed ? bed.error() : quiet.error());
  const Cast parts = cast(**bed);
  if (!parts.attacker) return Examined{.result = nobody_attacks(attack), .left = {}};
  Scene scene(**bed, parts);
  Examined examined{.result = play(attack, scene), .left = {}};
  if (examined.result.outcome == Outcome::skipped) return examined;
  Scene peace(**quiet, parts);
  examined.left = difference(after_it_is_gone(scene), after_it_is_gone(peace));
  return examined;
}

}  // namespace ladon::attack
