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
    const bool mistake = result.attack->by == Party::mh;
    if ((old != before.end() && old->second == count) || (who != attacker && !mistake)) continue;
    if (reason == kNegotiation) continue;
    result.by = fmt::format("{}: {}", where, reason);
    result.attributed_to = attacker;
    return;
  }
}

std::string attacker_of(const Attack& attack, const Scene& scene) {
  const auto& hosts = scene.bed.hosts();
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

}  // namespace

std::expected<Result, std::string> try_attack(const Build& build, const Attack& attack, OffSet off,
                                              Mutant mutant) {
  Conditions conditions{.off = off, .mutant = mutant, .watched_dma = attack.watched_dma};
  conditions.tight_look_up = attack.one_entry_short;
  auto bed = build(conditions);
  if (!bed) return std::unexpected(bed.error());
  Result result{.attack = &attack};
  const Cast parts = cast(**bed);
  if (!parts.attacker) {
    result.outcome = Outcome::skipped;
    result.reason = "the rack has no VM on a compute host";
    return result;
  }
  Scene scene(**bed, parts);
  const std::size_t first = (*bed)->refusals().size();
  const Counted before = counted(**bed);
  const Verdict verdict = perform(attack, scene);
  result.outcome = verdict.outcome;
  result.reason = verdict.reason;
  result.collateral_packets = scene.lost();
  if (result.outcome == Outcome::skipped) return result;
  attribute(result, **bed, first, before, attacker_of(attack, scene));
  if (!verdict.by.empty()) result.by = verdict.by, result.attributed_to = verdict.attributed_to;
  return result;
}

}  // namespace ladon::attack
