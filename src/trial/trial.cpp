#include "trial/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <tuple>

#include "trial/evidence.h"
#include "trial/policies.h"

namespace ladon::trial {
namespace {

using attack::Outcome;
using machine::OnFault;
using Guests = std::vector<RunningGuest>;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

OnFault policy_of(const RunningGuest& guest) {
  return guest.place->placed.guest->vf->on_fault;
}

// Those who can attack, the best first: VMs of compute hosts with a neighbour on the same host, and of these
// such that an attack does not cut off from the next one.
std::vector<RunningGuest*> attackers(Guests& guests) {
  std::vector<RunningGuest*> all;
  for (RunningGuest& guest : guests)
    if (guest.place->placed.domain != pcie::kManagementDomain) all.push_back(&guest);
  const auto worse = [&](const RunningGuest* guest) {
    const bool alone = std::ranges::count_if(guests, [&](const RunningGuest& other) {
                         return other.place->placed.domain == guest->place->placed.domain;
                       }) < 2;
    static constexpr std::array kByPolicy = {1, 0, 2};  // log, reset, quarantine
    return std::tuple(alone, kByPolicy[static_cast<std::size_t>(policy_of(*guest))], guest);
  };
  std::ranges::sort(all, {}, worse);
  return all;
}

std::vector<RunningGuest*> others(Guests& guests, const std::vector<const RunningGuest*>& without) {
  std::vector<RunningGuest*> all;
  for (RunningGuest& guest : guests)
    if (std::ranges::find(without, &guest) == without.end()) all.push_back(&guest);
  return all;
}

struct Trial {
  machine::Runner& runner;
  Guests& guests;
  const Options& options;
  Witness witness;
  ManagementLog log;
  Report report;
  std::vector<const RunningGuest*> shut{};  // quarantined

  void add(const Talk::Result& talk) {
    for (const PairCount& pair : talk.pairs) {
      const auto known = std::ranges::find_if(
          report.traffic, [&](const PairCount& one) { return one.from == pair.from && one.to == pair.to; });
      if (known == report.traffic.end()) {
        report.traffic.push_back(pair);
      } else {
        known->sent += pair.sent, known->received += pair.received;
      }
    }
  }

  AttackResult perform(const GuestAttack& attack, Stage& stage) {
    AttackResult result{.attack = attack, .attacker = stage.parts.attacker->name()};
    const double began = now();
    witness.begin();
    log.begin();
    const Verdict verdict = [&] {
      try {
        return attack.perform(stage);
      } catch (const std::runtime_error& error) {
        return attack::skipped(error.what());
      }
    }();
    result.outcome = verdict.outcome;
    result.reason = verdict.reason;
    result.by = verdict.by, result.attributed_to = verdict.attributed_to;
    collect_evidence(result, stage);
    result.seconds = now() - began;
    return result;
  }

  // As many of the attacks from `first` on as this guest lives to make; how many.
  std::size_t attack_from(RunningGuest& attacker, std::size_t first) {
    std::vector<const RunningGuest*> without = shut;
    without.push_back(&attacker);
    auto talk = Talk::start(runner, others(guests, without));
    if (!talk) return give_up(talk.error());
    auto stage = Stage::set(runner, witness, log, cast(guests, attacker, shut));
    if (!stage) return give_up(stage.error());
    std::size_t next = first;
    for (; next < options.attacks.size() && !options.stopped() && stage->ready(); ++next) {
      const GuestAttack& attack = options.attacks[next];
      options.progress(fmt::format("{} tries {}: {}", attacker.name(), attack.id, title(attack)));
      if (next > first && !talk->next_period()) return give_up("a neighbour's shell is gone");
      report.attacks.push_back(perform(attack, *stage));
    }
    const bool came_back = stage->strike();
    const auto told = talk->finish();
    if (!told) return give_up(told.error());
    add(*told);
    for (std::size_t i = first; i < next; ++i)
      report.attacks[i].collateral_packets = told->lost_in(i - first);
    if (!came_back && policy_of(attacker) == OnFault::quarantine)
      shut.push_back(&attacker);
    else if (!came_back)
      report.failures.push_back(attacker.name() + ": its driver does not get its VF to work again");
    return next - first;
  }

  std::size_t give_up(const std::string& why) {
    report.failures.push_back(why);
    return options.attacks.size();
  }

  void all_attacks() {
    std::size_t next = 0;
    for (RunningGuest* attacker : attackers(guests)) {
      if (next >= options.attacks.size() || options.stopped()) break;
      next += attack_from(*attacker, next);
    }
    for (; next < options.attacks.size() && report.failures.empty(); ++next)
      report.attacks.push_back({.attack = options.attacks[next],
                                .outcome = Outcome::skipped,
                                .reason = "every guest that could attack is in quarantine"});
  }

  void one_policy(OnFault policy) {
    const auto all = attackers(guests);
    const auto found = std::ranges::find_if(all, [&](const RunningGuest* guest) {
      return policy_of(*guest) == policy && std::ranges::find(shut, guest) == shut.end();
    });
    if (found == all.end() || options.stopped()) return;
    RunningGuest& guest = **found;
    options.progress(fmt::format("{} offends, on_fault: {}", guest.name(), name(policy)));
    std::vector<const RunningGuest*> without = shut;
    without.push_back(&guest);
    const auto rest = others(guests, without);
    if (rest.size() < 2) return;
    auto talk = Talk::start(runner, rest);
    if (!talk) return void(give_up(talk.error()));
    const double began = now();
    PolicyResult result = try_policy(runner, witness, log, guest, *rest.front());
    result.seconds = now() - began;
    const auto told = talk->finish();
    if (!told) return void(give_up(told.error()));
    add(*told);
    for (const std::uint64_t lost : told->lost) result.collateral_packets += lost;
    report.policies.push_back(std::move(result));
    if (policy == OnFault::quarantine) shut.push_back(&guest);
  }
};

}  // namespace

bool AttackResult::ok() const {
  return outcome != Outcome::succeeded && collateral_packets == 0 && log_matches &&
         (outcome == Outcome::skipped || attributed_to == attacker);
}

bool PolicyResult::ok() const {
  return collateral_packets == 0 && std::ranges::all_of(checks, &Check::held);
}

bool Report::ok() const {
  return failures.empty() && std::ranges::all_of(attacks, &AttackResult::ok) &&
         std::ranges::all_of(policies, &PolicyResult::ok);
}

bool Report::any_succeeded() const {
  return std::ranges::find(attacks, Outcome::succeeded, &AttackResult::outcome) != attacks.end();
}

Report attempt(machine::Runner& runner, Guests& guests, const std::string& management_log,
               const Options& options) {
  Trial trial{.runner = runner,
              .guests = guests,
              .options = options,
              .witness = Witness(runner),
              .log = ManagementLog(management_log),
              .report = {}};
  const double began = now();
  trial.all_attacks();
  if (options.policies && trial.report.failures.empty())
    for (const OnFault policy : {OnFault::log, OnFault::reset, OnFault::quarantine}) trial.one_policy(policy);
  trial.report.seconds = now() - began;
  return std::move(trial.report);
}

}  // namespace ladon::trial
